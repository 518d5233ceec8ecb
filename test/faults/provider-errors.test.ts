// test/faults/provider-errors.test.ts: answers that are errors, foreign or empty: they pass unchanged, and what they cost is told.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MetricOutcome } from '../../server/observe/metric-names.ts';
import { admin, call, eventually, expectAllCounted, metric, openScene, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene.close());

interface Case {
  readonly name: string;
  readonly fault: string;
  readonly stream?: boolean;
  readonly status: number;
  readonly outcome: string;
  /** What it is called in the metrics. */
  readonly counted: MetricOutcome;
  readonly free: boolean;
  readonly estimated?: boolean;
  /** Null: the answer is none of the API's, and tells no type. */
  readonly errorType: string | null;
  readonly headers?: Record<string, string>;
}

const cases: readonly Case[] = [
  { name: 'a 429 with retry-after', fault: 'rate-limit:7', status: 429, outcome: 'upstream_error', counted: 'rate_limited', free: true, errorType: 'rate_limit_error', headers: { 'retry-after': '7' } },
  { name: 'a 429 without retry-after', fault: 'rate-limit-bare', status: 429, outcome: 'upstream_error', counted: 'rate_limited', free: true, errorType: 'rate_limit_error' },
  { name: "the tier's spend cap, a 429", fault: 'spend-cap-429', status: 429, outcome: 'upstream_error', counted: 'rate_limited', free: true, errorType: 'rate_limit_error' },
  { name: "the customer's own spend limit, a 400", fault: 'spend-cap-400', status: 400, outcome: 'client_error', counted: 'client_error', free: true, errorType: 'invalid_request_error' },
  { name: 'a 529', fault: 'status:529', status: 529, outcome: 'upstream_error', counted: 'overloaded', free: true, errorType: 'overloaded_error' },
  { name: 'a 500', fault: 'status:500', status: 500, outcome: 'upstream_error', counted: 'upstream_error', free: true, errorType: 'api_error' },
  { name: 'a 503', fault: 'status:503', status: 503, outcome: 'upstream_error', counted: 'overloaded', free: true, errorType: 'api_error' },
  { name: 'a 504', fault: 'status:504', status: 504, outcome: 'upstream_error', counted: 'timeout', free: true, errorType: 'timeout_error' },
  { name: 'a 401 of the provider', fault: 'status:401', status: 401, outcome: 'client_error', counted: 'client_error', free: true, errorType: 'authentication_error' },
  { name: 'a 529 on a stream', fault: 'status:529', stream: true, status: 529, outcome: 'upstream_error', counted: 'overloaded', free: true, errorType: 'overloaded_error' },
  { name: 'an HTML page with a 502', fault: 'html', status: 502, outcome: 'upstream_protocol', counted: 'upstream_error', free: true, errorType: null },
  { name: 'an HTML page with a 200', fault: 'html:200', status: 200, outcome: 'upstream_protocol', counted: 'upstream_error', free: false, estimated: true, errorType: null },
  { name: 'a 200 without a body', fault: 'empty-200', status: 200, outcome: 'upstream_protocol', counted: 'upstream_error', free: false, estimated: true, errorType: null },
  { name: 'a 204', fault: 'no-content', status: 204, outcome: 'upstream_protocol', counted: 'upstream_error', free: false, estimated: true, errorType: null },
  { name: 'a redirect to another host, which is never followed', fault: 'redirect:307,http://127.0.0.1:9/v1/messages', status: 307, outcome: 'upstream_protocol', counted: 'upstream_error', free: true, errorType: null, headers: { location: 'http://127.0.0.1:9/v1/messages' } },
  { name: 'an answer before the upload was read', fault: 'early-answer:413', status: 413, outcome: 'client_error', counted: 'client_error', free: true, errorType: 'request_too_large' },
];

/** What the metrics must have counted in the end. */
const counted = new Map<MetricOutcome, number>();
const count = (outcome: MetricOutcome): void => void counted.set(outcome, (counted.get(outcome) ?? 0) + 1);
let estimates = 0;

test.each(cases)('$name passes unchanged', async ({ fault, stream, status, outcome, counted: as, free, estimated = false, errorType, headers }) => {
  const { seen, row, upstream } = await call(scene, { fault, stream });
  count(as);
  if (estimated) estimates++;
  expect(seen).toMatchObject({ status, ending: 'complete', headers: { ...headers, 'request-id': upstream!.id } });
  expect(seen.headers['x-tollgate-refusal']).toBeUndefined();
  expect(seen.body.equals(upstream!.response.body)).toBe(true);
  if (errorType !== null) expect(JSON.parse(seen.body.toString())).toMatchObject({ type: 'error', error: { type: errorType } });
  expect(row).toMatchObject({ outcome, status, estimated, attempts: 1, error_type: errorType });
  expect(row.cost_usd === '0.000000000').toBe(free);
});

test('a 429 names the limit that it is about, in its row and in the metrics', async () => {
  const before = await metric(scene, 'tollgate_upstream_rate_limited_total', { limit: 'requests' });
  const { row } = await call(scene, { fault: 'rate-limit:7' });
  count('rate_limited');
  const { attempts } = await admin<{ attempts: { error_type: string; limits: object }[] }>(scene, `/api/requests/${row.id}`);
  expect(attempts).toMatchObject([{ status: 429, outcome: 'upstream_error', error_type: 'rate_limit_error', limits: { rows: [{ dimension: 'requests', limit: 50, remaining: 0 }], retry_after_s: 7 } }]);
  const text = await eventually(async () => (await fetch(new URL('/metrics', scene.gateway.adminUrl))).text(), (scraped) => /^tollgate_upstream_headroom_ratio_min\{.*dimension="requests".*\} 0$/m.test(scraped));
  await eventually(() => metric(scene, 'tollgate_upstream_rate_limited_total', { limit: 'requests' }), (now) => now === before + 1);
  // Of those before: a spend cap, by its code; the others told no limit that was used up.
  expect(await metric(scene, 'tollgate_upstream_rate_limited_total', { limit: 'spend' })).toBe(1);
  expect(text).not.toMatch(/^tollgate_upstream_headroom_ratio_min\{.*dimension="(input|output)_tokens"/m);
});

test.each<{ type: string; as: MetricOutcome }>([
  { type: 'overloaded_error', as: 'overloaded' },
  { type: 'rate_limit_error', as: 'rate_limited' },
  { type: 'timeout_error', as: 'timeout' },
  { type: 'api_error', as: 'upstream_error' },
])('an $type event after a 200 passes unchanged, what came before it is paid, and it counts as $as though its status stays 200', async ({ type, as }) => {
  const { seen, row, upstream } = await call(scene, { fault: `error-event:6,${type}`, stream: true });
  count(as);
  estimates++;
  expect(seen).toMatchObject({ status: 200, ending: 'complete' });
  expect(seen.body.equals(upstream!.response.body)).toBe(true);
  const last = seen.body.toString().trimEnd().split('\n\n').at(-1)!;
  expect(last.split('\n')[0]).toBe('event: error');
  expect(JSON.parse(last.slice(last.indexOf('data: ') + 6))).toMatchObject({ type: 'error', error: { type } });
  expect(row).toMatchObject({ outcome: 'upstream_error', status: 200, estimated: true, error_type: type });
  expect(Number(row.cost_usd)).toBeGreaterThan(0);
});

test('every call was counted once, under what it was, and nothing is in flight', async () => {
  await expectAllCounted(scene);
  for (const [outcome, calls] of counted) expect([outcome, await metric(scene, 'tollgate_requests_total', { outcome })]).toEqual([outcome, calls]);
  // What ended as no answer of the API, and what broke off with an error: an estimate each.
  expect((await metric(scene, 'tollgate_usage_incomplete_total', { reason: 'upstream_error' })) + (await metric(scene, 'tollgate_usage_incomplete_total', { reason: 'upstream_protocol' }))).toBe(estimates);
  expect(await metric(scene, 'tollgate_usage_incomplete_total')).toBe(estimates);
});
