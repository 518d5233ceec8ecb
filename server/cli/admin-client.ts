// server/cli/admin-client.ts: asks the admin API of a running gateway.

import type { HostPort } from '../domain/settings.ts';
import type { ErrorAnswer } from '../http/admin/wire.ts';
import { adminAddress } from '../settings/admin-address.ts';
import { configFile } from '../settings/load.ts';
import { mistakeText } from '../settings/mistakes.ts';
import { CommandError, EXIT } from './exit.ts';

/** The options of every command that asks a gateway. */
export interface GatewayOptions {
  readonly config?: string;
  readonly url?: string;
  readonly token?: string;
}

export interface AdminClient {
  /** @throws CommandError when the gateway does not answer, or answers no */
  json<Answer>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object, timeoutMs?: number): Promise<Answer>;
  /** The body as it comes. @throws CommandError likewise */
  stream(path: string): Promise<AsyncIterable<Uint8Array>>;
}

/** Long enough for a report over everything on a busy machine. */
const ANSWER_TIMEOUT_MS = 60_000;
/** For what reads or copies a whole ledger. */
export const LONG_ANSWER_TIMEOUT_MS = 280_000;

/** @throws CommandError when the config does not say where the gateway is */
export function adminClient(options: GatewayOptions, env: NodeJS.ProcessEnv): AdminClient {
  const { base, token } = target(options, env);
  const ask = async (method: string, path: string, body: object | undefined, timeoutMs: number | null): Promise<Response> => {
    const headers: Record<string, string> = { accept: 'application/json, text/csv' };
    if (token !== null) headers.authorization = `Bearer ${token}`;
    // The gateway takes no change without it, whether or not there is a body: a foreign page could not send it.
    if (method !== 'GET') headers['content-type'] = 'application/json';
    let response: Response;
    try {
      response = await fetch(new URL(path, base), {
        method,
        headers,
        // A redirect would carry the token to wherever it points.
        redirect: 'error',
        ...(body ? { body: JSON.stringify(body) } : {}),
        ...(timeoutMs === null ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
      });
    } catch (error) {
      throw new CommandError(unreachable(base, error), EXIT.unreachable);
    }
    if (!response.ok) throw new CommandError(await refusalText(response, base), EXIT.refused);
    return response;
  };
  return {
    json: async <Answer>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object, timeoutMs = ANSWER_TIMEOUT_MS) => {
      const response = await ask(method, path, body, timeoutMs);
      try {
        return (await response.json()) as Answer;
      } catch {
        throw new CommandError(`what answers at ${base.origin} is no Tollgate admin port; check admin.listen in the config, or --url`, EXIT.unreachable);
      }
    },
    stream: async (path) => {
      const response = await ask('GET', path, undefined, null);
      if (!response.body) throw new CommandError(`${base.origin} answered without a body`);
      return response.body as unknown as AsyncIterable<Uint8Array>;
    },
  };
}

function target(options: GatewayOptions, env: NodeJS.ProcessEnv): { base: URL; token: string | null } {
  if (options.url !== undefined) {
    const base = URL.canParse(options.url) ? new URL(options.url) : null;
    if (!base || !/^https?:$/.test(base.protocol) || base.username !== '') throw new CommandError(`"${options.url}" does not fit --url; expected an address such as http://127.0.0.1:4101`, EXIT.usage);
    // The token in the config belongs to the gateway in the config; another one gets it only when told so.
    return { base, token: options.token ?? (env.TOLLGATE_ADMIN_TOKEN || null) };
  }
  const found = adminAddress({ file: configFile(options.config, env), env, named: options.config !== undefined || Boolean(env.TOLLGATE_CONFIG), tokenGiven: options.token !== undefined });
  if (!found.ok) throw new CommandError(found.mistakes.map(mistakeText).join('\n'));
  if (found.listen.port === 0) throw new CommandError('the config lets the admin port be any free one; name it with --url', EXIT.usage);
  return { base: new URL(`http://${dialable(found.listen)}`), token: options.token ?? found.token };
}

/** An address to connect to, for an address to listen on. */
function dialable({ host, port }: HostPort): string {
  if (host === '0.0.0.0') return `127.0.0.1:${port}`;
  if (host === '::') return `[::1]:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function unreachable(base: URL, error: unknown): string {
  const cause = (error as { cause?: { code?: string } }).cause?.code;
  if ((error as Error).name === 'TimeoutError') return `the gateway at ${base.origin} did not answer within ${ANSWER_TIMEOUT_MS / 1000} s`;
  const reason = cause ?? 'no answer';
  return `no gateway answers at ${base.origin} (${reason})\nStart it with \`npm start\`, or say where it is with --url or --config.`;
}

async function refusalText(response: Response, base: URL): Promise<string> {
  const answer = (await response.json().catch(() => null)) as ErrorAnswer | null;
  const said = answer?.error?.message;
  if (response.status === 401) return `${said ?? 'the gateway asks for its admin token'}\nThe token is admin.token in the config; give it with --token, or set TOLLGATE_ADMIN_TOKEN.`;
  if (said !== undefined) return said;
  if (response.status === 404) return `the gateway at ${base.origin} does not know ${new URL(response.url).pathname}; is it of the same version?`;
  return `the gateway at ${base.origin} answered ${response.status}`;
}
