// server/forward/headers.ts: which headers cross the gateway. Everything does, but for what belongs to one hop, to us, or to a credential.

import type { UpstreamCredential } from '../domain/call.ts';
import type { CallTrace } from '../domain/trace.ts';
import { HOP_HEADER } from './hops.ts';

/** Belong to one connection and end here: RFC 9110 section 7.6.1 and 11.7, RFC 9112 section 6.1. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

/** Of the request only: set anew, or nobody's business upstream. */
const NOT_FORWARDED = new Set(['host', 'content-length', 'expect', 'cookie', 'forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-real-ip', HOP_HEADER]);

const PASSED = 0;
/** Not forwarded in a request, passed in an answer. */
const REQUEST_ONLY = 1;
const ENDS_HERE = 2;
const API_KEY = 3;
const AUTHORIZATION = 4;
const ACCEPT_ENCODING = 5;
const CONTENT_ENCODING = 6;

/** What is known of names as clients and the provider spell them: the same few, call after call. */
const kinds = new Map<string, number>();
/** Names are client text; more than this are looked at each time. */
const MOST_NAMES = 1_000;

function kindOf(name: string): number {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  let kind = PASSED;
  if (HOP_BY_HOP.has(lower) || lower.startsWith('x-tollgate-')) kind = ENDS_HERE;
  else if (NOT_FORWARDED.has(lower)) kind = REQUEST_ONLY;
  else if (lower === 'x-api-key') kind = API_KEY;
  else if (lower === 'authorization') kind = AUTHORIZATION;
  else if (lower === 'accept-encoding') kind = ACCEPT_ENCODING;
  else if (lower === 'content-encoding') kind = CONTENT_ENCODING;
  // A longer one is no name that comes again.
  if (kinds.size < MOST_NAMES && name.length <= 64) kinds.set(name, kind);
  return kind;
}

/** What the meter can decode. An encoding that it cannot read is not offered upstream. */
const READABLE_ENCODINGS = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'identity', '*']);

/**
 * The headers that go upstream, as a flat list of names and values in the client's order and spelling.
 * @param raw name, value, name, value…, as received
 * @param bodyEdited true when the body that goes up is not the one that came, so that a `content-encoding` no longer holds
 */
export function requestHeaders(raw: readonly string[], credential: UpstreamCredential, bodyEdited: boolean): string[] {
  const named = namedByConnection(raw);
  const out: string[] = [];
  let credentialSent = false;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    const kind = kindOf(name);
    if (kind === ENDS_HERE || kind === REQUEST_ONLY || (named !== null && named.has(name.toLowerCase()))) continue;
    if (bodyEdited && kind === CONTENT_ENCODING) continue;
    if (kind === API_KEY || kind === AUTHORIZATION) {
      if (credential.kind === 'callers_own') out.push(name, value);
      else if (!credentialSent) out.push(name, kind === AUTHORIZATION ? `Bearer ${credential.secret}` : credential.secret);
      credentialSent = true;
      continue;
    }
    if (kind === ACCEPT_ENCODING) {
      const readable = value.split(',').filter((part) => READABLE_ENCODINGS.has(part.split(';', 1)[0]!.trim().toLowerCase()));
      // An empty list would mean "anything" to some servers; `identity` says what is left.
      out.push(name, readable.length > 0 ? readable.join(',') : 'identity');
      continue;
    }
    out.push(name, value);
  }
  if (!credentialSent && credential.kind === 'configured') out.push('x-api-key', credential.secret);
  return out;
}

/** Puts our span where the caller's stood, in its place and spelling, or at the end where there was none. `headers`: a flat list, changed. */
export function carryTrace(headers: string[], { traceparent, tracestate }: CallTrace): void {
  let at = -1;
  for (let i = 0; i < headers.length; ) {
    const name = headers[i]!.length <= 11 ? headers[i]!.toLowerCase() : '';
    // The state belongs to the parent that it came with; ours follows ours.
    if (name === 'tracestate' || (name === 'traceparent' && at !== -1)) headers.splice(i, 2);
    else {
      if (name === 'traceparent') headers[(at = i) + 1] = traceparent;
      i += 2;
    }
  }
  if (at === -1) at = headers.push('traceparent', traceparent) - 2;
  if (tracestate !== null) headers.splice(at + 2, 0, 'tracestate', tracestate);
}

/**
 * The provider's response headers as they go to the client: all but those of the hop. Flat list, order and spelling kept.
 * A header that holds our own provider key (an upstream that echoes what it got) is left out too.
 */
export function responseHeaders(raw: readonly string[], credential: UpstreamCredential): string[] {
  const secret = credential.kind === 'configured' ? credential.secret : null;
  const named = namedByConnection(raw);
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    if (kindOf(raw[i]!) === ENDS_HERE || (named !== null && named.has(raw[i]!.toLowerCase()))) continue;
    if (secret !== null && raw[i + 1]!.includes(secret)) continue;
    out.push(raw[i]!, raw[i + 1]!);
  }
  return out;
}

/** A flat list without the headers whose names begin with `prefix` (lower case). */
export function withoutFamily(raw: readonly string[], prefix: string): string[] {
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) if (!raw[i]!.toLowerCase().startsWith(prefix)) out.push(raw[i]!, raw[i + 1]!);
  return out;
}

/** The first value of a header in a flat list; null when absent. `name` in lower case. */
export function headerOf(raw: readonly string[], name: string): string | null {
  for (let i = 0; i < raw.length; i += 2) if (raw[i]!.length === name.length && raw[i]!.toLowerCase() === name) return raw[i + 1]!;
  return null;
}

/** Header names that `Connection` headers declare to be of this hop; null when they only say `keep-alive` or `close`. */
function namedByConnection(raw: readonly string[]): Set<string> | null {
  let named: Set<string> | null = null;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.length !== 10 || raw[i]!.toLowerCase() !== 'connection' || /^(?:keep-alive|close)$/i.test(raw[i + 1]!)) continue;
    named ??= new Set();
    for (const name of raw[i + 1]!.split(',')) named.add(name.trim().toLowerCase());
  }
  return named;
}
