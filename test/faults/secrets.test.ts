// test/faults/secrets.test.ts: keys and prompts through every fault, at the most talkative log level, turn up nowhere.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FAULTS } from '../standin/faults.ts';
import { say } from '../http/raw.ts';
import { startReceiver } from '../alert/receiver.ts';
import { ask, eventually, openScene, PROVIDER_KEY, question } from './scene.ts';

/** Of a webhook: signs what is sent, and is never in it. */
const SIGNING = 'whsec_Y2FuYXJ5LXNpZ25pbmctc2VjcmV0LTAwMQ==';
const TOKEN = 'canary-admin-token-5d41402abc4b2a76';
const KEYS = { virtual: 'tg_canary_0f1e2d3c4b5a69788796a5b4c3d2e1f0', wrong: 'tg_canary_wrong_99887766554433221100ffeeddcc' };
const PROMPT = 'canary prompt: the heron stood on one leg';
const ANSWER = 'canary answer: so it did';
/** Too large or too long for a test of what they leave behind; each has a test of its own. */
const ELSEWHERE = new Set(['bomb', 'endless-event', 'no-answer', 'stall-pings', 'slow-events', 'slow-first-byte']);

test('neither a key nor a prompt nor an answer is in any sink: the log, the disk, backups, metrics, pages, reports, exports, statements, alerts, errors', async () => {
  const receiver = await startReceiver();
  const scene = await openScene({
    config: {
      access: 'keys',
      admin: { token: '${ADMIN_TOKEN}' },
      workspaces: [{ id: 'support', workflows: [{ id: 'triage' }] }],
      keys: [{ id: 'triage-prod', workspace: 'support', workflow: 'triage', secret: '${VIRTUAL_KEY}' }],
      budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 1000, period: 'year' }, { id: 'small', scope: { workspace: 'support' }, limit_usd: 0.000001, period: 'day', mode: 'soft', alert_at: ['100%'], notify: ['hook'] }],
      alerts: { private_addresses: true, group: '1s', channels: { hook: { type: 'webhook', url: receiver.url, secret: '${SIGNING}' } } },
    },
    env: { VIRTUAL_KEY: KEYS.virtual, ADMIN_TOKEN: TOKEN, SIGNING },
  });
  const asAdmin = { authorization: `Bearer ${TOKEN}` };
  const admin = (path: string, init: { method?: string; headers?: Record<string, string>; body?: string } = {}): Promise<Response> => fetch(new URL(path, scene.gateway.adminUrl), { ...init, headers: { ...asAdmin, ...init.headers } });
  const told = async (...question: Parameters<typeof admin>): Promise<string> => {
    const answer = await admin(...question);
    return JSON.stringify([...answer.headers]) + (await answer.text());
  };
  const asked = async <T>(...question: Parameters<typeof admin>): Promise<T> => (await (await admin(...question)).json()) as T;
  try {
    const ours: string[] = [];
    scene.standin.script(() => ({ text: ANSWER, headers: { 'x-echo': PROVIDER_KEY, 'x-echo-bearer': `Bearer ${PROVIDER_KEY}` } }));
    const faults = Object.keys(FAULTS).filter((fault) => !ELSEWHERE.has(fault));
    const canary = question({ messages: [{ role: 'user', content: PROMPT }] });
    for (const fault of [...faults, '']) {
      await Promise.all([true, false].map(async (stream) => {
        const seen = await ask(scene.gateway.dataUrl, { fault: fault === '' ? undefined : fault, stream, body: question({ stream, messages: [{ role: 'user', content: PROMPT }] }), headers: { 'x-api-key': KEYS.virtual } });
        expect(JSON.stringify(seen.headers)).not.toContain(PROVIDER_KEY);
        if (seen.headers['x-tollgate-refusal'] !== undefined) ours.push(JSON.stringify(seen.headers) + seen.body.toString());
      }));
    }
    for (const headers of [{ 'x-api-key': KEYS.wrong }, { 'x-api-key': KEYS.virtual, authorization: `Bearer ${KEYS.wrong}` }] as Record<string, string>[]) ours.push((await ask(scene.gateway.dataUrl, { headers, body: canary })).body.toString());
    ours.push((await ask(scene.gateway.dataUrl, { headers: { 'x-api-key': KEYS.virtual }, body: `{"model":5,"x":"${PROMPT}"` })).body.toString());
    ours.push((await say(scene.gateway.dataUrl, `POST /${KEYS.virtual} HTTP/1.1\r\nHost: g\r\nx-api-key: ${KEYS.virtual}\r\n${PROMPT}\r\n\r\n`)).text);
    const made = await asked<{ secret: string }>('/api/keys', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ id: 'made', workspace: 'support' }) });
    expect((await ask(scene.gateway.dataUrl, { headers: { 'x-api-key': made.secret }, body: canary })).status).toBe(200);
    // A secret in the wrong place must not stay anywhere.
    for (const path of [`/api/requests?session=${KEYS.virtual}`, '/api/nowhere', `/api/usage?from=${KEYS.wrong}`]) await told(path);
    await receiver.count(1);
    await eventually(() => asked<{ in_flight: number }>('/api/status'), ({ in_flight }) => in_flight === 0);
    // What was sent upstream carries our key and never the client's.
    for (const { rawHeaders } of scene.standin.log) {
      expect(rawHeaders).toContain(PROVIDER_KEY);
      expect(rawHeaders.join('\n')).not.toContain('canary_0f1e');
    }

    expect(await told('/api/backup', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).toMatch(/backups/);
    const { rows } = await asked<{ rows: { id: string }[] }>('/api/requests?limit=500');
    const ids = rows.map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(faults.length);
    // Every route that there is, so that a new one is looked at too; and what each page of the dashboard is made of.
    const { paths } = await asked<{ paths: Record<string, Record<string, unknown>> }>('/api/openapi.json');
    const routes = Object.entries(paths).filter(([path, methods]) => 'get' in methods && !path.includes('{') && path !== '/api/live').map(([path]) => path);
    expect(routes.length).toBeGreaterThan(20);
    const month = new Date().toISOString().slice(0, 7);
    const pages = [...routes, '/', '/api/requests?limit=500', `/api/statement?workspace=support&month=${month}`, `/api/export/statement.csv?workspace=support&month=${month}`, `/api/export/focus.csv?month=${month}`, ...ids.slice(0, 20).map((id) => `/api/requests/${id}`)];
    const answers = await Promise.all(pages.map((path) => told(path)));
    const disk = readdirSync(scene.gateway.dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => ({ name: entry.name, bytes: readFileSync(join(entry.parentPath, entry.name), 'latin1') }));
    expect(disk.map(({ name }) => name)).toEqual(expect.arrayContaining(['tollgate.db', 'tollgate.db-wal', expect.stringMatching(/^tollgate-.*\.db$/)]));
    const sinks = [scene.gateway.output(), ...ours, ...answers, ...receiver.received.map(({ headers, body }) => JSON.stringify(headers) + body), ...disk.map(({ bytes }) => bytes)];
    for (const secret of [PROVIDER_KEY, KEYS.virtual, KEYS.wrong, PROMPT, ANSWER, SIGNING, TOKEN, made.secret]) expect(sinks.flatMap((sink, at) => (sink.includes(secret) ? [`${at}: ${sink.slice(0, 80)}`] : [])), secret).toEqual([]);
    // The test can see: what is in the prompt is in the provider's log, and the workspace's name is in all of these.
    expect(scene.standin.log.some(({ body }) => body.includes(PROMPT))).toBe(true);
    expect(disk.some(({ bytes }) => bytes.includes('support'))).toBe(true);
  } finally {
    await scene.close();
    await receiver.close();
  }
});
