// test/faults/drain-caps.test.ts: answers are read on for clients that left, but not for ever and not for all: what is cut is booked as an estimate.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, eventually, expectAllCounted, openScene, type Scene } from './scene.ts';

let short: Scene;
let none: Scene;
beforeAll(async () => {
  [short, none] = await Promise.all([
    openScene({ config: { on_abort: 'drain', drain_abort: { for: '1500ms' } } }),
    openScene({ config: { on_abort: 'drain', drain_abort: { max: 0 } } }),
  ]);
});
afterAll(() => Promise.all([short.close(), none.close()]));

const leaving = { stream: true, leaveWhen: (body: Buffer) => body.includes('content_block_delta') } as const;

test('an answer that is read on for too long is cut, and its cost is a flagged estimate above zero that says its method', async () => {
  const { row, upstream } = await call(short, { ...leaving, fault: 'slow-events:500' });
  await eventually(() => upstream!.response.ending, (ending) => ending === 'client_gone', 5_000);
  expect(row).toMatchObject({ outcome: 'client_abort', estimated: true, tokens: { input: upstream!.response.usage!.input_tokens } });
  expect(row['estimate_method']).toMatch(/^prompt (from message_start|and output as last reported)/);
  expect(Number(row.cost_usd)).toBeGreaterThan(0);
});

test('one that ends in time is exact', async () => {
  const { row, upstream } = await call(short, { ...leaving, fault: 'slow-events:1' });
  expect(upstream!.response.ending).toBe('complete');
  expect(row).toMatchObject({ outcome: 'client_abort', estimated: false, estimate_method: null });
});

test('where no more may be read on, a stream is cut at once, and so is a JSON answer', async () => {
  const stream = await call(none, { ...leaving, fault: 'slow-events:100' });
  await eventually(() => stream.upstream!.response.ending, (ending) => ending === 'client_gone', 1_000);
  const number = none.standin.requests() + 1;
  const reached = eventually(() => none.standin.log.find((r) => r.number === number && r.bodyComplete), (r) => r !== undefined);
  const json = await call(none, { fault: 'slow-first-byte:3000', leaveAfter: reached });
  for (const { row } of [stream, json]) {
    expect(row).toMatchObject({ outcome: 'client_abort', estimated: true });
    expect(Number(row.cost_usd)).toBeGreaterThan(0);
  }
  expect(json.row['estimate_method']).toBe('prompt from bytes sent');
});

test('every call was counted once, and nothing is in flight', async () => {
  await expectAllCounted(short);
  await expectAllCounted(none);
});
