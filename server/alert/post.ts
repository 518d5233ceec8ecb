// server/alert/post.ts: sends one request to a channel: to the checked address, without redirects, within five seconds, reading little.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { AddressRefused, checkedAddress, systemResolver, type Resolver } from './address.ts';

const TIMEOUT_MS = 5_000;
const MOST_READ_BYTES = 64 * 1024;

/** How a try went. `status` null: no answer. */
export interface Sent {
  readonly status: number | null;
  /** What the receiver said, or why there was no answer; unredacted. */
  readonly said: string;
  /** Milliseconds, from `Retry-After`; null where there was none. */
  readonly retryAfterMs: number | null;
  /** True: another try would end the same way. */
  readonly hopeless: boolean;
}

export interface Reach {
  readonly privateAddresses: boolean;
  readonly resolve: Resolver;
}

export const reachOf = (privateAddresses: boolean): Reach => ({ privateAddresses, resolve: systemResolver });

export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Never throws: every end is an answer. */
export async function post({ url: text, headers, body }: Post, reach: Reach): Promise<Sent> {
  try {
    const url = new URL(text);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new AddressRefused('only http and https are sent to');
    const address = await within(TIMEOUT_MS, checkedAddress(url.hostname, reach.privateAddresses, reach.resolve));
    return await exchange(url, address, headers, body);
  } catch (error) {
    return failed(error);
  }
}

/** A failure as the delivery log names it: our own words, or a code; a system's message can hold the address. */
export function failed(error: unknown): Sent {
  const { name, message, code } = error as { name?: string; message?: string; code?: string };
  // What is no address will be none the next time.
  const hopeless = error instanceof AddressRefused || code === 'ERR_INVALID_URL';
  const said = error instanceof AddressRefused ? (message ?? '') : name === 'TimeoutError' || name === 'AbortError' ? `no answer within ${TIMEOUT_MS / 1000} s` : inWords(code);
  return { status: null, said, retryAfterMs: null, hopeless };
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name has no address', EAI_AGAIN: 'the name could not be looked up', ECONNREFUSED: 'nobody listens at that address', ECONNRESET: 'the connection was cut', EHOSTUNREACH: 'no way there', ENETUNREACH: 'no way there',
  CERT_HAS_EXPIRED: 'its certificate has expired', DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by nobody that is known', UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by nobody that is known', ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
};
const inWords = (code: string | undefined): string => (code === undefined ? 'no answer' : Object.hasOwn(WORDS, code) ? `${WORDS[code]} (${code})` : code);

function exchange(url: URL, address: string, headers: Post['headers'], body: string): Promise<Sent> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: address,
      port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      headers: { 'user-agent': 'tollgate', ...headers, host: url.host, 'content-length': String(Buffer.byteLength(body)), connection: 'close' },
      ...(url.username === '' ? {} : { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` }),
      // The certificate is checked against the name, not against the address.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      agent: false,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    outgoing.on('error', reject);
    outgoing.on('response', (answer) => read(answer).then(resolve, reject));
    outgoing.end(body);
  });
}

async function read(answer: IncomingMessage): Promise<Sent> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MOST_READ_BYTES) break;
  }
  const status = answer.statusCode ?? 0;
  // 3xx: redirects are not followed, and following is what it would take.
  const hopeless = [400, 401, 404, 410].includes(status) || (status >= 300 && status < 400);
  return { status, said: Buffer.concat(chunks).subarray(0, 2_000).toString('utf8'), retryAfterMs: retryAfterOf(answer.headers['retry-after']), hopeless };
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3); null when it is neither. */
function retryAfterOf(value: string | undefined): number | null {
  if (value === undefined) return null;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('late'), { name: 'TimeoutError' })), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
