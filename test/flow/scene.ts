// test/flow/scene.ts: a real gateway in front of a stand-in for the API, and what the tests ask of the two.

import { createHash } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { BudgetsAnswer, RequestAnswer, RequestRow, RequestsAnswer, StatusAnswer, VerifyAnswer } from '../../server/http/admin/wire.ts';
import { startStandin, type Standin, type StandinOptions } from '../standin/standin.ts';
import { startGateway, type RunningGateway } from './gateway.ts';

/** The key that the provider takes. Apps never see it. */
export const PROVIDER_KEY = 'sk-ant-api03-the-key-of-the-provider';
/** Secrets of the gateway's own keys. */
export const SECRETS = { triage: 'tg_triage-0123456789abcdef', support: 'tg_support-0123456789abcdef', engineering: 'tg_engineering-0123456789abcdef' } as const;

/** A config with two workspaces, three keys and no limits, in front of `origin`. */
export const baseConfig = (origin: string): Record<string, unknown> => ({
  access: 'keys',
  upstream: { origin, keys: { default: PROVIDER_KEY } },
  workspaces: [
    { id: 'support', models: { alias: { fast: 'claude-haiku-4-5' } }, workflows: [{ id: 'ticket-triage' }, { id: 'reply-draft' }] },
    { id: 'engineering', open_workflows: true },
  ],
  keys: [
    { id: 'triage-prod', workspace: 'support', workflow: 'ticket-triage', secret: SECRETS.triage },
    { id: 'support-any', workspace: 'support', secret: SECRETS.support },
    { id: 'engineering-any', workspace: 'engineering', secret: SECRETS.engineering },
  ],
});

export interface Scene {
  readonly standin: Standin;
  readonly gateway: RunningGateway;
  close(): Promise<void>;
}

/** @param more laid over the base config, or asked for it with the stand-in's address; `standin` likewise over a stand-in that takes the provider's key and no other */
export async function startScene(more: Record<string, unknown> | ((origin: string) => Record<string, unknown>) = {}, standinOptions: StandinOptions = {}): Promise<Scene> {
  const standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' }, ...standinOptions });
  try {
    const gateway = await startGateway({ config: { ...baseConfig(standin.url), ...(typeof more === 'function' ? more(standin.url) : more) } });
    return {
      standin,
      gateway,
      close: async () => {
        await gateway.close();
        await standin.close();
      },
    };
  } catch (error) {
    await standin.close();
    throw error;
  }
}

export interface Sent {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** False when the connection broke before the end of the answer. */
  readonly whole: boolean;
}

export interface ToSend {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An array is written piece by piece. */
  readonly body?: Buffer | string | readonly Buffer[];
  readonly signal?: AbortSignal;
  /** The address of this machine that it is sent from. */
  readonly from?: string;
}

/** One request by node's own client: the bytes of the answer as they came, decoded by nobody. Rejects when no answer came. */
export function send(url: string, { method = 'POST', headers = {}, body, signal, from }: ToSend = {}): Promise<Sent> {
  return new Promise((resolve, reject) => {
    // The path goes out as it is written, dots and escapes included.
    const { hostname, port, origin } = new URL(url);
    const request = httpRequest({ hostname, port, path: url.slice(origin.length), method, headers, agent: false, ...(signal ? { signal } : {}), ...(from ? { localAddress: from } : {}) }, (answer) => {
      const chunks: Buffer[] = [];
      const done = (whole: boolean): void =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, rawHeaders: answer.rawHeaders, body: Buffer.concat(chunks), whole });
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => done(true));
      answer.on('error', () => done(false));
    });
    request.on('error', reject);
    if (Array.isArray(body)) {
      for (const piece of body as readonly Buffer[]) request.write(piece);
      request.end();
    } else request.end(body as Buffer | string | undefined);
  });
}

/** What an app sends along with a Messages call. */
export const apiHeaders = (secret: string): Record<string, string> => ({ 'x-api-key': secret, 'anthropic-version': '2023-06-01', 'content-type': 'application/json' });

/** A small Messages call, as a body. */
export const hello = (more: Record<string, unknown> = {}): string =>
  JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 64, messages: [{ role: 'user', content: 'Say hello, briefly.' }], ...more });

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

/** Asks the admin port; throws on anything but 200. */
export async function ask<Answer>(gateway: RunningGateway, path: string): Promise<Answer> {
  const answer = await fetch(`${gateway.adminUrl}${path}`);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

/** Asks again until `found` gives something other than null; what it asks for is a fact of another process, which sends no event. */
export async function eventually<Found>(what: string, found: () => Promise<Found | null>, withinMs = 30_000): Promise<Found> {
  for (const end = Date.now() + withinMs; ; ) {
    const value = await found();
    if (value !== null) return value;
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pause(10);
  }
}

/** Works out anew every cost from its raw usage and every sum and budget from the rows; a busy machine may take longer than the request for it waits. */
export async function verified(gateway: RunningGateway, withinMs?: number): Promise<NonNullable<VerifyAnswer['run']>> {
  await fetch(`${gateway.adminUrl}/api/verify`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  return eventually('the ledger is checked', async () => {
    const { run } = await ask<VerifyAnswer>(gateway, '/api/verify');
    return run?.ended_at ? run : null;
  }, withinMs);
}

/** Resolves when no call is in flight and everything is in the ledger. */
export const settled = (gateway: RunningGateway): Promise<StatusAnswer> =>
  eventually('every call is settled', async () => {
    const status = await ask<StatusAnswer>(gateway, '/api/status');
    return status.in_flight === 0 && status.ledger.queued === 0 ? status : null;
  });

/** A range of time that holds everything a test did. */
export const LATELY = 'from=now-2h&to=now%2B1h';

/** Every row of the ledger, newest first, page by page. */
export async function ledgerRows(gateway: RunningGateway, query = '', pageSize = 1000): Promise<RequestRow[]> {
  const rows: RequestRow[] = [];
  let cursor: string | null = null;
  do {
    const page: RequestsAnswer = await ask(gateway, `/api/requests?${LATELY}&limit=${pageSize}${query}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
    rows.push(...page.rows);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return rows;
}

/** The settled row of the call that a response names. */
export async function rowOf(gateway: RunningGateway, headers: IncomingHttpHeaders | Headers): Promise<RequestRow> {
  const id = headers instanceof Headers ? headers.get('x-tollgate-request-id') : headers['x-tollgate-request-id'];
  await settled(gateway);
  return (await ask<RequestAnswer>(gateway, `/api/requests/${String(id)}`)).request;
}

export const budgetsOf = (gateway: RunningGateway): Promise<BudgetsAnswer> => ask<BudgetsAnswer>(gateway, '/api/budgets');

/** `"1.234567890"` as nano-dollars, exactly. */
export function nanos(usd: string): bigint {
  const match = /^(-?)(\d+)\.(\d{9})$/.exec(usd);
  if (!match) throw new Error(`not an amount of money: ${usd}`);
  return BigInt(`${match[1]}${match[2]}${match[3]}`);
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As written, so that a sum can be exact. */
  readonly text: string;
}

/** The samples of a scrape. What it tells can be a second old. */
export async function scrape(gateway: RunningGateway): Promise<Sample[]> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
    const match = /^([a-z_:]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) throw new Error(`not a sample: ${line}`);
    return { name: match[1]!, labels: Object.fromEntries([...(match[2] ?? '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1]!, m[2]!])), text: match[3]! };
  });
}

/** The sum over all series of one metric. Whole numbers only: for counts. */
export const count = (samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number =>
  samples.filter((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v)).reduce((sum, s) => sum + Number(s.text), 0);

export interface Latch {
  readonly opened: Promise<void>;
  open(): void;
}

/** What a stand-in's answer can be made to wait for. */
export function latch(): Latch {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
