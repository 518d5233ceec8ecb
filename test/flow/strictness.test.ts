// test/flow/strictness.test.ts: tricks of every kind against the whole gateway: what is checked is what the provider gets, and honest bodies arrive byte for byte.

import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ALLOWED, READ_BODIES, REFUSED_BODIES, rest, WANTED } from '../identify/trick-bodies.ts';
import { SECRETS, apiHeaders, baseConfig, hello, ledgerRows, rowOf, send, settled, sha256, startScene, type Scene, type Sent } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  const base = baseConfig('') as { workspaces: object[]; keys: object[] };
  scene = await startScene({
    workspaces: [
      { id: 'support', models: { allow: [ALLOWED, `${ALLOWED}-*`] }, features: { deny: ['server_tool:web_search_*', 'beta:fallback-*', 'thinking', 'speed:fast'] }, max_output_tokens: 200, workflows: [{ id: 'ticket-triage' }, { id: 'reply-draft' }] },
      { id: 'engineering', open_workflows: true },
      { id: 'globs', models: { allow: ['a*a*a*a*a*a*a*a*b', `${ALLOWED}*`] } },
    ],
    keys: [...base.keys, { id: 'globs', workspace: 'globs', secret: 'tg_globs-0123456789abcdef' }],
  });
});
beforeEach(() => scene.standin.forget());
afterAll(() => scene.close());

const call = (body: Buffer | string, { secret = SECRETS.support, path = '/v1/messages', headers = {} }: { secret?: string; path?: string; headers?: Record<string, string> } = {}): Promise<Sent> =>
  send(scene.gateway.dataUrl + path, { headers: { ...apiHeaders(secret), ...headers }, body });

/** Refused by us, with nothing of it upstream. */
async function expectRefused(name: string, sent: Promise<Sent>, statuses: readonly number[] = [400]): Promise<void> {
  const answer = await sent;
  expect({ name, status: answer.status, refusal: answer.headers['x-tollgate-refusal'] }).toEqual({ name, status: expect.toSatisfy((status: number) => statuses.includes(status)), refusal: expect.stringMatching(/^(malformed|model_not_allowed|feature_not_allowed|too_large|workspace_forbidden|workflow_forbidden)$/) });
  expect(scene.standin.log.map(({ url }) => url), name).toEqual([]);
}

const HONEST: { name: string; body: Buffer }[] = [
  ...READ_BODIES.map(({ name, body }) => ({ name, body: Buffer.from(body) })),
  { name: 'fields and blocks that are newer than we are', body: Buffer.from(hello({ new_field: { deep: [1, { x: null }] }, messages: [{ role: 'user', content: [{ type: 'text', text: 'hi', novelty: true }] }] })) },
  { name: 'numbers that JSON.parse would round', body: Buffer.from(`{"model":"${ALLOWED}","metadata":{"n":90071992547409931234567890,"e":1e400,"z":-0.0},${rest}}`) },
  { name: 'every kind of escape', body: Buffer.from(`{"model":"${ALLOWED}",${rest.replace('"hi"', String.raw`"\" \\ \/ \b \f \n \r \t \u00e9 \ud83d\ude00 é 😀"`)}}`) },
  { name: 'a member of the prototype in every place', body: Buffer.from(`{"model":"${ALLOWED}","__proto__":{"x":1},"constructor":1,"prototype":[{"__proto__":null}],"toString":"x",${rest}}`) },
  { name: 'a body of half a megabyte', body: Buffer.from(hello({ messages: [{ role: 'user', content: 'lorem ipsum '.repeat(45_000) }] })) },
];

describe('bodies', () => {
  test(`${REFUSED_BODIES.length} bodies that could be read in two ways are refused, and the provider sees none of them`, async () => {
    expect(REFUSED_BODIES.length).toBeGreaterThanOrEqual(60);
    for (const { name, body } of REFUSED_BODIES) await expectRefused(name, call(body));
  });

  test.each(HONEST)('$name arrives byte for byte', async ({ body }) => {
    const answer = await call(body, { secret: SECRETS.engineering });
    const [seen] = scene.standin.log;
    expect(seen!.sha256).toBe(sha256(body));
    // A stand-in may refuse what is odd; what it says passes as it is.
    expect(answer.headers['x-tollgate-refusal']).toBeUndefined();
    expect(sha256(answer.body)).toBe(seen!.response.sha256);
    const row = await rowOf(scene.gateway, answer.headers);
    expect(row.model_requested).toBe((JSON.parse(body.toString()) as { model: string }).model);
  });

  test.each([
    { encoding: 'gzip', pack: gzipSync }, { encoding: 'deflate', pack: deflateSync }, { encoding: 'br', pack: brotliCompressSync },
    { encoding: 'gzip, br', pack: (body: Buffer) => brotliCompressSync(gzipSync(body)) },
  ])('a body in $encoding is looked into: a forbidden model is refused, an allowed one arrives as it was packed', async ({ encoding, pack }) => {
    await expectRefused(encoding, call(pack(Buffer.from(hello({ model: WANTED }))), { headers: { 'content-encoding': encoding } }), [403]);
    const packed = pack(Buffer.from(hello()));
    await call(packed, { headers: { 'content-encoding': encoding } });
    expect(scene.standin.log[0]).toMatchObject({ sha256: sha256(packed) });
  });

  const batchOf = (...items: string[]): string => `{"requests":[${items.map((params, n) => `{"custom_id":"item-${n}","params":${params}}`).join()}]}`;
  const asks = (more: Record<string, unknown>): string => JSON.stringify({ model: ALLOWED, max_tokens: 10, messages: [{ role: 'user', content: 'hi' }], ...more });
  test('neither another model nor a feature can be had by a side way: fallbacks, advisors, batches, betas, the other endpoints, odd encodings', async () => {
    const ways: { name: string; sent: () => Promise<Sent>; statuses?: number[] }[] = [
      { name: 'a fallback', sent: () => call(asks({ fallbacks: [{ model: WANTED }] })) },
      { name: 'the second fallback', sent: () => call(asks({ fallbacks: [{ model: ALLOWED }, { model: WANTED }] })) },
      { name: 'a fallback in escapes', sent: () => call(asks({ fallbacks: [{ model: 'MODEL' }] }).replace('"model":"MODEL"', String.raw`"mod\u0065l":"claude-opus\u002d4-8"`)) },
      { name: 'an advisor', sent: () => call(asks({ tools: [{ type: 'advisor_20260301', name: 'advisor', model: WANTED }] })) },
      { name: 'an advisor that joins later', sent: () => call(asks({ messages: [{ role: 'user', content: [{ type: 'tool_addition', tool: { type: 'tool_definition', definition: { type: 'advisor_20260301', model: WANTED } } }] }] })) },
      { name: 'an item of a batch', sent: () => call(batchOf(asks({}), asks({ model: WANTED })), { path: '/v1/messages/batches' }) },
      { name: 'a fallback of an item of a batch', sent: () => call(batchOf(asks({ fallbacks: [{ model: WANTED }] })), { path: '/v1/messages/batches' }) },
      { name: 'a server tool that is denied, in an item of a batch', sent: () => call(batchOf(asks({}), asks({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] })), { path: '/v1/messages/batches' }) },
      { name: 'thinking, in an item of a batch', sent: () => call(batchOf(asks({ thinking: { type: 'enabled', budget_tokens: 5 } })), { path: '/v1/messages/batches' }) },
      { name: 'a beta that is denied, for a batch', sent: () => call(batchOf(asks({})), { path: '/v1/messages/batches', headers: { 'anthropic-beta': 'fallback-models-2026-01-01' } }) },
      { name: 'more output than allowed, in an item of a batch', sent: () => call(batchOf(asks({}), asks({ max_tokens: 201 })), { path: '/v1/messages/batches' }) },
      { name: 'fast mode by a fallback', sent: () => call(asks({ fallbacks: [{ model: ALLOWED, speed: 'fast' }] })) },
      { name: 'fast mode by a fallback in an item of a batch', sent: () => call(batchOf(asks({ fallbacks: [{ model: ALLOWED, speed: 'fast' }] })), { path: '/v1/messages/batches' }) },
      { name: 'two params in an item of a batch', sent: () => call(`{"requests":[{"custom_id":"a","params":${asks({})},"params":${asks({ model: WANTED })}}]}`, { path: '/v1/messages/batches' }), statuses: [400] },
      { name: 'two lists in a batch', sent: () => call(`{"requests":[],"requests":[{"custom_id":"a","params":${asks({ model: WANTED })}}]}`, { path: '/v1/messages/batches' }), statuses: [400] },
      { name: 'the OpenAI-compatible endpoint', sent: () => call(asks({ model: WANTED }), { path: '/v1/chat/completions' }) },
      { name: 'text completion', sent: () => call(JSON.stringify({ model: WANTED, max_tokens_to_sample: 5, prompt: 'x' }), { path: '/v1/complete' }) },
      { name: 'a path without v1', sent: () => call(asks({ model: WANTED }), { path: '/messages' }) },
      { name: 'a query', sent: () => call(asks({ model: WANTED }), { path: `/v1/messages?model=${ALLOWED}` }) },
      { name: 'a capital', sent: () => call(asks({ model: 'Claude-Haiku-4-5' })) },
      { name: 'a space', sent: () => call(asks({ model: ` ${ALLOWED}` })) },
      { name: 'a letter that looks the same', sent: () => call(asks({ model: 'сlaude-haiku-4-5' })) },
      { name: 'a path in the name', sent: () => call(asks({ model: `${ALLOWED}/../${WANTED}` })) },
      { name: 'a beta that is denied', sent: () => call(asks({}), { headers: { 'anthropic-beta': 'other-2025-01-01, fallback-models-2026-01-01' } }) },
      { name: 'a server tool that is denied', sent: () => call(asks({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] })) },
      { name: 'the same in escapes', sent: () => call(asks({ tools: [{ type: 'TYPE', name: 'x' }] }).replace('"TYPE"', String.raw`"web\u005fsearch_20250305"`)) },
      { name: 'more output than allowed', sent: () => call(asks({ max_tokens: 201 })) },
      { name: 'more output by a fallback', sent: () => call(asks({ fallbacks: [{ model: ALLOWED, max_tokens: 5_000 }] })) },
      { name: 'an encoding that nobody knows', sent: () => call(asks({}), { headers: { 'content-encoding': 'rot13' } }), statuses: [400] },
      { name: 'an encoding that is not what it says', sent: () => call(asks({}), { headers: { 'content-encoding': 'gzip' } }), statuses: [400] },
      { name: 'the prototype as an encoding', sent: () => call(asks({}), { headers: { 'content-encoding': '__proto__' } }), statuses: [400] },
    ];
    for (const { name, sent, statuses = [403] } of ways) await expectRefused(name, sent(), statuses);
    // What is in the way is the trick and nothing else.
    expect((await call(batchOf(asks({}), asks({ fallbacks: [{ model: ALLOWED }] })), { path: '/v1/messages/batches' })).status).toBe(200);
  });
});

test('no tag, header or path of another workspace moves a call out of its key\'s workspace', async () => {
  const claims: Record<string, string>[] = [
    ...['x-tollgate-workspace', 'x-tollgate-key', 'x-tollgate-key-id', 'x-tollgate-request-id', 'x-tollgate-cost-usd', 'x-tollgate-refusal', 'x-tollgate-priority-workspace', 'x-workspace', 'anthropic-workspace', 'x-forwarded-user', 'anthropic-organization-id'].map((name) => ({ [name]: 'engineering' })),
    { 'x-tollgate-user': 'engineering' }, { 'x-tollgate-session': 'engineering' }, { 'x-tollgate-action': 'engineering' }, { 'x-tollgate-tags': 'workspace=engineering,workflow=other,key=engineering-any' },
    { 'X-TOLLGATE-WORKSPACE': 'engineering' },
  ];
  for (const headers of claims) {
    const answer = await call(hello(), { headers });
    expect({ headers, status: answer.status }).toEqual({ headers, status: 200 });
    expect(answer.headers).toMatchObject({ 'x-tollgate-workspace': 'support', 'x-tollgate-workflow': 'unattributed' });
    expect(answer.headers['x-tollgate-request-id']).toMatch(/^req_/);
  }
  for (const seen of scene.standin.log) expect(seen.rawHeaders.filter((text) => /^x-tollgate/i.test(text))).toEqual([]);
  await settled(scene.gateway);
  const rows = (await ledgerRows(scene.gateway)).slice(0, claims.length);
  expect(new Set(rows.map(({ workspace, workflow, key_id }) => `${workspace} ${workflow} ${key_id}`))).toEqual(new Set(['support unattributed support-any']));

  scene.standin.forget();
  for (const path of ['/w/engineering/v1/messages', '/w/engineering/ticket-triage/v1/messages', '/w/support/not-declared/v1/messages']) await expectRefused(path, call(hello(), { path }), [403]);
  await expectRefused('another workflow of the same workspace', call(hello(), { secret: SECRETS.triage, headers: { 'x-tollgate-workflow': 'reply-draft' } }), [403]);
  await expectRefused('a path and a header that differ', call(hello(), { path: '/w/support/ticket-triage/v1/messages', headers: { 'x-tollgate-workflow': 'reply-draft' } }), [403]);
});

test.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])('%s as a tag, a user, a model, a member, a header or a query changes nothing for the calls after it', async (name) => {
  const tries = [
    () => call(hello(), { headers: { 'x-tollgate-tags': `${name}=x` } }), () => call(hello(), { headers: { 'x-tollgate-tags': `x=${name}` } }), () => call(hello(), { headers: { 'x-tollgate-user': name } }),
    () => call(hello(), { headers: { 'x-tollgate-session': name } }), () => call(hello(), { headers: { 'x-tollgate-workflow': name } }), () => call(hello({ model: name }), { secret: SECRETS.engineering }),
    () => call(hello({ metadata: { user_id: name } })), () => call(`{"${name}":{"model":"${WANTED}","admin":true},${hello().slice(1)}`), () => call(hello({ tools: [{ name, input_schema: { type: 'object' } }] })),
    () => call(hello(), { headers: { [name]: 'x' } }), () => call(hello(), { path: `/v1/messages?${name}=x` }), () => call(hello(), { path: `/w/${name}/v1/messages` }), () => call(hello(), { headers: { 'anthropic-beta': name } }),
    () => call(hello(), { secret: name }),
  ];
  for (const sent of tries) expect((await sent()).status).toBeLessThan(500);
  for (const path of ['usage?group_by=user', `requests?user=${name}`, `requests/${name}`, `usage?group_by=${name}`]) expect((await fetch(`${scene.gateway.adminUrl}/api/${path}`)).status).toBeLessThan(500);
  scene.standin.forget();
  await expectRefused('a forbidden model', call(hello({ model: WANTED })), [403]);
  const after = await call(hello());
  expect(after).toMatchObject({ status: 200, headers: { 'x-tollgate-workspace': 'support', 'x-tollgate-workflow': 'unattributed' } });
  expect(await rowOf(scene.gateway, after.headers)).toMatchObject({ user: null, session: null, tags: {}, model_requested: ALLOWED });
});

test('a pattern made to be slow and the longest name that a model may have cost nothing that anybody could measure', async () => {
  const secret = 'tg_globs-0123456789abcdef';
  expect((await call(hello(), { secret })).status).toBe(200);
  scene.standin.forget();
  const times: number[] = [];
  for (let n = 0; n < 20; n++) {
    const started = performance.now();
    await expectRefused('a long name', call(hello({ model: 'a'.repeat(255) }), { secret }), [403]);
    scene.standin.forget();
    times.push(performance.now() - started);
  }
  expect(times.sort((a, b) => a - b)[10]!).toBeLessThan(50);
  await expectRefused('a name longer than any', call(hello({ model: 'a'.repeat(10_240) }), { secret }), [400]);
});
