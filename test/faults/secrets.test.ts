// test/faults/secrets.test.ts: keys and prompts through every fault, at the most talkative log level, turn up nowhere.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FAULTS } from '../standin/faults.ts';
import { say } from '../http/raw.ts';
import { ask, eventually, metric, openScene, PROVIDER_KEY, question } from './scene.ts';

const KEYS = { virtual: 'tg_canary_0f1e2d3c4b5a69788796a5b4c3d2e1f0', wrong: 'tg_canary_wrong_99887766554433221100ffeeddcc' };
const PROMPT = 'canary prompt: the heron stood on one leg';
const ANSWER = 'canary answer: so it did';
/** Too large or too long for a test of what they leave behind; each has a test of its own. */
const ELSEWHERE = new Set(['bomb', 'endless-event', 'no-answer', 'stall-pings', 'slow-events', 'slow-first-byte']);

test('neither a key nor a prompt nor an answer is in the log, the database, the metrics, the reports or an error', async () => {
  const scene = await openScene({
    config: { access: 'keys', workspaces: [{ id: 'support', workflows: [{ id: 'triage' }] }], keys: [{ id: 'triage-prod', workspace: 'support', workflow: 'triage', secret: '${VIRTUAL_KEY}' }] },
    env: { VIRTUAL_KEY: KEYS.virtual },
  });
  try {
    const ours: string[] = [];
    scene.standin.script(() => ({ text: ANSWER, headers: { 'x-echo': PROVIDER_KEY, 'x-echo-bearer': `Bearer ${PROVIDER_KEY}` } }));
    const faults = Object.keys(FAULTS).filter((fault) => !ELSEWHERE.has(fault));
    for (const fault of [...faults, '']) {
      for (const stream of [true, false]) {
        const seen = await ask(scene.gateway.dataUrl, { fault: fault === '' ? undefined : fault, stream, body: question({ stream, messages: [{ role: 'user', content: PROMPT }] }), headers: { 'x-api-key': KEYS.virtual } });
        expect(JSON.stringify(seen.headers)).not.toContain(PROVIDER_KEY);
        if (seen.headers['x-tollgate-refusal'] !== undefined) ours.push(seen.body.toString());
      }
    }
    for (const headers of [{ 'x-api-key': KEYS.wrong }, { 'x-api-key': KEYS.virtual, authorization: `Bearer ${KEYS.wrong}` }] as Record<string, string>[]) ours.push((await ask(scene.gateway.dataUrl, { headers, body: question({ messages: [{ role: 'user', content: PROMPT }] }) })).body.toString());
    ours.push((await ask(scene.gateway.dataUrl, { headers: { 'x-api-key': KEYS.virtual }, body: `{"model":5,"x":"${PROMPT}"` })).body.toString());
    ours.push((await say(scene.gateway.dataUrl, `POST /${KEYS.virtual} HTTP/1.1\r\nHost: g\r\nx-api-key: ${KEYS.virtual}\r\n${PROMPT}\r\n\r\n`)).text);
    await eventually(() => metric(scene, 'tollgate_requests_in_flight'), (n) => n === 0);
    // What was sent upstream carries our key and never the client's.
    for (const { rawHeaders } of scene.standin.log) {
      expect(rawHeaders).toContain(PROVIDER_KEY);
      expect(rawHeaders.join('\n')).not.toContain('canary_0f1e');
    }

    const text = async (path: string): Promise<string> => (await fetch(new URL(path, scene.gateway.adminUrl))).text();
    const requests = await text('/api/requests?limit=500');
    const ids = (JSON.parse(requests) as { rows: { id: string }[] }).rows.map((row) => row.id);
    expect(ids.length).toBeGreaterThan(faults.length);
    const told = [requests, ...(await Promise.all(['/metrics', '/api/usage', '/api/export/requests.csv', '/api/export/usage.csv', '/api/policies', '/api/keys', '/api/audit', '/api/limits', '/api/budgets', '/api/status', ...ids.slice(0, 20).map((id) => `/api/requests/${id}`)].map(text)))];
    const disk = readdirSync(scene.gateway.dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    expect(disk.join('').length).toBeGreaterThan(10_000);
    const sinks = [scene.gateway.output(), ...ours, ...told, ...disk];
    for (const canary of [PROVIDER_KEY, KEYS.virtual, KEYS.wrong, PROMPT, ANSWER]) expect(sinks.findIndex((sink) => sink.includes(canary)), canary).toBe(-1);
  } finally {
    await scene.close();
  }
}, 60_000);
