// test/flow/attempts.ts: places where a client meets each no of the gateway, and a count in front of them of the requests that it makes.

import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import Anthropic0 from 'anthropic-sdk-0';
import OpenAI from 'openai';
import { expect } from 'vitest';
import { smallDisk } from '../faults/small-disk.ts';
import { startStandin, type Plan, type RecordedRequest } from '../standin/standin.ts';
import { askClaude } from './claude.ts';
import { startGateway, type RunningGateway } from './gateway.ts';
import { PROVIDER_KEY, SECRETS, apiHeaders, baseConfig, eventually, hello, latch, send, settled, startScene, type Latch, type Scene } from './scene.ts';

const MODEL = 'claude-haiku-4-5';
const OPUS = 'claude-opus-4-8';

export const CLIENTS = ['sdk1', 'sdk0', 'openai', 'claude'] as const;
export type ClientName = (typeof CLIENTS)[number];
/** What a test calls them. */
export const WORDS = { sdk1: 'the Anthropic SDK 1', sdk0: 'the Anthropic SDK 0', openai: 'the OpenAI SDK', claude: 'Claude Code' } as const satisfies Record<ClientName, string>;

/** Every no of the gateway; `rate_limited_long` is the one whose end is more than a minute away. */
export const NEVER = ['unauthenticated', 'workspace_forbidden', 'workflow_forbidden', 'model_not_allowed', 'feature_not_allowed', 'unknown_path', 'malformed', 'unpriced_model', 'too_large', 'budget_exhausted', 'rate_limited_long'] as const;
export const LATER = ['budget_held', 'rate_limited', 'overloaded', 'draining', 'ledger_unavailable', 'upstream_unreachable', 'upstream_timeout'] as const;
export type No = (typeof NEVER)[number] | (typeof LATER)[number];

/** One request of a client, and what became of it. */
export interface Met {
  /** The reason of our no; `served` where it was answered. */
  readonly refusal: string;
  readonly status: number;
  /** Milliseconds on the monotonic clock. */
  readonly cameAt: number;
  readonly answeredAt: number;
  /** Seconds; null where it was not told. */
  readonly retryAfter: number | null;
}

/** What a client tells its user in the end; null: an answer. */
export type Heard = { readonly name: string; readonly status: number | null; readonly type: string | null; readonly requestId: string | null; readonly message: string } | null;

interface Question {
  readonly url: string;
  readonly secret: string;
  readonly model: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of a client that is a program of its own. */
  readonly env?: Readonly<Record<string, string>>;
}

interface Thrown extends Error {
  readonly status?: number;
  readonly requestID?: string | null;
  /** Of the SDKs that know it. */
  readonly type?: string | null;
  readonly error?: { readonly error?: { readonly type?: string } };
}
const heard = (answer: Promise<unknown>): Promise<Heard> => answer.then(() => null, (e: Thrown) => ({ name: e.constructor.name, status: e.status ?? null, type: e.error?.error?.type ?? e.type ?? null, requestId: e.requestID ?? null, message: e.message }));

/** Longer than the body that one of the gateways takes. */
const messages = [{ role: 'user' as const, content: `Say hello. ${'x'.repeat(2_000)}` }];

/** As they come: nothing is set but the address, the key and what the question says. */
const ASK: Record<ClientName, (question: Question) => Promise<Heard>> = {
  sdk1: ({ url, secret, model, headers }) => heard(new Anthropic({ baseURL: url, apiKey: secret, defaultHeaders: headers }).messages.create({ model, max_tokens: 8_000, messages })),
  sdk0: ({ url, secret, model, headers }) => heard(new Anthropic0({ baseURL: url, apiKey: secret, defaultHeaders: headers }).messages.create({ model, max_tokens: 8_000, messages })),
  openai: ({ url, secret, model, headers }) => heard(new OpenAI({ baseURL: `${url}/v1`, apiKey: secret, defaultHeaders: headers }).chat.completions.create({ model, max_tokens: 8_000, messages })),
  claude: async ({ url, secret, model, headers, env }) => {
    const told = await askClaude({ baseUrl: url, secret, model, env: { ...env, ANTHROPIC_CUSTOM_HEADERS: Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join('\n') } });
    return told.is_error ? { name: 'is_error', status: null, type: null, requestId: null, message: told.result } : null;
  },
};

/** Counts what a client sends, in front of a gateway. `onRefusal` may put another one in its place, as a balancer would. */
async function watched(target: string, onRefusal: () => string | null): Promise<{ url: string; met: Met[]; close(): void }> {
  const met: Met[] = [];
  let origin = target;
  // A connection that a client keeps while it waits must not be closed just as it comes back.
  const server = createServer({ keepAliveTimeout: 65_000 }, (incoming, reply) => {
    const cameAt = performance.now();
    const onward = httpRequest(origin + incoming.url!, { method: incoming.method!, headers: incoming.headers, agent: false }, (answer) => {
      const { 'x-tollgate-refusal': refusal = 'served', 'retry-after': after } = answer.headers;
      if (incoming.method === 'POST') {
        met.push({ refusal: String(refusal), status: answer.statusCode!, cameAt, answeredAt: performance.now(), retryAfter: after === undefined ? null : Number(after) });
        if (refusal !== 'served') origin = onRefusal() ?? origin;
      }
      reply.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(reply);
    });
    onward.on('error', () => reply.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    met,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const KEYS = { strict: 'tg_strict-0123456789abcdef', short: 'tg_short-0123456789abcdef', broke: 'tg_broke-0123456789abcdef', spent: 'tg_spent-0123456789abcdef' } as const;
/** A call that is in the way of others waits for its answer for as long as they take, which is minutes where all of them are Claude Code. */
const PATIENT = { headers_timeout: '30m', stream_headers_timeout: '30m' } as const;
/** Each client has a place of its own where a call in flight keeps it out, so that none is in the way of another. */
const placeOf = (kind: 'held' | 'single', client: ClientName): string => `${kind}-${client}`;
const secretOf = (place: string): string => `tg_${place}-0123456789abcdef`;

export interface Places {
  /** The gateway of most of them. */
  readonly scene: Scene;
  /** False for `ledger_unavailable` where this user may not make a disk of its own. */
  has(no: No): boolean;
  /**
   * Lets a client run into a no, which lasts.
   * @param how.until `refused`: it ends with the first refusal, as the obstacle goes or another gateway takes over
   */
  meet(client: ClientName, no: No, how?: { readonly until?: 'refused'; readonly env?: Readonly<Record<string, string>> }): Promise<{ readonly met: readonly Met[]; readonly heard: Heard }>;
  close(): Promise<void>;
}

export async function openPlaces(): Promise<Places> {
  const closing: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const undo of closing.splice(0).reverse()) await undo();
  };
  try {
    return await opened(closing, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function opened(closing: (() => unknown)[], close: () => Promise<void>): Promise<Places> {
  const disk = smallDisk(6 * 1024 * 1024);
  closing.push(() => disk?.remove());
  const base = baseConfig('') as { workspaces: object[]; keys: object[] };
  const places = CLIENTS.flatMap((client) => [placeOf('held', client), placeOf('single', client)]);
  const scene = await startScene((origin) => ({
    upstream: { origin, keys: { default: PROVIDER_KEY }, ...PATIENT },
    prices: { unknown_model: 'refuse' },
    workspaces: [
      ...base.workspaces,
      { id: 'strict', models: { allow: [OPUS] } }, { id: 'short', max_output_tokens: 1 }, { id: 'broke' }, { id: 'spent', limits: { output_tokens_per_minute: 100 } },
      ...places.map((id) => ({ id, ...(id.startsWith('single') ? { limits: { concurrent: 1 } } : {}) })),
    ],
    keys: [...base.keys, ...Object.entries(KEYS).map(([id, secret]) => ({ id, workspace: id, secret })), ...places.map((id) => ({ id, workspace: id, secret: secretOf(id) }))],
    budgets: [
      { id: 'broke-day', scope: { workspace: 'broke' }, limit_usd: 0.000001, period: 'day' },
      ...CLIENTS.map((client) => ({ id: placeOf('held', client), scope: { workspace: placeOf('held', client) }, limit_usd: 1, period: 'year' })),
    ],
  }));
  closing.push(() => scene.close());
  const silent = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' } });
  closing.push(() => silent.close());
  silent.script(() => 'no-answer');

  const start = async (origin: string, more: Record<string, unknown> = {}, upstream: Record<string, unknown> = {}, dataDir?: string): Promise<RunningGateway> => {
    const gateway = await startGateway({ config: { ...baseConfig(origin), upstream: { origin, keys: { default: PROVIDER_KEY }, ...PATIENT, ...upstream }, ...more }, ...(dataDir === undefined ? {} : { dataDir }) });
    closing.push(() => gateway.close());
    return gateway;
  };
  const [small, full, leaving, late, cutOff, withoutDisk] = await Promise.all([
    start(scene.standin.url, { body: { messages: '1KB' } }),
    start(scene.standin.url, { max_in_flight: 1 }),
    start(scene.standin.url, { drain: '30m' }),
    start(silent.url, {}, { headers_timeout: '300ms', stream_headers_timeout: '300ms' }),
    start('http://127.0.0.1:9'),
    disk === null ? null : start(scene.standin.url, { budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 1_000, period: 'year' }] }, {}, join(disk.folder, 'data')),
  ]);

  // More output than five minutes' worth.
  scene.standin.next({ outputTokens: 600 });
  await send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(KEYS.spent), body: hello({ max_tokens: 1_000 }) });
  await settled(scene.gateway);

  const obstacles: Record<string, Latch> = Object.fromEntries(['full', 'leaving', ...places].map((name) => [name, latch()]));
  scene.standin.script(obstacleOf(obstacles));
  const before = scene.standin.requests();
  const inTheWay = [
    { name: 'full', url: full.dataUrl, secret: SECRETS.support, body: hello() },
    { name: 'leaving', url: leaving.dataUrl, secret: SECRETS.support, body: hello({ stream: true }) },
    // Nearly all of a dollar is held, so that a client's call does not fit, and does when this one has ended.
    ...places.map((name) => ({ name, url: scene.gateway.dataUrl, secret: secretOf(name), body: name.startsWith('held') ? hello({ model: OPUS, max_tokens: 39_000 }) : hello() })),
  ];
  const answers = inTheWay.map(({ name, url, secret, body }) => send(`${url}/v1/messages`, { headers: { ...apiHeaders(secret), 'x-obstacle': name }, body }).catch(() => null));
  closing.push(async () => {
    for (const obstacle of Object.values(obstacles)) obstacle.open();
    await Promise.all(answers);
  });
  await eventually('they are at the provider', async () => (scene.standin.requests() === before + inTheWay.length ? true : null));
  // It goes when its stream has come to its end.
  void leaving.stop('SIGTERM');
  await refusing(leaving, 'draining');
  disk?.fill();
  // What is left in the ledger's own files may take a commit or two.
  for (let n = 0; n < 3 && withoutDisk !== null; n++) await refusing(withoutDisk, 'ledger_unavailable');

  /** Where a no is met, and as whom; `support` at the scene's gateway unless it says otherwise. */
  const askedOf = (client: ClientName): Record<No, Partial<Question> & { path?: string; gateway?: RunningGateway | null }> => ({
    unauthenticated: { secret: 'tg_nobody-0123456789abcdef' },
    workspace_forbidden: { path: '/w/engineering' },
    workflow_forbidden: { secret: SECRETS.triage, path: '/w/support/reply-draft' },
    model_not_allowed: { secret: KEYS.strict },
    feature_not_allowed: { secret: KEYS.short },
    unknown_path: { path: '/not/a/path' },
    malformed: { headers: { 'x-tollgate-priority': 'urgent' } },
    unpriced_model: { model: 'claude-nova-9' },
    too_large: { gateway: small },
    budget_exhausted: { secret: KEYS.broke },
    rate_limited_long: { secret: KEYS.spent },
    budget_held: { secret: secretOf(placeOf('held', client)) },
    rate_limited: { secret: secretOf(placeOf('single', client)) },
    overloaded: { gateway: full },
    draining: { gateway: leaving },
    ledger_unavailable: { gateway: withoutDisk },
    upstream_unreachable: { gateway: cutOff },
    upstream_timeout: { gateway: late },
  });
  return {
    scene,
    has: (no) => no !== 'ledger_unavailable' || disk !== null,
    async meet(client, no, { until, env } = {}) {
      const { path = '', gateway = scene.gateway, ...asked } = askedOf(client)[no];
      const obstacle = no === 'budget_held' ? obstacles[placeOf('held', client)] : no === 'rate_limited' ? obstacles[placeOf('single', client)] : undefined;
      const front = await watched(gateway!.dataUrl, () => {
        if (until !== 'refused') return null;
        obstacle?.open();
        return scene.gateway.dataUrl;
      });
      try {
        return { heard: await ASK[client]({ url: front.url + path, secret: SECRETS.support, model: MODEL, headers: {}, ...asked, ...(env === undefined ? {} : { env }) }), met: front.met };
      } catch (cause) {
        throw new Error(`${client} got no word of ${no}, after ${JSON.stringify(front.met)}`, { cause });
      } finally {
        front.close();
      }
    },
    close,
  };
}

/** A call that is in the way is answered when its latch opens. */
const obstacleOf = (obstacles: Readonly<Record<string, Latch>>) => ({ rawHeaders }: RecordedRequest): Plan | null => {
  const at = rawHeaders.indexOf('x-obstacle');
  return at === -1 ? null : { until: obstacles[rawHeaders[at + 1]!]!.opened };
};

const refusing = (gateway: RunningGateway, refusal: No): Promise<true> =>
  eventually(`${refusal} is said`, async () => {
    const answer = await send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello() }).catch(() => null);
    return answer?.headers['x-tollgate-refusal'] === refusal ? true : null;
  });

/** What Claude Code shows; it has words of its own for some, and ours for the others. */
const CLAUDE_SHOWS: Record<(typeof NEVER)[number], RegExp> = {
  unauthenticated: /Invalid API key/,
  workspace_forbidden: /belongs to workspace support; the path names engineering/,
  workflow_forbidden: /Allowed: ticket-triage/,
  model_not_allowed: /Allowed: claude-opus-4-8/,
  feature_not_allowed: /short allows 1 at most/,
  unknown_path: /issue with the selected model/,
  malformed: /must be interactive or background/,
  unpriced_model: /does not know the model/,
  too_large: /Request too large/,
  budget_exhausted: /budget broke-day .* has too little left for this call/,
  rate_limited_long: /this call fits in \d+ s/,
};

/**
 * How many requests Claude Code 2.1.329 makes of a no that lasts, where it is more than one. None of them is a retry that `x-should-retry` could stop, and each says that it is the first.
 * - After a 404 it asks once more without a stream.
 * - Of a 400 that is none of those it knows it suspects the news in its own request, and sends it again without: (2) the beta of counted thinking tokens, (3) `thinking.display` too, then with all of its tools in the
 *   body in place of those that it would search for, (4) with the two as they were, (5) without the beta, (6) without both. What would hold it back is another error type, or words that say something else than what is
 *   wrong. It sends one where its betas are off.
 */
const CLAUDE_ASKS: Partial<Record<No, number>> = { unknown_path: 2, malformed: 6, unpriced_model: 6 };
export const CLAUDE_WITHOUT_BETAS = { CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS: '1' } as const;

/** Claude Code runs into a no: of one that lasts it makes one request, or as many as are known of it, and says why; of one that ends it makes the next when it was told to, and is served. */
export async function claudeMeets(places: Places, no: No, env: Partial<typeof CLAUDE_WITHOUT_BETAS> = {}): Promise<void> {
  if (isLasting(no)) {
    const { met, heard } = await places.meet('claude', no, { env });
    const asks = env === CLAUDE_WITHOUT_BETAS ? 1 : CLAUDE_ASKS[no] ?? 1;
    expect(met.map(({ refusal }) => refusal)).toEqual(Array(asks).fill(no === 'rate_limited_long' ? 'rate_limited' : no));
    expect(heard?.message).toMatch(CLAUDE_SHOWS[no]);
    return;
  }
  const { met: [first, ...others], heard } = await places.meet('claude', no, { until: 'refused' });
  expect(first?.refusal).toBe(no);
  expect(others.length).toBeGreaterThan(0);
  expect(others.every(({ refusal }) => refusal === 'served')).toBe(true);
  expect(others[0]!.cameAt - first!.answeredAt).toBeGreaterThan((first!.retryAfter ?? 0) * 1_000 - 20);
  expect(heard).toBeNull();
}

const isLasting = (no: No): no is (typeof NEVER)[number] => (NEVER as readonly string[]).includes(no);
