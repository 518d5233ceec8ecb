// test/flow/keys.test.ts: keys that the command line issues, rotates and revokes work, and stop working, at once.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KeyRow, RequestRow } from '../../server/http/admin/wire.ts';
import { tollgate, type Ended } from '../cli/tollgate.ts';
import { SECRETS, apiHeaders, hello, rowOf, send, startScene, type Scene } from './scene.ts';

let scene: Scene;

beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());

const cli = (...args: string[]): Promise<Ended> => tollgate(['keys', ...args, '--url', scene.gateway.adminUrl]);
const secretOf = async (ended: Promise<Ended>): Promise<string> => {
  const { code, out, err } = await ended;
  expect({ code, err }).toMatchObject({ code: 0 });
  return out.trim();
};
const call = (secret: string) => send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(secret), body: hello() });

test('a key lives from its issue to its end, and every change of it holds for the next call', async () => {
  const first = await secretOf(cli('create', 'ci', '--workspace', 'support', '--workflow', 'reply-draft'));
  const answer = await call(first);
  expect(answer.status).toBe(200);
  expect(await rowOf(scene.gateway, answer.headers)).toMatchObject({ workspace: 'support', workflow: 'reply-draft', key_id: 'ci' });

  const second = await secretOf(cli('rotate', 'ci', '--grace', '1h'));
  expect([(await call(first)).status, (await call(second)).status]).toEqual([200, 200]);

  const third = await secretOf(cli('rotate', 'ci'));
  expect([(await call(first)).status, (await call(second)).status, (await call(third)).status]).toEqual([401, 401, 200]);

  expect((await cli('revoke', 'ci')).code).toBe(0);
  const before = scene.standin.requests();
  expect([(await call(first)).status, (await call(second)).status, (await call(third)).status]).toEqual([401, 401, 401]);
  expect(scene.standin.requests()).toBe(before);

  const { rows } = JSON.parse((await cli('list', '--json')).out) as { rows: KeyRow[] };
  expect(rows.find((row) => row.id === 'ci')).toMatchObject({ state: 'revoked', origin: 'issued' });
});

test('a key that was revoked, or turned in for another, gets the very no that a key gets that never was, and so does no key at all', async () => {
  const old = await secretOf(cli('create', 'gone', '--workspace', 'support'));
  expect((await call(old)).status).toBe(200);
  const next = await secretOf(cli('rotate', 'gone'));
  expect((await cli('revoke', 'gone')).code).toBe(0);
  const { 'x-api-key': _key, ...keyless } = apiHeaders(old);
  const unknown = `${old.slice(0, -4)}${old.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
  const answers = await Promise.all([
    ...[unknown, old, next].flatMap((secret) => [call(secret), send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...keyless, authorization: `Bearer ${secret}` }, body: hello() })]),
    send(`${scene.gateway.dataUrl}/v1/messages`, { headers: keyless, body: hello() }),
  ]);
  // All of it but what names the one request, and the time.
  const said = answers.map(({ status, rawHeaders, headers, body, whole }) => {
    const id = String(headers['request-id']);
    expect(body.toString()).toContain(id);
    return { status, whole, head: rawHeaders.map((text, i) => (rawHeaders[i - 1]?.toLowerCase() === 'date' ? 'now' : text.replace(id, 'id'))), body: body.toString().replace(id, 'id') };
  });
  expect(said[0]).toMatchObject({ status: 401, whole: true, body: expect.stringContaining('authentication_error') });
  for (const one of said) expect(one).toEqual(said[0]);
});

test('a stream that began before its key was revoked finishes', async () => {
  const secret = await secretOf(cli('create', 'streaming', '--workspace', 'engineering'));
  scene.standin.next({ fault: 'slow-events:40', outputTokens: 60 });
  const answer = await fetch(`${scene.gateway.dataUrl}/v1/messages`, { method: 'POST', headers: apiHeaders(secret), body: hello({ stream: true }) });
  const reader = answer.body!.getReader();
  let text = Buffer.from((await reader.read()).value!).toString();
  const revoked = cli('revoke', 'streaming');
  for (let read = await reader.read(); !read.done; read = await reader.read()) text += Buffer.from(read.value).toString();
  expect((await revoked).code).toBe(0);
  expect(text.trimEnd()).toMatch(/message_stop"}$/);
  expect((await call(secret)).status).toBe(401);
});

test.each<{ name: string; headers: Record<string, string>; body?: string; row: Partial<RequestRow> }>([
  { name: 'a header that names another workspace', headers: { 'x-tollgate-workspace': 'engineering' }, row: { workspace: 'support' } },
  { name: 'a body that names another user than the header', headers: { 'x-tollgate-user': 'ada' }, body: hello({ metadata: { user_id: 'grace' } }), row: { user: 'ada' } },
  { name: 'a header that names another key', headers: { 'x-tollgate-key': 'triage-prod', 'x-tollgate-request-id': 'req_made_up' }, row: { key_id: 'support-any' } },
  { name: 'a second user header', headers: { 'X-Tollgate-User': 'ada' }, row: { user: 'ada', workflow: 'unattributed' } },
])('$name changes nothing of whose a call is', async ({ headers, body, row }) => {
  const answer = await send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.support), ...headers }, body: body ?? hello() });
  expect(answer.status).toBe(200);
  expect(await rowOf(scene.gateway, answer.headers)).toMatchObject({ workspace: 'support', key_id: 'support-any', ...row });
});
