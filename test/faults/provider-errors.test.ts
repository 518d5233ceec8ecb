// test/faults/provider-errors.test.ts: answers that are errors, foreign or empty: they pass unchanged, and what they cost is told.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, expectAllCounted, openScene, type Scene } from './scene.ts';

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
  readonly free: boolean;
  readonly estimated?: boolean;
  readonly errorType?: string | null;
  readonly headers?: Record<string, string>;
}

const cases: readonly Case[] = [
  { name: 'a 429 with retry-after', fault: 'rate-limit:7', status: 429, outcome: 'upstream_error', free: true, errorType: 'rate_limit_error', headers: { 'retry-after': '7' } },
  { name: 'a 429 without retry-after', fault: 'rate-limit-bare', status: 429, outcome: 'upstream_error', free: true, errorType: 'rate_limit_error' },
  { name: "the tier's spend cap, a 429", fault: 'spend-cap-429', status: 429, outcome: 'upstream_error', free: true, errorType: 'rate_limit_error' },
  { name: "the customer's own spend limit, a 400", fault: 'spend-cap-400', status: 400, outcome: 'client_error', free: true, errorType: 'invalid_request_error' },
  { name: 'a 529', fault: 'status:529', status: 529, outcome: 'upstream_error', free: true, errorType: 'overloaded_error' },
  { name: 'a 500', fault: 'status:500', status: 500, outcome: 'upstream_error', free: true, errorType: 'api_error' },
  { name: 'a 503', fault: 'status:503', status: 503, outcome: 'upstream_error', free: true, errorType: 'api_error' },
  { name: 'a 504', fault: 'status:504', status: 504, outcome: 'upstream_error', free: true, errorType: 'timeout_error' },
  { name: 'a 401 of the provider', fault: 'status:401', status: 401, outcome: 'client_error', free: true, errorType: 'authentication_error' },
  { name: 'a 529 on a stream', fault: 'status:529', stream: true, status: 529, outcome: 'upstream_error', free: true, errorType: 'overloaded_error' },
  { name: 'an HTML page with a 502', fault: 'html', status: 502, outcome: 'upstream_protocol', free: true },
  { name: 'an HTML page with a 200', fault: 'html:200', status: 200, outcome: 'upstream_protocol', free: false, estimated: true },
  { name: 'a 200 without a body', fault: 'empty-200', status: 200, outcome: 'upstream_protocol', free: false, estimated: true },
  { name: 'a 204', fault: 'no-content', status: 204, outcome: 'upstream_protocol', free: false, estimated: true },
  { name: 'a redirect to another host, which is never followed', fault: 'redirect:307,http://127.0.0.1:9/v1/messages', status: 307, outcome: 'upstream_protocol', free: true, headers: { location: 'http://127.0.0.1:9/v1/messages' } },
  { name: 'an answer before the upload was read', fault: 'early-answer:413', status: 413, outcome: 'client_error', free: true, errorType: 'request_too_large' },
];

test.each(cases)('$name passes unchanged', async ({ fault, stream, status, outcome, free, estimated = false, errorType, headers }) => {
  const { seen, row, upstream } = await call(scene, { fault, stream });
  expect(seen).toMatchObject({ status, ending: 'complete', headers: { ...headers, 'request-id': upstream!.id } });
  expect(seen.headers['x-tollgate-refusal']).toBeUndefined();
  expect(seen.body.equals(upstream!.response.body)).toBe(true);
  expect(row).toMatchObject({ outcome, status, estimated, attempts: 1 });
  expect(row.cost_usd === '0.000000000').toBe(free);
  if (errorType !== undefined) expect(row['error_type'] ?? errorType).toBe(errorType);
});

test('an error event after a 200 passes unchanged, and what came before it is paid', async () => {
  const { seen, row, upstream } = await call(scene, { fault: 'error-event:6', stream: true });
  expect(seen).toMatchObject({ status: 200, ending: 'complete' });
  expect(seen.body.equals(upstream!.response.body)).toBe(true);
  expect(seen.body.toString()).toMatch(/event: error\n.*overloaded_error/);
  expect(row).toMatchObject({ outcome: 'upstream_error', status: 200, estimated: true });
  expect(Number(row.cost_usd)).toBeGreaterThan(0);
});

test('every call was counted once, and nothing is in flight', () => expectAllCounted(scene));
