// test/flow/alerts-provider-cap.test.ts: a provider that refuses calls because a spend limit is reached fires an alert, whichever of its ways it says so.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AlertsAnswer } from '../../server/http/admin/wire.ts';
import { apiHeaders, ask, eventually, hello, SECRETS, send, settled, startScene, type Scene } from './scene.ts';

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
