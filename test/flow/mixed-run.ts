// test/flow/mixed-run.ts: a few hundred calls by every client at once, with everything that happens to calls in a day.

import { gzipSync } from 'node:zlib';
import Anthropic from '@anthropic-ai/sdk';
import Anthropic0 from 'anthropic-sdk-0';
import OpenAI from 'openai';
import type { Plan, RecordedRequest, Standin } from '../standin/standin.ts';
import { SECRETS, apiHeaders, hello, send } from './scene.ts';

const MODELS = ['claude-haiku-4-5', 'claude-sonnet-5', 'claude-haiku-5-5', 'claude-opus-4-8', 'claude-sonnet-4-6', 'claude-fable-5-2'];
const MANUAL = 'The pump must be primed before the valve is opened. '.repeat(700);
const PLAN = 'x-standin-plan';

/** Lets a call say what is to happen to it: `{ "plan": …, "first": true }` for the first time its `id` is seen only. The result tells when a call has arrived. */
function planned(standin: Standin): (id: number) => Promise<void> {
  const tried = new Set<number>();
  const awaited = new Map<number, () => void>();
  standin.script((request: RecordedRequest) => {
    const at = request.rawHeaders.findIndex((name, n) => n % 2 === 0 && name.toLowerCase() === PLAN);
    if (at === -1) return null;
    const { id, plan, first } = JSON.parse(request.rawHeaders[at + 1]!) as { id: number; plan: Plan; first: boolean };
    awaited.get(id)?.();
    if (first && tried.has(id)) return null;
    tried.add(id);
    return plan;
  });
  return (id) => new Promise((resolve) => awaited.set(id, resolve));
}

type Call = (n: number) => Promise<unknown>;
const plan = (n: number, plan: Plan, first = false): Record<string, string> => ({ [PLAN]: JSON.stringify({ id: n, plan, first }) });

/** The calls, each a function of its number, which chooses model, caller and text. */
function mixedCalls(dataUrl: string, arrival: (id: number) => Promise<void>): readonly Call[] {
  const model = (n: number): string => MODELS[n % MODELS.length]!;
  const places = [
    { path: '', secret: SECRETS.triage }, { path: '/w/support/reply-draft', secret: SECRETS.support }, { path: '/w/engineering', secret: SECRETS.engineering }, { path: '/w/engineering/claude-code', secret: SECRETS.engineering },
  ];
  const place = (n: number) => places[Math.floor(n / 3) % places.length]!;
  const users = ['ada', 'grace', null];
  const tags = (n: number): Record<string, string> => {
    const user = users[n % 3];
    return { ...(user ? { 'x-tollgate-user': user } : {}), 'x-tollgate-session': `s-${n % 7}`, 'x-tollgate-action': `a-${n % 11}` };
  };
  const text = (n: number): string => `Question ${n}, answer briefly.`;
  const question = (n: number) => ({ model: model(n), max_tokens: 120, messages: [{ role: 'user' as const, content: text(n) }] });
  const one = (n: number, headers: Record<string, string> = {}) => new Anthropic({ baseURL: dataUrl + place(n).path, apiKey: place(n).secret, maxRetries: 1, defaultHeaders: { ...tags(n), ...headers } });
  const zero = (n: number, headers: Record<string, string> = {}) => new Anthropic0({ baseURL: dataUrl + place(n).path, apiKey: place(n).secret, maxRetries: 1, defaultHeaders: { ...tags(n), ...headers } });
  const openai = (n: number) => new OpenAI({ baseURL: `${dataUrl}${place(n).path}/v1`, apiKey: place(n).secret, maxRetries: 1, defaultHeaders: tags(n) });
  const raw = (n: number, body: string | Buffer, headers: Record<string, string> = {}, signal?: AbortSignal) =>
    send(`${dataUrl}${place(n).path}/v1/messages`, { headers: { ...apiHeaders(place(n).secret), ...tags(n), ...headers }, body, ...(signal ? { signal } : {}) });
  const cached = (n: number, ttl: '5m' | '1h') => ({ ...question(n), system: [{ type: 'text' as const, text: `Manual ${n % 4}. ${MANUAL}`, cache_control: { type: 'ephemeral' as const, ttl } }] });

  return [
    (n) => one(n).messages.create(question(n)),
    (n) => one(n).messages.stream(question(n)).finalMessage(),
    (n) => zero(n).messages.create(question(n)),
    (n) => zero(n).messages.stream(question(n)).finalMessage(),
    (n) => one(n).messages.create(cached(n, '5m')),
    (n) => one(n).messages.stream(cached(n, '1h')).finalMessage(),
    (n) => one(n).messages.stream({ ...question(n), model: 'claude-haiku-4-5', max_tokens: 3_000, thinking: { type: 'enabled', budget_tokens: 1_024 } }).finalMessage(),
    (n) => openai(n).chat.completions.create(question(n)),
    async (n) => {
      for await (const _chunk of await openai(n).chat.completions.create({ ...question(n), stream: true, stream_options: { include_usage: true } }));
    },
    async (n) => {
      for await (const _chunk of await openai(n).chat.completions.create({ ...question(n), stream: true }));
    },
    (n) => raw(n, gzipSync(hello({ ...question(n), stream: n % 2 === 0 })), { 'content-encoding': 'gzip' }),
    (n) => raw(n, hello({ ...cached(n, '5m'), model: 'claude-haiku-5-5', inference_geo: 'us', stream: n % 2 === 0 })),
    (n) => raw(n, hello({ ...question(n), model: 'claude-opus-4-8', speed: 'fast' }), { 'anthropic-beta': 'fast-mode-2026-02-01' }),
    (n) => raw(n, hello({ ...question(n), tools: [{ type: 'web_search_20250305', name: 'web_search' }], stream: n % 2 === 0 }), plan(n, { searches: 1 + (n % 3) })),
    (n) => raw(n, hello({ ...question(n), stream: n % 2 === 0 }), plan(n, { fault: 'iterations' })),
    (n) => raw(n, hello({ ...question(n), stream: true }), plan(n, { fault: 'growing-input' })),
    (n) => raw(n, hello({ ...question(n), stream: n % 2 === 0 }), plan(n, { served: 'claude-opus-5' })),
    (n) => raw(n, hello({ ...question(n), model: 'claude-haiku-5-5' }), plan(n, { usage: { input_tokens: 100_001 + n } })),
    (n) => raw(n, hello({ ...question(n), stream: n % 2 === 0 }), plan(n, { fault: 'refusal:before' })),
    (n) => raw(n, hello({ ...question(n), stream: n % 2 === 0 }), plan(n, { fault: 'refusal:mid' })),
    (n) => raw(n, hello({ ...question(n), stream: n % 2 === 0 }), plan(n, { fault: ['status:529', 'status:500', 'rate-limit:3', 'spend-cap-400', 'html:502'][n % 5]! })),
    (n) => raw(n, hello({ ...question(n), stream: true }), plan(n, { fault: ['error-event:4', 'reset-mid-sse:6', 'end-early:5', 'no-usage', 'usage-start-only'][n % 5]! })),
    (n) => raw(n, hello(question(n)), plan(n, { fault: ['reset-before-headers', 'reset-mid-json', 'no-usage'][n % 3]! })),
    // An SDK that tries again: two calls, of which the first says nothing but no.
    (n) => one(n, plan(n, { fault: 'status:529' }, true)).messages.create(question(n)),
    (n) => zero(n, plan(n, { fault: 'status:500' }, true)).messages.stream(question(n)).finalMessage(),
    // Clients that leave in the middle.
    async (n) => {
      const stream = one(n, plan(n, { fault: 'slow-events:5', outputTokens: 100 })).messages.stream(question(n));
      for await (const event of stream) if (event.type === 'content_block_delta') break;
    },
    async (n) => {
      const leaving = new AbortController();
      const arrived = arrival(n);
      const left = raw(n, hello(question(n)), plan(n, { fault: 'slow-first-byte:60' }), leaving.signal).catch(() => 'left');
      await arrived;
      leaving.abort();
      await left;
    },
    // What costs nothing, and what is refused.
    (n) => one(n).messages.countTokens({ model: model(n), messages: question(n).messages }),
    (n) => zero(n).models.list(),
    (n) => raw(n, hello({ ...question(n), model: 'claude-opus-4-7' })),
    (n) => raw(n, '{"model":'),
    (n) => send(`${dataUrl}/v1/messages`, { headers: apiHeaders('tg_nobody-0123456789abcdef'), body: hello(question(n)) }),
    (n) => send(`${dataUrl}/v1/organizations/me`, { method: 'GET', headers: apiHeaders(place(n).secret) }),
  ];
}

/** Makes `rounds` times every call, so many at once; resolves with their number. Errors are part of it. `from` numbers the first. */
export async function mixedRun(dataUrl: string, standin: Standin, { rounds, atOnce, from = 0 }: { rounds: number; atOnce: number; from?: number }): Promise<number> {
  const calls = mixedCalls(dataUrl, planned(standin));
  const total = rounds * calls.length;
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < total) {
        const n = next++;
        await calls[n % calls.length]!(from + n).catch(() => undefined);
      }
    }),
  );
  return total;
}
