// test/faults/interrupted.test.ts: calls that break off (faults F2 to F6, and what never tells its usage), under either on_abort: what each costs, how that was come by, and that /api/usage says how many dollars are estimated.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, call, expectAllCounted, openScene, type Asking, type Row, type Scene } from './scene.ts';

const SENT = 'prompt from bytes sent';
const RECEIVED = 'prompt from bytes sent, output from bytes received';
/** The provider's last count stands where the text comes to less. */
const STARTED = /^prompt (from message_start, output from streamed text|and output as last reported)$/;
const inText = (body: Buffer): boolean => body.includes('content_block_delta');

interface Interrupted {
  readonly name: string;
  readonly asking: Asking;
  readonly outcome: string;
  /** Null: exact. By mode where it makes a difference. */
  readonly method: { readonly drain: string | RegExp | null; readonly cut: string | RegExp | null };
}
const both = (method: string | RegExp | null): Interrupted['method'] => ({ drain: method, cut: method });

const interrupted: readonly Interrupted[] = [
  { name: 'F2: a reset before the headers', asking: { fault: 'reset-before-headers' }, outcome: 'upstream_reset', method: both(SENT) },
  { name: 'F2: a reset before the headers of a stream', asking: { fault: 'reset-before-headers', stream: true }, outcome: 'upstream_reset', method: both(SENT) },
  { name: 'F3: a reset in the middle of JSON', asking: { fault: 'reset-mid-json' }, outcome: 'upstream_reset', method: both(RECEIVED) },
  { name: 'F4: a reset in the middle of a stream', asking: { fault: 'reset-mid-sse:6', stream: true }, outcome: 'upstream_reset', method: both(STARTED) },
  { name: 'F4: a stream that ends without message_stop', asking: { fault: 'end-early:6', stream: true }, outcome: 'upstream_reset', method: both(STARTED) },
  { name: 'F5: a stream that falls silent', asking: { fault: 'stall:6', stream: true }, outcome: 'upstream_timeout', method: both(STARTED) },
  { name: 'F6: no headers in time', asking: { fault: 'no-answer' }, outcome: 'upstream_timeout', method: both(SENT) },
  { name: 'F6: no headers of a stream in time', asking: { fault: 'no-answer', stream: true }, outcome: 'upstream_timeout', method: both(SENT) },
  { name: 'F9: a stream without usage anywhere', asking: { fault: 'no-usage', stream: true }, outcome: 'ok', method: both(RECEIVED) },
  { name: 'F9: JSON without usage', asking: { fault: 'no-usage' }, outcome: 'ok', method: both(RECEIVED) },
  { name: 'F10: usage in message_start only', asking: { fault: 'usage-start-only', stream: true }, outcome: 'upstream_reset', method: both(STARTED) },
  { name: 'F12: an error in the middle of a stream', asking: { fault: 'error-event:6', stream: true }, outcome: 'upstream_error', method: both(STARTED) },
  { name: 'F24: a client that leaves in the middle of a stream', asking: { fault: 'slow-events:5', stream: true, leaveWhen: inText }, outcome: 'client_abort', method: { drain: null, cut: STARTED } },
];

describe.each(['drain', 'cut'] as const)('on_abort: %s', (mode) => {
  let scene: Scene;
  const rows: Row[] = [];
  beforeAll(async () => {
    scene = await openScene({ config: { on_abort: mode } });
  });
  afterAll(() => scene.close());

  test.each(interrupted)('$name is an estimate above zero that says its method, unless its last count was read', async ({ asking, outcome, method }) => {
    const { row, upstream } = await call(scene, asking);
    rows.push(row);
    const expected = method[mode];
    expect(row).toMatchObject({ outcome, estimated: expected !== null, estimate_method: expected === null ? null : expect.stringMatching(expected) });
    expect(Number(row.cost_usd)).toBeGreaterThan(0);
    const { billed, usage } = upstream!.response;
    // What the provider told of the prompt is never guessed at.
    if (usage !== null) expect(row.tokens.input).toBe(usage.input_tokens);
    if (expected === null) expect(row.tokens).toMatchObject({ input: billed!.input_tokens, output: billed!.output_tokens });
    else if (usage !== null) expect(row.tokens.output).toBeGreaterThanOrEqual(usage.output_tokens);
  });

  test('the report says how many of its dollars are estimated, which is the sum of those rows', async () => {
    const nanos = (usd: string): bigint => BigInt(usd.replace('.', ''));
    const sum = (of: readonly Row[]): bigint => of.reduce((total, { cost_usd }) => total + nanos(cost_usd), 0n);
    const { total, rows: lines } = await admin<{ total: Record<string, string>; rows: Record<string, string>[] }>(scene, '/api/usage?group_by=outcome');
    expect(nanos(total['cost_usd']!)).toBe(sum(rows));
    expect(nanos(total['estimated_cost_usd']!)).toBe(sum(rows.filter(({ estimated }) => estimated)));
    expect(sum(rows.filter(({ estimated }) => estimated))).toBeGreaterThan(0n);
    for (const { outcome, estimated_cost_usd } of lines) expect({ outcome, estimated: nanos(estimated_cost_usd!) }).toEqual({ outcome, estimated: sum(rows.filter((row) => row.outcome === outcome && row.estimated)) });
    await expectAllCounted(scene);
  });
});
