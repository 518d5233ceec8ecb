// test/faults/scene.ts: a real gateway in front of a stand-in for the API, and what all parties say of one call afterwards.

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { expect } from 'vitest';
import { startGateway, type RunningGateway } from '../flow/gateway.ts';
import type { RecordedRequest } from '../standin/log.ts';
import { startStandin, type Standin, type StandinOptions } from '../standin/standin.ts';

/** What the provider sees in place of any client's key. */
export const PROVIDER_KEY = 'sk-ant-provider-canary-7f3a91';

export interface Scene {
  readonly gateway: RunningGateway;
  readonly standin: Standin;
  /** The calls made through `call`, for the sums at the end. */
  readonly outcomes: Map<string, number>;
  close(): Promise<void>;
}

/** What a ledger row says, as the admin API shows it. */
export interface Row {
  readonly id: string;
  /** Null while the call is open. */
  readonly outcome: string | null;
  readonly status: number | null;
  readonly refusal: string | null;
  readonly estimated: boolean;
  readonly cost_usd: string;
  readonly tokens: { readonly input: number; readonly output: number };
  readonly attempts: number;
  readonly [more: string]: unknown;
}

/** How a client saw the end: `complete` as its framing promised, `cut` before that, `left` because it hung up itself. */
export interface Seen {
  readonly status: number | null;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly ending: 'complete' | 'cut' | 'left';
}

export interface SceneOptions {
  readonly config?: Record<string, unknown>;
  readonly upstream?: Record<string, unknown>;
  readonly standin?: StandinOptions;
  /** In place of the stand-in. */
  readonly origin?: string;
  /** `host:port` of the data port, where a test must know it beforehand. */
  readonly listen?: string;
  readonly env?: Record<string, string>;
  /** How many files and connections the gateway may have open. */
  readonly descriptors?: number;
}

/** Timeouts are those of a patient test: long enough for a busy machine, short enough to wait for. */
export async function openScene(options: SceneOptions = {}): Promise<Scene> {
  const standin = await startStandin({ seed: 'faults', ...options.standin });
  const gateway = await startGateway({
    config: sceneConfig(options.origin ?? standin.url, options),
    env: { PROVIDER_KEY, ...options.env },
    ...(options.listen === undefined ? {} : { listen: options.listen }),
    ...(options.descriptors === undefined ? {} : { descriptors: options.descriptors }),
  });
  return {
    gateway,
    standin,
    outcomes: new Map(),
    async close() {
      await gateway.close();
      await standin.close();
    },
  };
}

export const sceneConfig = (origin: string, options: Pick<SceneOptions, 'config' | 'upstream'> = {}): Record<string, unknown> => ({
  upstream: { origin, keys: { default: '${PROVIDER_KEY}' }, connect_timeout: '2s', stream_headers_timeout: '1s', headers_timeout: '1s', idle_timeout: '1s', ...options.upstream },
  budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 1000, period: 'year' }],
  log: { level: 'debug' },
  ...options.config,
});

export const question = (more: Record<string, unknown> = {}): string => JSON.stringify({ model: 'claude-haiku-4-5', max_tokens: 1000, messages: [{ role: 'user', content: 'Tell me about lamps.' }], ...more });

let sessions = 0;
export const newSession = (): string => `session-${process.pid}-${++sessions}`;

export interface Asking {
  readonly session?: string;
  readonly fault?: string;
  readonly stream?: boolean;
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
  readonly path?: string;
  readonly method?: string;
  /** Hangs up as soon as this is true of what came; asked at every chunk, and once at the head with no bytes. */
  readonly leaveWhen?: (body: Buffer) => boolean;
  /** Hangs up when this resolves. */
  readonly leaveAfter?: Promise<unknown>;
  /** Takes one piece per turn of the event loop, and nothing in between. */
  readonly slowly?: boolean;
}

/** One request on a connection of its own. Resolves however it ends. */
export function ask(url: string, asking: Asking): Promise<Seen> {
  const { session = newSession(), fault, stream = false } = asking;
  const body = asking.body ?? question(stream ? { stream: true } : {});
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let left = false;
    let status: number | null = null;
    let headers: IncomingHttpHeaders = {};
    const finish = (ending: Seen['ending']): void => resolve({ status, headers, body: Buffer.concat(chunks), ending });
    const method = asking.method ?? 'POST';
    const req = httpRequest(new URL(asking.path ?? '/v1/messages', url), {
      method,
      agent: false,
      headers: {
        'x-api-key': 'sk-ant-client-canary-0b55e2',
        'anthropic-version': '2023-06-01',
        'content-type': 'application/json',
        'x-tollgate-session': session,
        // Fewer than the call allows, so that no answer is truncated.
        'x-standin-output': '120',
        ...(method === 'POST' ? { 'content-length': Buffer.byteLength(body) } : {}),
        ...(fault === undefined ? {} : { 'x-standin-fault': fault }),
        ...asking.headers,
      },
    });
    const leave = (): void => {
      left = true;
      req.destroy();
      finish('left');
    };
    req.on('response', (res) => {
      status = res.statusCode ?? null;
      headers = res.headers;
      if (asking.leaveWhen?.(Buffer.alloc(0))) return leave();
      res.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if (asking.leaveWhen?.(Buffer.concat(chunks))) leave();
        if (asking.slowly === true) {
          res.pause();
          setImmediate(() => res.resume());
        }
      });
      res.on('end', () => finish('complete'));
      res.on('error', () => finish(left ? 'left' : 'cut'));
    });
    req.on('error', () => finish(left ? 'left' : 'cut'));
    void asking.leaveAfter?.then(leave);
    req.end(method === 'POST' ? body : undefined);
  });
}

export interface Told {
  readonly seen: Seen;
  readonly row: Row;
  /** What the provider got; null when the call never reached it. */
  readonly upstream: RecordedRequest | null;
}

/** Makes a call and waits until the ledger has its row; checks what must be true of every call, whatever went wrong. */
export async function call(scene: Scene, asking: Asking): Promise<Told> {
  const session = asking.session ?? newSession();
  const before = scene.standin.requests();
  const seen = await ask(scene.gateway.dataUrl, { ...asking, session });
  const row = await rowOf(scene, session);
  scene.outcomes.set(row.outcome!, (scene.outcomes.get(row.outcome!) ?? 0) + 1);
  const reached = scene.standin.requests() - before;
  // Never replayed: what the provider has seen may have been billed.
  expect(reached, 'requests at the provider').toBeLessThanOrEqual(1);
  expect(await heldUsd(scene), 'held afterwards').toBe('0.000000000');
  return { seen, row, upstream: reached === 0 ? null : scene.standin.log.at(-1)! };
}

/** The one row of a session, once it is settled. */
export async function rowOf(scene: Scene, session: string): Promise<Row> {
  const [row, ...more] = await eventually(() => rowsOf(scene, session), (rows) => rows.length > 0 && rows.every((r) => r.outcome !== null));
  expect(more, 'further rows of the call').toEqual([]);
  return row!;
}

export async function rowsOf(scene: Pick<Scene, 'gateway'>, session: string): Promise<Row[]> {
  return (await admin<{ rows: Row[] }>(scene, `/api/requests?session=${session}`)).rows;
}

export async function heldUsd(scene: Pick<Scene, 'gateway'>): Promise<string> {
  return (await admin<{ rows: { held_usd: string }[] }>(scene, '/api/budgets')).rows[0]!.held_usd;
}

export async function admin<T>(scene: Pick<Scene, 'gateway'>, path: string): Promise<T> {
  const answer = await fetch(new URL(path, scene.gateway.adminUrl));
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

/** The sum of all series of a metric whose labels hold these. */
export async function metric(scene: Pick<Scene, 'gateway'>, name: string, labels: Record<string, string> = {}): Promise<number> {
  const text = await (await fetch(new URL('/metrics', scene.gateway.adminUrl))).text();
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return text
    .split('\n')
    .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && wanted.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** Asks again until it is so; a test that never sees it ends with the last answer in its message. */
export async function eventually<T>(what: () => Promise<T> | T, isSo: (value: T) => boolean, withinMs = 30_000): Promise<T> {
  const until = Date.now() + withinMs;
  for (;;) {
    const value = await what();
    if (isSo(value)) return value;
    if (Date.now() > until) throw new Error(`still not so: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What must be true when everything is over: nothing in flight, nothing held, and one count for every row. */
export async function expectAllCounted(scene: Scene): Promise<void> {
  const rows = [...scene.outcomes.values()].reduce((sum, n) => sum + n, 0);
  await eventually(() => metric(scene, 'tollgate_requests_total'), (counted) => counted === rows);
  expect(await metric(scene, 'tollgate_requests_in_flight')).toBe(0);
  expect(await metric(scene, 'tollgate_open_holds')).toBe(0);
  expect(await metric(scene, 'tollgate_records_dropped_total')).toBe(0);
}
