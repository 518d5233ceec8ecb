// test/flow/refusals.test.ts: every no of the gateway, as a client sees it and as the ledger keeps it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RequestAnswer, RequestRow, StatusAnswer } from '../../server/http/admin/wire.ts';
import { startGateway } from './gateway.ts';
import { SECRETS, apiHeaders, ask, baseConfig, count, eventually, hello, latch, ledgerRows, scrape, send, settled, startScene, type Sample, type Scene, type Sent, type ToSend } from './scene.ts';

const MODEL = 'claude-haiku-4-5';
const KEYS = {
  strict: 'tg_strict-0123456789abcdef', broke: 'tg_broke-0123456789abcdef', tight: 'tg_tight-0123456789abcdef', slow: 'tg_slow-0123456789abcdef',
  lists: 'tg_lists-0123456789abcdef', expired: 'tg_expired-0123456789abcdef',
} as const;

let scene: Scene;
/** Refusals without a row so far, by reason. */
const turnedAway = new Map<string, number>();

beforeAll(async () => {
  const base = baseConfig('') as { workspaces: object[]; keys: object[] };
  scene = await startScene({
    prices: { unknown_model: 'refuse' },
    body: { messages: '64KB' },
    workspaces: [
      ...base.workspaces,
      { id: 'strict', models: { allow: ['claude-haiku-4-5*'], deny: ['*-20251001'] }, max_output_tokens: 100, workflows: [{ id: 'a' }, { id: 'b' }, { id: 'c' }] },
      { id: 'broke', models: { allow: ['claude-haiku-4-5*'] }, max_output_tokens: 8000 }, { id: 'tight' },
      { id: 'slow', limits: { requests_per_minute: 1 } },
    ],
    keys: [
      ...base.keys,
      ...(['strict', 'broke', 'tight', 'slow'] as const).map((id) => ({ id, workspace: id, secret: KEYS[id] })),
      { id: 'lists', workspace: 'strict', workflows: ['a', 'b'], secret: KEYS.lists },
      { id: 'expired', workspace: 'support', secret: KEYS.expired, expires: '2026-01-01' },
    ],
    budgets: [
      { id: 'broke-day', scope: { workspace: 'broke' }, limit_usd: 0.000001, period: 'day' },
      { id: 'tight-hour', scope: { workspace: 'tight' }, limit_usd: 0.0022, period: 'hour' },
    ],
  });
});
afterAll(() => scene.close());

const call = (secret: string, { path = '/v1/messages', body = hello(), headers = {}, ...more }: ToSend & { path?: string } = {}): Promise<Sent> =>
  send(scene.gateway.dataUrl + path, { headers: { ...apiHeaders(secret), ...headers }, body, ...more });

interface Refused {
  readonly refusal: string;
  readonly status: number;
  readonly type: string;
  readonly message: RegExp;
}

/** Checks the shape of a refusal, whatever its reason. */
function expectRefusal(answer: Sent, { refusal, status, type, message }: Refused): { error: { message: string } } {
  const said = JSON.parse(answer.body.toString()) as { request_id: string; error: { message: string } };
  expect({ status: answer.status, refusal: answer.headers['x-tollgate-refusal'], said }).toEqual({
    status, refusal, said: { type: 'error', error: { type, message: expect.stringMatching(message) }, request_id: expect.stringMatching(/^req_[0-9A-HJKMNP-TV-Z]{26}$/) },
  });
  expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'request-id': said.request_id, 'x-tollgate-request-id': said.request_id });
  expect(answer.headers['x-should-retry']).toBe(['budget_held', 'rate_limited', 'overloaded', 'draining'].includes(refusal) ? undefined : 'false');
  return said;
}

/** Nothing of a refused call reaches the provider, and it is counted once; with a row when it was known whose it was. */
async function expectNo(ask: () => Promise<Sent>, refused: Refused, row: Partial<RequestRow> | null): Promise<Sent> {
  const before = { upstream: scene.standin.requests(), rows: (await ledgerRows(scene.gateway)).length };
  const answer = await ask();
  const { error } = expectRefusal(answer, refused);
  await settled(scene.gateway);
  const rows = await ledgerRows(scene.gateway);
  expect({ upstream: scene.standin.requests(), rows: rows.length }).toEqual({ ...before, rows: before.rows + (row === null ? 0 : 1) });
  if (row === null) turnedAway.set(refused.refusal, (turnedAway.get(refused.refusal) ?? 0) + 1);
  else {
    expect(rows[0]).toMatchObject({ id: answer.headers['x-tollgate-request-id'], outcome: 'refused', refusal: refused.refusal, status: refused.status, attempts: 0, cost_usd: '0.000000000', held_usd: '0.000000000', ...row });
    expect(answer.headers).toMatchObject({ 'x-tollgate-workspace': rows[0]!.workspace, 'x-tollgate-workflow': rows[0]!.workflow });
  }
  expect(`${error.message}${answer.rawHeaders.join()}`).not.toMatch(/sk-ant|tg_/);
  return answer;
}

const FORBIDDEN = { status: 403, type: 'permission_error' };
const INVALID = { status: 400, type: 'invalid_request_error', refusal: 'malformed' };

describe('before anyone knows whose a call is, its refusal is only counted', () => {
  test.each<{ name: string; ask: () => Promise<Sent> } & Refused>([
    { name: 'a path of the organization', ask: () => call(SECRETS.support, { path: '/v1/organizations/usage_report/messages', method: 'GET', body: '' }), refusal: 'unknown_path', status: 404, type: 'not_found_error', message: /does not serve that method and path/ },
    { name: 'a method that the path does not have', ask: () => call(SECRETS.support, { method: 'PUT' }), refusal: 'unknown_path', status: 404, type: 'not_found_error', message: /\/v1\/messages/ },
    { name: 'an absolute path with dots in disguise', ask: () => call(SECRETS.support, { path: '/v1/messages/%2e%2e/organizations' }), ...INVALID, message: /encoded/ },
    { name: 'a tag that cannot be one', ask: () => call(SECRETS.support, { headers: { 'x-tollgate-tags': 'no equals sign' } }), ...INVALID, message: /x-tollgate-tags/ },
    { name: 'a priority that is none', ask: () => call(SECRETS.support, { headers: { 'x-tollgate-priority': 'urgent' } }), ...INVALID, message: /interactive or background/ },
  ])('$name: $refusal', async ({ ask, ...refused }) => {
    await expectNo(ask, refused, null);
  });

  test('every credential that is not right gets the same no, whatever is wrong with it', async () => {
    const asks: (() => Promise<Sent>)[] = [
      () => send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { 'content-type': 'application/json' }, body: hello() }),
      () => call('tg_nobody-0123456789abcdef'),
      () => call('sk-ant-api03-somebody-elses'),
      () => call(KEYS.expired),
      () => call(SECRETS.support.slice(0, -1)),
      () => call(SECRETS.support, { headers: { authorization: `Bearer ${SECRETS.engineering}` } }),
      () => call(SECRETS.support, { headers: { authorization: 'Bearer sk-ant-api03-somebody-elses' } }),
    ];
    const said = new Set<string>();
    for (const ask of asks) {
      const answer = await expectNo(ask, { refusal: 'unauthenticated', status: 401, type: 'authentication_error', message: /valid key/ }, null);
      const { request_id: _id, ...body } = JSON.parse(answer.body.toString()) as { request_id: string };
      said.add(JSON.stringify([body, Object.keys(answer.headers).filter((name) => name !== 'date')]));
    }
    expect(said.size).toBe(1);
  });

  test('the metrics have each of them, by reason', async () => {
    const told = (samples: Sample[]): [string, number][] => [...turnedAway.keys()].map((reason) => [reason, count(samples, 'tollgate_turned_away_total', { reason })]);
    await eventually('the next scrape', async () => (told(await scrape(scene.gateway)).some(([reason, n]) => n !== turnedAway.get(reason)) ? null : true));
    expect(turnedAway.get('unauthenticated')).toBe(7);
  });
});

describe('a key that names a place that is not its own', () => {
  test.each<{ name: string; ask: () => Promise<Sent>; row: Partial<RequestRow> } & Refused>([
    { name: 'a key of another workspace than the path\'s', ask: () => call(SECRETS.support, { path: '/w/engineering/v1/messages' }), ...FORBIDDEN, refusal: 'workspace_forbidden', message: /belongs to workspace support; the path names engineering/, row: { workspace: 'support', workflow: 'unattributed', key_id: 'support-any' } },
    { name: 'a key of another workflow than the path\'s', ask: () => call(SECRETS.triage, { path: '/w/support/reply-draft/v1/messages' }), ...FORBIDDEN, refusal: 'workflow_forbidden', message: /may not name workflow reply-draft\. Allowed: ticket-triage/, row: { workspace: 'support', workflow: 'ticket-triage', key_id: 'triage-prod' } },
    { name: 'a key of another workflow than the header\'s', ask: () => call(SECRETS.triage, { headers: { 'x-tollgate-workflow': 'reply-draft' } }), ...FORBIDDEN, refusal: 'workflow_forbidden', message: /Allowed: ticket-triage/, row: { workspace: 'support', workflow: 'ticket-triage', key_id: 'triage-prod' } },
    { name: 'a path and a header that contradict each other', ask: () => call(SECRETS.support, { path: '/w/support/reply-draft/v1/messages', headers: { 'x-tollgate-workflow': 'ticket-triage' } }), ...FORBIDDEN, refusal: 'workflow_forbidden', message: /path names workflow reply-draft, x-tollgate-workflow names ticket-triage/, row: { workspace: 'support', workflow: 'unattributed', key_id: 'support-any' } },
    { name: 'a workflow that nobody declared', ask: () => call(SECRETS.support, { headers: { 'x-tollgate-workflow': 'made-up' } }), ...FORBIDDEN, refusal: 'workflow_forbidden', message: /made-up is not declared in workspace support\. Declared: ticket-triage, reply-draft/, row: { workspace: 'support', workflow: 'unattributed', key_id: 'support-any' } },
    { name: 'a key with a list that names none of it', ask: () => call(KEYS.lists), ...FORBIDDEN, refusal: 'workflow_forbidden', message: /must name its workflow\. Allowed: a, b/, row: { workspace: 'strict', workflow: 'unattributed', key_id: 'lists' } },
    { name: 'a workflow outside a key\'s list', ask: () => call(KEYS.lists, { headers: { 'x-tollgate-workflow': 'c' } }), ...FORBIDDEN, refusal: 'workflow_forbidden', message: /Allowed: a, b/, row: { workspace: 'strict', workflow: 'unattributed', key_id: 'lists' } },
    { name: 'a name that cannot be one', ask: () => call(SECRETS.support, { headers: { 'x-tollgate-workflow': 'Ticket Triage' } }), ...INVALID, message: /is named by 1 to 64/, row: { workspace: 'support', workflow: 'unattributed', key_id: 'support-any' } },
  ])('$name: $refusal, with a row of its owner', async ({ ask, row, ...refused }) => {
    await expectNo(ask, refused, row);
  });
});

describe('once it is known whose a call is, its refusal is a row of the ledger', () => {
  const strict = { workspace: 'strict', workflow: 'unattributed', key_id: 'strict' };
  const support = { workspace: 'support', key_id: 'support-any' };
  test.each<{ name: string; ask: () => Promise<Sent>; row: Partial<RequestRow> } & Refused>([
    { name: 'a model that is not allowed', ask: () => call(KEYS.strict, { body: hello({ model: 'claude-opus-4-8' }) }), ...FORBIDDEN, refusal: 'model_not_allowed', message: /model claude-opus-4-8 is not allowed in strict\. Allowed: claude-haiku-4-5\* but \*-20251001/, row: { ...strict, model_requested: 'claude-opus-4-8' } },
    { name: 'a model that is denied', ask: () => call(KEYS.strict, { body: hello({ model: 'claude-haiku-4-5-20251001' }) }), ...FORBIDDEN, refusal: 'model_not_allowed', message: /not allowed in strict/, row: strict },
    { name: 'a model that is not allowed, asked for a stream', ask: () => call(KEYS.strict, { body: hello({ model: 'claude-opus-4-8', stream: true }) }), ...FORBIDDEN, refusal: 'model_not_allowed', message: /not allowed/, row: { ...strict, stream: true } },
    { name: 'more output than allowed', ask: () => call(KEYS.strict, { body: hello({ max_tokens: 101 }) }), ...FORBIDDEN, refusal: 'feature_not_allowed', message: /max_tokens is 101; strict allows 100 at most/, row: strict },
    { name: 'a batch with one item whose model is not allowed', ask: () => call(KEYS.strict, { path: '/v1/messages/batches', body: JSON.stringify({ requests: [MODEL, 'claude-opus-4-8'].map((model) => ({ custom_id: model, params: JSON.parse(hello({ model })) as object })) }) }), ...FORBIDDEN, refusal: 'model_not_allowed', message: /model claude-opus-4-8 is not allowed in strict/, row: { ...strict, endpoint: 'batches' } },
    { name: 'a model that has no price', ask: () => call(SECRETS.support, { body: hello({ model: 'claude-nova-9' }) }), status: 400, type: 'invalid_request_error', refusal: 'unpriced_model', message: /claude-nova-9/, row: { ...support, model_requested: 'claude-nova-9' } },
    { name: 'a body that is no JSON', ask: () => call(SECRETS.support, { body: '{"model":' }), ...INVALID, message: /body/, row: { ...support, model_requested: null } },
    { name: 'a body that names its model twice', ask: () => call(SECRETS.support, { body: `{"model":"${MODEL}",${hello().slice(1)}` }), ...INVALID, message: /twice|once|model/, row: support },
    { name: 'a body that says it is compressed and is not', ask: () => call(SECRETS.support, { headers: { 'content-encoding': 'gzip' } }), ...INVALID, message: /gzip|encod/, row: support },
    { name: 'a body that is larger than allowed', ask: () => call(SECRETS.support, { body: Buffer.alloc(64 * 1024 + 1, 0x20) }), refusal: 'too_large', status: 413, type: 'request_too_large', message: /65536 bytes/, row: support },
    { name: 'a chunked body that turns out larger than allowed', ask: () => call(SECRETS.support, { headers: { 'transfer-encoding': 'chunked' }, body: [Buffer.alloc(40_000, 0x20), Buffer.alloc(40_000, 0x20)] }), refusal: 'too_large', status: 413, type: 'request_too_large', message: /65536 bytes/, row: support },
  ])('$name: $refusal', async ({ ask, row, ...refused }) => {
    await expectNo(ask, refused, row);
  });

  test('a budget that is used up: the amounts, the scope, and when it begins anew', async () => {
    const answer = await expectNo(() => call(KEYS.broke), { refusal: 'budget_exhausted', status: 429, type: 'billing_error', message: /^budget broke-day \(workspace broke\) has too little left for this call: 0\.000000000 USD of 0\.000001000 USD for this day is spent.* at \d{4}-\d\d-\d\dT00:00:00\.000Z/ }, { workspace: 'broke', model_requested: MODEL });
    // Everything that was decided, and the words of the no.
    const { decisions } = await ask<RequestAnswer>(scene.gateway, `/api/requests/${String(answer.headers['x-tollgate-request-id'])}`);
    expect(decisions.map(({ rule, verdict }) => `${rule} ${verdict}`)).toEqual(['models:broke allow', 'max_output_tokens:broke allow', 'budget:broke-day refuse']);
    expect(decisions.at(-1)!.detail).toBe((JSON.parse(answer.body.toString()) as { error: { message: string } }).error.message);
    const untilMidnight = (new Date().setUTCHours(24, 0, 0, 0) - Date.now()) / 1000;
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(untilMidnight - 1);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(untilMidnight + 10);
  });

  test('counting tokens is free, so it is served whatever is spent', async () => {
    const { max_tokens: _none, ...prompt } = JSON.parse(hello()) as Record<string, unknown>;
    expect((await call(KEYS.broke, { path: '/v1/messages/count_tokens', body: JSON.stringify(prompt) })).status).toBe(200);
  });

  test('a limit per minute: the limit, and the second at which the next call fits', async () => {
    expect((await call(KEYS.slow)).status).toBe(200);
    const answer = await expectNo(() => call(KEYS.slow), { refusal: 'rate_limited', status: 429, type: 'rate_limit_error', message: /^slow has used its limit of 1 requests per minute; this call fits in \d+ s/ }, { workspace: 'slow' });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(50);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect(answer.body.toString()).toContain(`fits in ${answer.headers['retry-after']} s`);
  });

  test('a budget that only calls in flight hold: the call waits, and is served as soon as one of them ends', async () => {
    const held = latch();
    scene.standin.next({ until: held.opened });
    const [first, second] = [call(KEYS.tight), call(KEYS.tight)];
    const before = scene.standin.requests();
    await eventually('one is at the provider, the other waits', async () => ((await ask<StatusAnswer>(scene.gateway, '/api/status')).in_flight === 2 && scene.standin.requests() === before + 1 ? true : null));
    expect(scene.standin.requests()).toBe(before + 1);
    held.open();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
  });

  test('a budget that calls in flight hold for longer: a no that says so, and that a retry may help', async () => {
    const held = latch();
    const before = scene.standin.requests();
    scene.standin.next({ until: held.opened });
    const first = call(KEYS.tight);
    await eventually('the first call is at the provider', async () => (scene.standin.requests() === before + 1 ? true : null));
    const answer = await call(KEYS.tight);
    expectRefusal(answer, { refusal: 'budget_held', status: 429, type: 'rate_limit_error', message: /^budget tight-hour \(workspace tight\) has room, but calls in flight hold/ });
    expect(answer.headers['retry-after']).toBe('2');
    expect(scene.standin.requests()).toBe(before + 1);
    held.open();
    expect((await first).status).toBe(200);
    await settled(scene.gateway);
    expect((await ledgerRows(scene.gateway, '&workspace=tight&outcome=refused')).map((row) => row.refusal)).toEqual(['budget_held']);
  });
});

describe('a provider that does not answer', () => {
  test('cannot be reached: 502 after one more try, at no cost', async () => {
    const dead = await startScene();
    await dead.standin.close();
    const gateway = dead.gateway;
    try {
      const answer = await send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello() });
      expect(answer).toMatchObject({ status: 502, headers: { 'x-tollgate-refusal': 'upstream_unreachable', 'x-tollgate-workspace': 'support' } });
      expect(JSON.parse(answer.body.toString())).toMatchObject({ type: 'error', error: { type: 'api_error', message: 'The provider could not be reached (ECONNREFUSED).' } });
      await settled(gateway);
      expect((await ledgerRows(gateway))[0]).toMatchObject({ outcome: 'connect_failed', status: 502, attempts: 2, cost_usd: '0.000000000', estimated: false });
    } finally {
      await gateway.close();
    }
  });

  test.each([
    { fault: 'no-answer', status: 504, refusal: 'upstream_timeout', type: 'timeout_error', outcome: 'upstream_timeout' },
    { fault: 'reset-before-headers', status: 502, refusal: 'upstream_unreachable', type: 'api_error', outcome: 'upstream_reset' },
  ])('$fault: $status in our words, and an estimate on the bill, as it may have been billed', async ({ fault, status, refusal, type, outcome }) => {
    const gateway = await startGateway({ config: { ...baseConfig(scene.standin.url), upstream: { ...(baseConfig(scene.standin.url)['upstream'] as object), headers_timeout: '300ms' } } });
    try {
      scene.standin.next(fault);
      const answer = await send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello() });
      expect({ status: answer.status, refusal: answer.headers['x-tollgate-refusal'], retry: answer.headers['x-should-retry'] }).toEqual({ status, refusal, retry: undefined });
      expect(JSON.parse(answer.body.toString())).toMatchObject({ type: 'error', error: { type } });
      await settled(gateway);
      const [row] = await ledgerRows(gateway);
      expect(row).toMatchObject({ outcome, status, attempts: 1, estimated: true });
      expect(Number(row!.cost_usd)).toBeGreaterThan(0);
    } finally {
      await gateway.close();
    }
  });
});

test('more calls at once than the gateway takes: 503, and a time to come back', async () => {
  const gateway = await startGateway({ config: { ...baseConfig(scene.standin.url), max_in_flight: 1 } });
  const held = latch();
  try {
    const before = scene.standin.requests();
    scene.standin.next({ until: held.opened });
    const first = send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello() });
    await eventually('the only place is taken', async () => (scene.standin.requests() === before + 1 ? true : null));
    const answer = await send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello() });
    expectRefusal(answer, { refusal: 'overloaded', status: 503, type: 'overloaded_error', message: /as many calls at once as `max_in_flight` allows/ });
    expect(answer.headers['retry-after']).toBe('1');
    held.open();
    expect((await first).status).toBe(200);
  } finally {
    held.open();
    await gateway.close();
  }
});

test('a gateway that is told to stop lets its streams finish, refuses new calls, and ends with 0', async () => {
  const gateway = await startGateway({ config: baseConfig(scene.standin.url) });
  const held = latch();
  try {
    const before = scene.standin.requests();
    scene.standin.next({ until: held.opened });
    const stream = send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello({ stream: true }) });
    await eventually('the stream is at the provider', async () => (scene.standin.requests() === before + 1 ? true : null));
    const ended = gateway.stop('SIGTERM');
    const late = await eventually('new calls are refused', async () => {
      const answer = await send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello() }).catch(() => null);
      return answer?.headers['x-tollgate-refusal'] === 'draining' ? answer : null;
    });
    expectRefusal(late, { refusal: 'draining', status: 503, type: 'overloaded_error', message: /shutting down/ });
    expect(late.headers).toMatchObject({ 'retry-after': '1', connection: 'close' });
    held.open();
    const whole = await stream;
    expect(whole).toMatchObject({ status: 200, whole: true });
    expect(whole.body.toString().trimEnd()).toMatch(/message_stop"}$/);
    expect(await ended).toBe(0);
  } finally {
    held.open();
    await gateway.close();
  }
});
