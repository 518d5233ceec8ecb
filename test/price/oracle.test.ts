// test/price/oracle.test.ts: fifty thousand random answers, in the API's own words, cost what an independent calculation says, to the nano-dollar.

import { expect, test } from 'vitest';
import type { Reading } from '../../server/domain/usage.ts';
import { readMessage } from '../../server/meter/json-body.ts';
import { event, messageStop, metered } from '../meter/streams.ts';
import { oracleBill, ORACLE_MODELS, type OracleCounters, type OracleMessage } from './oracle.ts';
import { ask, day, pricing, quoted } from './rows.ts';

/** A small generator with a seed (mulberry32), so that a failure can be run again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Iteration = NonNullable<OracleMessage['usage']['iterations']>[number];
const NAMES = ORACLE_MODELS.flatMap(({ id, aliases }) => [id, ...aliases, ...(/-\d{8}$|^claude-2|latest$/.test(id) ? [] : [`${id}-20260601`])]);
const FAST = new Set(ORACLE_MODELS.filter(({ fast }) => fast !== null).map(({ id }) => id));
/** Today, the days around changes of price, and one long past. */
const DAYS = ['2026-11-21', '2026-11-21', '2026-11-21', '2026-10-07', '2026-10-06', '2026-03-13', '2026-03-12'];

/** What is asked and what comes back; `streamed` lets the counters arrive in two parts. */
function drawn(next: () => number) {
  const below = (n: number): number => Math.floor(next() * n);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const maybe = (chance: number): boolean => next() < chance;
  // Magnitudes vary, so that band borders, zeros and large prompts all come up.
  const count = (): number => (maybe(0.3) ? 0 : below(10 ** (1 + below(6))));
  const counters = (output: number): OracleCounters => {
    const five = count();
    const hour = count();
    const extra = maybe(0.1) ? count() : 0;
    const form = maybe(0.85) ? 'split' : maybe(0.5) ? 'total' : 'none';
    return {
      input_tokens: count(), output_tokens: output, cache_read_input_tokens: maybe(0.9) ? count() : null,
      cache_creation_input_tokens: form === 'none' ? null : five + hour + extra,
      cache_creation: form === 'split' ? { ephemeral_5m_input_tokens: five, ephemeral_1h_input_tokens: hour } : null,
    };
  };
  const asked = pick(NAMES);
  const served = maybe(0.85) ? asked : pick(NAMES);
  const batch = maybe(0.15);
  const fast = !batch && FAST.has(served) && maybe(0.5);
  const at = pick(DAYS);
  const fastAsked = maybe(0.3);
  const refused = maybe(0.15);
  const content = refused && maybe(0.5) ? [] : [{ type: 'text', text: 'So.' }];
  const some = (): number => 1 + below(maybe(0.5) ? 10 : 40_000);
  const turn = (type: string, model: string | null, output: number): Iteration => ({ type, ...(type === 'compaction' ? {} : { model }), ...counters(output) });
  const own = (): string | null => pick([null, served]);
  const iterations = maybe(0.5) ? [] : pick<() => Iteration[]>([
    () => Array.from({ length: 1 + below(5) }, () => turn('message', own(), some())),
    () => [turn('compaction', null, count()), turn('message', own(), some())],
    () => [turn('message', own(), some()), turn('advisor_message', pick(NAMES), count()), turn('message', own(), some())],
    () => [turn('message', asked, maybe(0.5) ? 0 : some()), turn('fallback_message', served, some())],
    () => [turn('message', asked, 0), turn('fallback_message', pick(NAMES), maybe(0.5) ? 0 : some()), turn('advisor_message', pick(NAMES), count()), turn('fallback_message', served, some())],
    () => [turn('a_type_to_come', own(), count())],
  ])();
  const message: OracleMessage = {
    model: served, stop_reason: refused ? 'refusal' : 'end_turn', content,
    usage: {
      ...counters(content.length === 0 && maybe(0.5) ? 0 : some()),
      service_tier: batch && maybe(0.5) ? null : maybe(0.1) && !fast ? 'batch' : pick(['standard', 'priority', null]), speed: fast ? 'fast' : pick(['standard', null]),
      inference_geo: maybe(0.3) ? 'us' : pick(['global', 'not_available', null]),
      server_tool_use: maybe(0.7) ? null : { web_search_requests: below(20) },
      ...(iterations.length > 0 ? { iterations } : {}),
    },
  };
  return { message, asked: { model: asked, fast: fastAsked, batch, at }, streamed: !batch && maybe(0.3) };
}

/** The same answer as a stream: what `message_delta` cannot carry stands in `message_start`, and the counters grow from one to the other. */
async function streamed({ usage, model, stop_reason, content }: OracleMessage): Promise<Reading> {
  const { iterations, server_tool_use, output_tokens, input_tokens, ...rest } = usage;
  const { reading } = await metered([Buffer.from([
    event({ type: 'message_start', message: { type: 'message', model, content: [], stop_reason: null, usage: { ...rest, input_tokens: Math.floor(input_tokens / 2), output_tokens: 1 } } }),
    ...content.map((block, index) => event({ type: 'content_block_start', index, content_block: block })),
    event({ type: 'message_delta', delta: { stop_reason: null }, usage: { output_tokens: Math.ceil(output_tokens / 2), input_tokens: null } }),
    event({ type: 'message_delta', delta: { stop_reason }, usage: { output_tokens, input_tokens, server_tool_use, cache_read_input_tokens: null, ...(iterations ? { iterations } : {}) } }),
    messageStop,
  ].join(''))]);
  return reading;
}

test.each([1, 2, 3, 4, 5])('ten thousand answers of seed %i cost exactly what the oracle says, over all models, names and modifiers', async (seed) => {
  const next = random(seed);
  const wrong: unknown[] = [];
  for (let i = 0; i < 10_000; i++) {
    const { message, asked, streamed: inParts } = drawn(next);
    const reading = inParts ? await streamed(message) : readMessage(Buffer.from(JSON.stringify(message)));
    const quote = quoted(ask({ model: asked.model, speed: asked.fast ? 'fast' : null }), { endpoint: asked.batch ? 'batch_results' : 'messages', at: day(asked.at) });
    const cost = pricing.cost(quote, { status: 200, sent: true, reading });
    const expected = oracleBill(message, asked);
    const lines = cost.lines.reduce((sum, line) => sum + line.amount, 0n);
    if (cost.total !== expected || (lines + 999n) / 1000n !== expected || cost.estimated) wrong.push({ i, asked, inParts, message, expected, got: cost.total, method: cost.estimateMethod });
  }
  expect(wrong.slice(0, 3)).toEqual([]);
});
