// test/observe/outcome.test.ts: which word of the metrics an ending becomes.

import { expect, test } from 'vitest';
import type { Outcome } from '../../server/domain/call.ts';
import { metricOutcome } from '../../server/observe/outcome.ts';

const ended = (outcome: Outcome, status: number | null = 200, stopReason: string | null = null, errorType: string | null = null) => ({ outcome, status, stopReason, errorType });

test.each([
  { what: 'a whole answer', from: ended('ok', 200, 'end_turn'), to: 'ok' },
  { what: "the model's own refusal", from: ended('ok', 200, 'refusal'), to: 'refused' },
  { what: 'an answer at its token limit', from: ended('ok', 200, 'max_tokens'), to: 'truncated' },
  { what: 'a truncated answer', from: ended('truncated', 200, 'max_tokens'), to: 'truncated' },
  { what: 'a 400', from: ended('client_error', 400, null, 'invalid_request_error'), to: 'client_error' },
  { what: "the provider's 429", from: ended('client_error', 429, null, 'rate_limit_error'), to: 'rate_limited' },
  { what: 'a 529', from: ended('upstream_error', 529), to: 'overloaded' },
  { what: 'an overload told inside a 200 stream', from: ended('upstream_error', 200, null, 'overloaded_error'), to: 'overloaded' },
  { what: 'a 504', from: ended('upstream_error', 504), to: 'timeout' },
  { what: 'a 500', from: ended('upstream_error', 500, null, 'api_error'), to: 'upstream_error' },
  { what: 'a connection that failed', from: ended('connect_failed', 502), to: 'upstream_error' },
  { what: 'a reset', from: ended('upstream_reset'), to: 'upstream_error' },
  { what: 'a broken protocol', from: ended('upstream_protocol'), to: 'upstream_error' },
  { what: 'a timeout', from: ended('upstream_timeout', 504), to: 'timeout' },
  { what: 'a client that left', from: ended('client_abort', null), to: 'client_abort' },
  { what: 'a stream that our shutdown cut', from: ended('drained'), to: 'upstream_error' },
  { what: 'a call that a crash ended', from: ended('crashed', null), to: 'upstream_error' },
  { what: 'a refusal', from: ended('refused', 429), to: 'blocked' },
])('$what is $to', ({ from, to }) => {
  expect(metricOutcome(from)).toBe(to);
});
