// test/faults/four-sides.ts: every fault that a stand-in can be told to have, and what each of four sides must see of it: the client, the ledger, the budget, and the metrics; and the log, which has a line for what went wrong.

import { expect } from 'vitest';
import { admin, call, expectAllCounted, metric, type Asking, type Row, type Scene, type Seen } from './scene.ts';

export interface Case {
  /** Of the fault catalogue. */
  readonly id: string;
  readonly asking: Asking;
  readonly client: { readonly status: number | null; readonly ending: Seen['ending'] };
  readonly ledger: { readonly outcome: string; readonly estimated: boolean };
  /** Whether it costs nothing. */
  readonly free: boolean;
  /** As `tollgate_requests_total` labels it. */
  readonly counted: string;
}

const TROUBLES = new Set(['connect_failed', 'upstream_reset', 'upstream_timeout', 'upstream_protocol', 'upstream_error', 'drained']);

export const streamed = (fault: string, more: Asking = {}): Asking => ({ fault, stream: true, ...more });
const whole = { status: 200, ending: 'complete' } as const;
const cut = { status: 200, ending: 'cut' } as const;
const fine = { ledger: { outcome: 'ok', estimated: false }, free: false, counted: 'ok' } as const;
const guessed = { ledger: { outcome: 'ok', estimated: true }, free: false, counted: 'ok' } as const;
const broke = (outcome: string, counted: string, estimated = true): Pick<Case, 'ledger' | 'free' | 'counted'> => ({ ledger: { outcome, estimated }, free: false, counted });
const no = (outcome: string, counted: string): Pick<Case, 'ledger' | 'free' | 'counted'> => ({ ledger: { outcome, estimated: false }, free: true, counted });
const answered = (status: number): Case['client'] => ({ status, ending: 'complete' });
const inText = (body: Buffer): boolean => body.includes('content_block_delta');

export const CASES: readonly Case[] = [
  { id: 'F2', asking: { fault: 'reset-before-headers' }, client: answered(502), ...broke('upstream_reset', 'upstream_error') },
  { id: 'F3, reset', asking: { fault: 'reset-mid-json' }, client: cut, ...broke('upstream_reset', 'upstream_error') },
  // Short of the length that was told, and yet whole JSON with its usage.
  { id: 'F3, truncated', asking: { fault: 'content-length:10' }, client: cut, ...broke('upstream_reset', 'upstream_error', false) },
  { id: 'F4, reset', asking: streamed('reset-mid-sse:6'), client: cut, ...broke('upstream_reset', 'upstream_error') },
  { id: 'F4, no message_stop', asking: streamed('end-early'), client: whole, ...broke('upstream_reset', 'upstream_error') },
  { id: 'F5', asking: streamed('stall:6'), client: whole, ...broke('upstream_timeout', 'timeout') },
  { id: 'F6', asking: { fault: 'no-answer' }, client: answered(504), ...broke('upstream_timeout', 'timeout') },
  { id: 'F6, stream', asking: streamed('no-answer'), client: answered(504), ...broke('upstream_timeout', 'timeout') },
  { id: 'F7', asking: streamed('malformed-sse;comments;line-ends:cr;multi-line;unknown-events'), client: whole, ...fine },
  { id: 'F8', asking: streamed('split:1;invalid-utf8'), client: whole, ...fine },
  { id: 'F9', asking: streamed('no-usage'), client: whole, ...guessed },
  { id: 'F9, JSON', asking: { fault: 'no-usage' }, client: whole, ...guessed },
  { id: 'F10', asking: streamed('usage-start-only'), client: whole, ...broke('upstream_reset', 'upstream_error') },
  { id: 'F11', asking: streamed('growing-input:500'), client: whole, ...fine },
  { id: 'F12', asking: streamed('error-event:6'), client: whole, ...broke('upstream_error', 'overloaded') },
  { id: 'F13', asking: { fault: 'rate-limit:7' }, client: answered(429), ...no('upstream_error', 'rate_limited') },
  { id: 'F14, 429', asking: { fault: 'spend-cap-429' }, client: answered(429), ...no('upstream_error', 'rate_limited') },
  { id: 'F14, 400', asking: { fault: 'spend-cap-400' }, client: answered(400), ...no('client_error', 'client_error') },
  { id: 'F15, 529', asking: { fault: 'status:529' }, client: answered(529), ...no('upstream_error', 'overloaded') },
  { id: 'F15, 500', asking: { fault: 'status:500' }, client: answered(500), ...no('upstream_error', 'upstream_error') },
  { id: 'F15, 503', asking: { fault: 'status:503' }, client: answered(503), ...no('upstream_error', 'overloaded') },
  { id: 'F15, 504', asking: { fault: 'status:504' }, client: answered(504), ...no('upstream_error', 'timeout') },
  { id: 'F16, gzip', asking: streamed('encoding:gzip'), client: whole, ...fine },
  { id: 'F16, br', asking: { fault: 'encoding:br' }, client: whole, ...fine },
  { id: 'F17, unknown', asking: streamed('encoding:snappy'), client: whole, ...guessed },
  { id: 'F18, close', asking: { fault: 'framing:close' }, client: whole, ...fine },
  { id: 'F18, length', asking: streamed('framing:length'), client: whole, ...fine },
  { id: 'F19', asking: streamed('continue:1;processing;early-hints:2'), client: whole, ...fine },
  { id: 'F20', asking: { fault: 'redirect:307,http://127.0.0.1:9/v1/messages' }, client: answered(307), ...no('upstream_protocol', 'upstream_error') },
  { id: 'F24', asking: streamed('slow-events:20', { leaveWhen: inText }), client: { status: 200, ending: 'left' }, ...broke('client_abort', 'client_abort') },
  { id: 'F25', asking: streamed('', { leaveWhen: (body) => body.includes('event: message_stop\n') }), client: { status: 200, ending: 'left' }, ...fine },
  { id: 'F43', asking: { fault: 'early-answer:413' }, client: answered(413), ...no('client_error', 'client_error') },
  { id: 'F44, 502', asking: { fault: 'html' }, client: answered(502), ...no('upstream_protocol', 'upstream_error') },
  { id: 'F44, 200', asking: { fault: 'html:200' }, client: whole, ...broke('upstream_protocol', 'upstream_error') },
  { id: 'F44, empty', asking: { fault: 'empty-200' }, client: whole, ...broke('upstream_protocol', 'upstream_error') },
  { id: 'F44, 204', asking: { fault: 'no-content' }, client: answered(204), ...broke('upstream_protocol', 'upstream_error') },
];

export const nanos = (usd: string): bigint => BigInt(usd.replace('.', ''));
export const standing = async (scene: Scene): Promise<{ spent: bigint; held: bigint }> => {
  const { rows: [row] } = await admin<{ rows: { spent_usd: string; held_usd: string }[] }>(scene, '/api/budgets');
  return { spent: nanos(row!.spent_usd), held: nanos(row!.held_usd) };
};
export const linesOf = (at: Scene, id: string): Record<string, unknown>[] =>
  at.gateway.output().split('\n').filter((line) => line.startsWith('{') && line.includes(id)).map((line) => JSON.parse(line) as Record<string, unknown>);

/** Makes the call, looks at it from every side, and gives its row. */
export async function lookFromAllSides(scene: Scene, one: Case): Promise<Row> {
  const before = await standing(scene);
  const { seen, row } = await call(scene, one.asking);
  expect({ status: seen.status, ending: seen.ending }, one.id).toEqual(one.client);
  expect({ outcome: row.outcome, estimated: row.estimated }, one.id).toEqual(one.ledger);
  expect(nanos(row.cost_usd) === 0n, one.id).toBe(one.free);
  expect(await standing(scene), one.id).toEqual({ spent: before.spent + nanos(row.cost_usd), held: 0n });
  const lines = linesOf(scene, row.id);
  if (TROUBLES.has(one.ledger.outcome)) expect(lines).toMatchObject([{ level: 'warn', event: one.ledger.outcome, call: row.id, workspace: row['workspace'], endpoint: 'messages' }]);
  else expect(lines).toEqual([]);
  return row;
}

/** The metrics of a gateway that had these calls and no others. */
export async function expectMetricsOf(scene: Scene, done: readonly { readonly one: Case; readonly row: Row }[]): Promise<void> {
  await expectAllCounted(scene);
  const expected = new Map<string, number>();
  for (const { one: { counted } } of done) expected.set(counted, (expected.get(counted) ?? 0) + 1);
  for (const [outcome, n] of expected) expect({ outcome, n: await metric(scene, 'tollgate_requests_total', { outcome }) }).toEqual({ outcome, n });
  expect(await metric(scene, 'tollgate_usage_incomplete_total')).toBe(done.filter(({ one }) => one.ledger.estimated).length);
  const cost = done.reduce((sum, { row }) => sum + nanos(row.cost_usd), 0n);
  expect(await metric(scene, 'tollgate_cost_usd_total')).toBeCloseTo(Number(cost) / 1e9, 9);
  expect(await metric(scene, 'tollgate_hold_exceeded_total')).toBe(0);
}
