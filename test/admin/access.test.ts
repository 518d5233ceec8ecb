// test/admin/access.test.ts: who gets in: every route of the table, tokens and cookies, other sites' pages, foreign host names.

import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROUTES } from '../../server/http/admin/routes.ts';
import { adminGateway, TOKEN, type AdminGateway } from './gateway.ts';

const loopback = { host: '127.0.0.1', port: 4101 };
let shut: AdminGateway;
let open: AdminGateway;

beforeAll(async () => {
  shut = await adminGateway({ admin: { listen: loopback, token: TOKEN, hosts: [] } });
  open = await adminGateway();
});
afterAll(() => Promise.all([shut.close(), open.close()]));

const call = (gateway: AdminGateway, route: { method: 'get' | 'post' | 'delete'; path: string }) => {
  const sent = request(gateway.port.app)[route.method](route.path.replace(':id', 'nobody'));
  return route.method === 'post' ? sent.set('content-type', 'application/json').send('{}') : sent;
};
/** A stream does not end by itself: its status is enough. */
const streams = (path: string): boolean => path === '/api/live';

describe('the role matrix', () => {
  const guarded = ROUTES.filter((route) => route.role !== 'public');
  test('every route has a role, and what is public is known by name', () => {
    expect(ROUTES.filter((route) => route.role === 'public').map((route) => `${route.method} ${route.path}`).sort()).toEqual(['delete /api/session', 'get /api/session', 'get /healthz', 'get /readyz', 'post /api/session']);
    expect(ROUTES.filter((route) => route.role === 'write').map((route) => route.method).filter((method) => method === 'get')).toEqual([]);
    // A plan is a question with a body: it changes nothing.
    expect(guarded.filter((route) => route.method !== 'get' && route.role !== 'write').map((route) => route.path)).toEqual(['/api/plan']);
  });
  test.each(guarded.map((route) => [`${route.method} ${route.path}`, route] as const))('%s turns away nobody-in-particular and a wrong token, alike', async (_name, route) => {
    const anonymous = await call(shut, route);
    expect([anonymous.status, anonymous.body.error.code, anonymous.headers['www-authenticate']]).toEqual([401, 'unauthenticated', 'Bearer realm="tollgate"']);
    const wrong = await call(shut, route).set('authorization', 'Bearer not-the-token');
    expect([wrong.status, wrong.body]).toEqual([401, anonymous.body]);
  });
  test.each(guarded.filter((route) => !streams(route.path)).map((route) => [`${route.method} ${route.path}`, route] as const))('%s lets the token in', async (_name, route) => {
    const answer = await call(shut, route).set('authorization', `Bearer ${TOKEN}`);
    expect([401, 403, 415, 500]).not.toContain(answer.status);
  });
  test.each(guarded.filter((route) => !streams(route.path)).map((route) => [`${route.method} ${route.path}`, route] as const))('%s is open on loopback without a token', async (_name, route) => {
    expect([401, 403, 415, 500]).not.toContain((await call(open, route)).status);
  });
});

test('a port off loopback without a token answers nobody, whatever the start has let through', async () => {
  open.state.settings = { ...open.state.settings, admin: { listen: { host: '10.0.0.5', port: 4101 }, token: null, hosts: [] } };
  const answer = await request(open.port.app).get('/api/usage').set('host', '10.0.0.5:4101');
  open.state.settings = { ...open.state.settings, admin: { listen: loopback, token: null, hosts: [] } };
  expect(answer.status).toBe(401);
});

describe('signing in', () => {
  const login = (token: string, gateway = shut) => request(gateway.port.app).post('/api/session').set('sec-fetch-site', 'same-origin').send({ token });
  const cookieOf = (answer: request.Response): string => String(answer.headers['set-cookie']).split(';')[0] ?? '';

  test('gives a cookie that no script reads and no other site sends, and that opens every door', async () => {
    const answer = await login(TOKEN);
    expect(answer.body).toEqual({ required: true, signed_in: true, expires_at: '2026-03-04T22:20:30.000Z' });
    expect(String(answer.headers['set-cookie'])).toMatch(/^tollgate_session=[\w-]{43}; Max-Age=43200; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Strict$/);
    expect((await request(shut.port.app).get('/api/budgets').set('cookie', cookieOf(answer))).status).toBe(200);
    expect((await request(shut.port.app).get('/api/session').set('cookie', cookieOf(answer))).body.signed_in).toBe(true);
  });
  test('marks the cookie Secure where the page came over https', async () => {
    expect(String((await login(TOKEN).set('x-forwarded-proto', 'https')).headers['set-cookie'])).toContain('; Secure');
  });
  test('gives another session every time, and ends the one before', async () => {
    const first = cookieOf(await login(TOKEN));
    const second = cookieOf(await login(TOKEN).set('cookie', first));
    expect(second).not.toBe(first);
    expect((await request(shut.port.app).get('/api/budgets').set('cookie', first)).status).toBe(401);
    expect((await request(shut.port.app).get('/api/budgets').set('cookie', second)).status).toBe(200);
  });
  test('ends at sign-out, after twelve hours, and with another token in the config', async () => {
    const [out, late, changed] = [cookieOf(await login(TOKEN)), cookieOf(await login(TOKEN)), cookieOf(await login(TOKEN))];
    const status = async (cookie: string): Promise<number> => (await request(shut.port.app).get('/api/budgets').set('cookie', cookie)).status;
    await request(shut.port.app).delete('/api/session').set('cookie', out).set('sec-fetch-site', 'same-origin');
    expect(await status(out)).toBe(401);
    shut.state.settings = { ...shut.state.settings, admin: { listen: loopback, token: 'another', hosts: [] } };
    expect(await status(changed)).toBe(401);
    shut.state.settings = { ...shut.state.settings, admin: { listen: loopback, token: TOKEN, hosts: [] } };
    shut.clock.wall += 12 * 3_600_000 - 1;
    expect(await status(late)).toBe(200);
    shut.clock.wall += 1;
    expect(await status(late)).toBe(401);
  });
  test('keeps the token out of every answer and every line of the log', async () => {
    const answer = await login('nearly-the-token-CANARY');
    expect(answer.text).not.toContain('CANARY');
    const odd = await request(shut.port.app).post('/api/session').send({ token: ['CANARY'] });
    expect([odd.status, odd.text.includes('CANARY')]).toEqual([400, false]);
    expect(JSON.stringify(shut.log.lines)).not.toContain('CANARY');
  });
  test('is audited under a name that says nothing of the secret', async () => {
    const cookie = cookieOf(await login(TOKEN));
    const { rows } = (await request(shut.port.app).get('/api/audit').set('cookie', cookie)).body;
    expect(rows[0]).toMatchObject({ action: 'session.open', actor: expect.stringMatching(/^session:[0-9a-f]{8}$/) });
  });
  test('slows a thousand wrong guesses down to a lock-out, which ends, and leaves sessions and bearers alone', async () => {
    const cookie = cookieOf(await login(TOKEN));
    const statuses = new Set<number>();
    for (let n = 0; n < 1_000; n++) statuses.add((await login(`guess-${n}`)).status);
    expect([...statuses].sort()).toEqual([401, 429]);
    const locked = await login(TOKEN);
    expect([locked.status, locked.body.error.code, Number(locked.headers['retry-after'])]).toEqual([429, 'too_many_attempts', expect.any(Number)]);
    expect((await request(shut.port.app).get('/api/budgets').set('cookie', cookie)).status).toBe(200);
    expect((await request(shut.port.app).get('/api/budgets').set('authorization', `Bearer ${TOKEN}`)).status).toBe(200);
    shut.clock.ran += 15 * 60_000;
    expect((await login(TOKEN)).status).toBe(200);
  });
  test('is slowed for distinct wrong bearers too, but a scraper with one old token locks nobody out', async () => {
    const bearer = async (token: string): Promise<number> => (await request(shut.port.app).get('/metrics').set('authorization', `Bearer ${token}`)).status;
    shut.clock.ran += 15 * 60_000 + 1;
    for (let n = 0; n < 30; n++) expect(await bearer('an old token')).toBe(401);
    expect(await bearer(TOKEN)).toBe(200);
    for (let n = 0; n < 10; n++) {
      await bearer(`guess-${n}`);
      if (n < 3) expect(await bearer(TOKEN)).toBe(200);
    }
    expect(await bearer(TOKEN)).toBe(429);
    shut.clock.ran += 15 * 60_000;
    expect(await bearer(TOKEN)).toBe(200);
  });
});

describe("another site's page", () => {
  const keys = async (): Promise<number> => (await request(open.port.app).get('/api/keys')).body.rows.length;
  const create = () => request(open.port.app).post('/api/keys');
  const body = JSON.stringify({ id: 'planted', workspace: 'support' });

  test.each([
    ['a form', () => create().set('sec-fetch-site', 'cross-site').type('form').send('id=planted'), 403],
    ['a form of plain text without a word on where it is from', () => create().type('text/plain').send(body), 415],
    ['a fetch', () => create().set('sec-fetch-site', 'cross-site').set('origin', 'https://evil.example').type('json').send(body), 403],
    ['a fetch from a sibling host', () => create().set('sec-fetch-site', 'same-site').type('json').send(body), 403],
    ['a fetch of an old browser', () => create().set('origin', 'https://evil.example').type('json').send(body), 403],
    ['a sandboxed frame', () => create().set('origin', 'null').type('json').send(body), 403],
    ['a cookie and not a word', () => create().set('cookie', 'tollgate_session=x').type('json').send(body), 403],
    ['an image', () => request(open.port.app).get('/api/usage').set('sec-fetch-site', 'cross-site').set('sec-fetch-dest', 'image'), 403],
    ['a deletion', () => request(open.port.app).delete('/api/keys/planted').set('sec-fetch-site', 'cross-site'), 403],
    ['a scrape', () => request(open.port.app).get('/metrics').set('sec-fetch-site', 'cross-site'), 403],
    ['a foreign host name', () => request(open.port.app).get('/api/usage').set('host', 'evil.example:4101'), 403],
    ['a host name that only begins like ours', () => request(open.port.app).get('/api/usage').set('host', 'localhost.evil.example'), 403],
    ['no host at all', () => request(open.port.app).get('/api/usage').set('host', ''), 403],
  ])('%s changes nothing and learns nothing', async (_what, send, status) => {
    const before = await keys();
    const answer = await send();
    expect([answer.status, Object.keys(answer.body)]).toEqual([status, ['error']]);
    expect(await keys()).toBe(before);
  });
  test.each([
    ['our own page', { 'sec-fetch-site': 'same-origin', origin: 'http://localhost:4101', host: 'localhost:4101' }],
    ['our own page behind a proxy that changes the host', { 'sec-fetch-site': 'same-origin', origin: 'https://tollgate.example', host: '127.0.0.1:4101' }],
    ['our own page in an old browser', { origin: 'http://127.0.0.1:4101', host: '127.0.0.1:4101' }],
    ['a program', { host: '[::1]:4101' }],
  ])('%s may', async (what, headers) => {
    const id = `from-${what.length}`;
    expect((await create().set(headers).type('json').send({ id, workspace: 'support' })).status).toBe(201);
  });
  test('names that the operator lists are ours, from the next request on, and a wildcard address leaves the guard to the token', async () => {
    const listed = await adminGateway({ admin: { listen: loopback, token: null, hosts: [] } });
    const anywhere = await adminGateway({ admin: { listen: { host: '0.0.0.0', port: 4101 }, token: TOKEN, hosts: [] } });
    const status = async (gateway: AdminGateway, path: string, host: string): Promise<number> => (await request(gateway.port.app).get(path).set('host', host)).status;
    const list = (gateway: AdminGateway, hosts: string[]): void => void (gateway.state.settings = { ...gateway.state.settings, admin: { ...gateway.state.settings.admin, hosts } });
    const OPEN = ['/healthz', '/readyz', '/metrics', '/api/usage'];
    try {
      for (const path of OPEN) expect([path, await status(listed, path, 'tollgate.example.com')]).toEqual([path, 403]);
      const refused = await request(listed.port.app).get('/metrics').set('host', 'tollgate.example.com');
      expect(refused.body).toMatchObject({ error: { code: 'forbidden_host', message: expect.stringContaining('`admin.hosts`') } });
      list(listed, ['tollgate.example.com', 'gateway_1']);
      for (const path of OPEN) expect([path, await status(listed, path, 'Tollgate.Example.COM:8443')]).toEqual([path, 200]);
      expect(await status(listed, '/healthz', 'gateway_1:4101')).toBe(200);
      expect(await status(listed, '/healthz', '127.0.0.1:4101')).toBe(200);
      for (const host of ['evil.example', 'tollgate.example.com.evil.example', 'a.tollgate.example.com']) expect([host, await status(listed, '/healthz', host)]).toEqual([host, 403]);
      expect(await status(anywhere, '/healthz', 'gateway.corp:4101')).toBe(200);
      expect(await status(anywhere, '/api/usage', 'gateway.corp:4101')).toBe(401);
      list(anywhere, ['tollgate.example.com']);
      expect(await status(anywhere, '/healthz', 'gateway.corp:4101')).toBe(403);
    } finally {
      await Promise.all([listed.close(), anywhere.close()]);
    }
  });
});

test('a page of ours loads nothing from elsewhere, runs nothing inline and is framed by nobody', async () => {
  const { headers } = await request(open.port.app).get('/healthz');
  expect(headers['content-security-policy']).toBe("default-src 'none';script-src 'self';style-src 'self';connect-src 'self';img-src 'self';font-src 'self';manifest-src 'self';base-uri 'none';form-action 'self';frame-ancestors 'none'");
  expect([headers['x-content-type-options'], headers['x-frame-options'], headers['x-powered-by'], headers['referrer-policy']]).toEqual(['nosniff', 'DENY', undefined, 'no-referrer']);
});
