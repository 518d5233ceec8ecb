// test/flow/attempts.test.ts: every no of the gateway, met by every client with the retries that it comes with: how many requests it makes, and what it tells its user.

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LATER, NEVER, WORDS, claudeMeets, openPlaces, type No, type Places } from './attempts.ts';
import { hasClaude } from './claude.ts';
import { ledgerRows } from './scene.ts';

// Most of them wait for a time to come back.
vi.setConfig({ maxConcurrency: 24 });

let places: Places;
beforeAll(async () => {
  places = await openPlaces();
});
afterAll(() => places.close());

const SDKS = ['sdk1', 'sdk0', 'openai'] as const;
type Sdk = (typeof SDKS)[number];

/** What each throws by status. */
const THROWS: Record<number, Record<Sdk, string>> = {
  400: { sdk1: 'BadRequestError', sdk0: 'BadRequestError', openai: 'BadRequestError' },
  401: { sdk1: 'AuthenticationError', sdk0: 'AuthenticationError', openai: 'AuthenticationError' },
  403: { sdk1: 'PermissionDeniedError', sdk0: 'PermissionDeniedError', openai: 'PermissionDeniedError' },
  404: { sdk1: 'NotFoundError', sdk0: 'NotFoundError', openai: 'NotFoundError' },
  413: { sdk1: 'ContentTooLargeError', sdk0: 'APIError', openai: 'APIError' },
  429: { sdk1: 'RateLimitError', sdk0: 'RateLimitError', openai: 'RateLimitError' },
  502: { sdk1: 'InternalServerError', sdk0: 'InternalServerError', openai: 'InternalServerError' },
  503: { sdk1: 'ServiceUnavailableError', sdk0: 'InternalServerError', openai: 'InternalServerError' },
  504: { sdk1: 'GatewayTimeoutError', sdk0: 'InternalServerError', openai: 'InternalServerError' },
};
const SAYS: Record<No, [status: number, type: string, message: RegExp]> = {
  unauthenticated: [401, 'authentication_error', /needs a valid key/],
  workspace_forbidden: [403, 'permission_error', /belongs to workspace support; the path names engineering/],
  workflow_forbidden: [403, 'permission_error', /Allowed: ticket-triage/],
  model_not_allowed: [403, 'permission_error', /Allowed: claude-opus-4-8/],
  feature_not_allowed: [403, 'permission_error', /short allows 1 at most/],
  unknown_path: [404, 'not_found_error', /does not serve that method and path/],
  malformed: [400, 'invalid_request_error', /must be interactive or background/],
  unpriced_model: [400, 'invalid_request_error', /does not know the model .*claude-nova-9/],
  too_large: [413, 'request_too_large', /larger than 1024 bytes/],
  budget_exhausted: [429, 'billing_error', /budget broke-day .* has too little left for this call/],
  rate_limited_long: [429, 'rate_limit_error', /spent has used its limit of 100 output tokens per minute; this call fits in \d+ s/],
  budget_held: [429, 'rate_limit_error', /has room, but calls in flight hold/],
  rate_limited: [429, 'rate_limit_error', /as many as its limit for calls at once allows/],
  overloaded: [503, 'overloaded_error', /as many calls at once as `max_in_flight` allows/],
  draining: [503, 'overloaded_error', /shutting down/],
  ledger_unavailable: [503, 'api_error', /cannot write to its ledger/],
  upstream_unreachable: [502, 'api_error', /could not be reached/],
  upstream_timeout: [504, 'timeout_error', /did not answer in time/],
};
/** Read from the refusal itself where it is told, and zero where it is not. */
const WAITS: Record<(typeof LATER)[number], number | null> = { budget_held: 2, rate_limited: 1, overloaded: 1, draining: 1, ledger_unavailable: 5, upstream_unreachable: null, upstream_timeout: null };

const each = <One extends No>(nos: readonly One[]) => SDKS.flatMap((client) => nos.map((no) => ({ client, no, words: WORDS[client] })));

describe.concurrent('an SDK', () => {
  test.for(each(NEVER))('$words makes one request of $no, and throws it', async ({ client, no }) => {
    const [status, type, message] = SAYS[no];
    const { met, heard } = await places.meet(client, no);
    expect(met.map(({ refusal, status: said }) => [refusal, said])).toEqual([[no === 'rate_limited_long' ? 'rate_limited' : no, status]]);
    expect(heard).toEqual({ name: THROWS[status]![client], status, type, requestId: client === 'openai' ? null : expect.stringMatching(/^req_/), message: expect.stringMatching(message) });
  });

  test.for(each(LATER))('$words makes three of $no, each after the time that it was told, and throws it', async ({ client, no }, { skip }) => {
    if (!places.has(no)) skip();
    const [status, type, message] = SAYS[no];
    const { met, heard } = await places.meet(client, no);
    expect(met.map(({ refusal, status: said, retryAfter }) => [refusal, said, retryAfter])).toEqual(Array(3).fill([no, status, WAITS[no]]));
    for (const [n, { cameAt }] of met.entries()) if (n > 0) expect(cameAt - met[n - 1]!.answeredAt).toBeGreaterThan((WAITS[no] ?? 0) * 1_000 - 20);
    expect(heard).toEqual({ name: THROWS[status]![client], status, type, requestId: client === 'openai' ? null : expect.stringMatching(/^req_/), message: expect.stringMatching(message) });
  });

  // Others are in the long tests: it takes seconds to start.
  test.skipIf(!hasClaude).for(['model_not_allowed', 'rate_limited_long', 'budget_held', 'overloaded'] as const)('Claude Code does the same of %s, or comes back and is served', (no) => claudeMeets(places, no));
});

test('the ledger tells which were retries, and none of them reached the provider', async () => {
  for (const client of SDKS) {
    const rows = await ledgerRows(places.scene.gateway, `&workspace=single-${client}&outcome=refused`);
    expect(rows.map(({ refusal, client_retry, attempts }) => [refusal, client_retry, attempts])).toEqual([2, 1, 0].map((retry) => ['rate_limited', retry, 0]));
  }
});
