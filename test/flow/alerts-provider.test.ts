// test/flow/alerts-provider.test.ts: alerts about what the provider answers: a spend limit that is reached, whichever of its ways it says so, and usage that is not told.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AlertsAnswer } from '../../server/http/admin/wire.ts';
import { apiHeaders, ask, eventually, hello, ledgerRows, nanos, SECRETS, send, settled, startScene, type Scene } from './scene.ts';

let scene: Scene;

beforeAll(async () => {
  scene = await startScene();
});

afterAll(() => scene.close());

const caps = async () => (await ask<AlertsAnswer>(scene.gateway, '/api/alerts')).firing.filter(({ rule }) => rule === 'provider_cap').map(({ scope }) => scope);

test.each([
  { name: 'the limit that its customer set, a 400', fault: 'spend-cap-400', status: 400, code: 'specified_spend_limit_reached' },
  { name: 'the limit of the tier, a 429', fault: 'spend-cap-429', status: 429, code: 'enforced_spend_limit_reached' },
])('$name fires an alert that says so', async ({ fault, status, code }) => {
  const answer = await send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.triage), 'x-standin-fault': fault }, body: hello() });
  expect(answer.status).toBe(status);
  await settled(scene.gateway);
  await eventually(`${code} fires`, async () => ((await caps()).includes(`default/${code}`) ? true : null));
});

test('a bad request of another kind fires none', async () => {
  const before = await caps();
  const answer = await send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.triage), 'x-standin-fault': 'status:400' }, body: hello() });
  expect(answer.status).toBe(400);
  await settled(scene.gateway);
  expect(await caps()).toEqual(before);
});

test('answers that do not tell what they used are estimates, counted, and fire an alert once there are more than a few', async () => {
  const firing = async () => (await ask<AlertsAnswer>(scene.gateway, '/api/alerts')).firing.filter(({ rule }) => rule === 'usage_missing');
  const answers = await Promise.all(Array.from({ length: 5 }, (_, n) => send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.triage), 'x-standin-fault': 'no-usage' }, body: hello({ stream: n % 2 === 0 }) })));
  expect(answers.map(({ status, whole }) => ({ status, whole }))).toEqual(Array(5).fill({ status: 200, whole: true }));
  await settled(scene.gateway);
  await eventually('it fires', async () => ((await firing()).length === 1 ? true : null));
  expect((await firing())[0]).toMatchObject({ scope: 'gateway', severity: 'warning', threshold: 0.01, unit: 'ratio', facts: [{ label: 'Without usage', value: '5' }, expect.anything()] });
  const rows = (await ledgerRows(scene.gateway)).filter(({ outcome }) => outcome === 'ok');
  expect(rows).toHaveLength(5);
  expect(rows.every(({ estimated, cost_usd }) => estimated && nanos(cost_usd) > 0n)).toBe(true);
  const metrics = await (await fetch(`${scene.gateway.adminUrl}/metrics`)).text();
  expect(metrics).toContain('tollgate_usage_incomplete_total{reason="usage_missing"} 5');
});
