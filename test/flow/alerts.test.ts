// test/flow/alerts.test.ts: a real gateway with budgets and channels in its config tells a real receiver, once, and shows who was told.

import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AlertsAnswer, AuditAnswer, BudgetsAnswer } from '../../server/http/admin/wire.ts';
import { startReceiver, type Receiver } from '../alert/receiver.ts';
import { tollgate } from '../cli/tollgate.ts';
import { apiHeaders, ask, eventually, hello, scrape, SECRETS, send, settled, startScene, type Scene } from './scene.ts';

const SIGNING = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
let receiver: Receiver;
let scene: Scene;

beforeAll(async () => {
  receiver = await startReceiver();
  scene = await startScene({
    // One small call passes half of it.
    budgets: [{ id: 'support-day', scope: { workspace: 'support' }, limit_usd: 0.000001, period: 'day', mode: 'soft', alert_at: ['50%', '100%'], alert_forecast: false }],
    // Whom a budget tells that names nobody: every channel.
    alerts: { private_addresses: true, group: '1s', channels: { hook: { type: 'webhook', url: receiver.url, secret: SIGNING } } },
  });
});

afterAll(async () => {
  await scene.close();
  await receiver.close();
});

const call = () => send(`${scene.gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.triage), body: hello() });

test('a budget that is spent is told to its channel, signed, once however many calls follow', async () => {
  await call();
  const [first] = await receiver.count(1);
  const body = JSON.parse(first!.body) as { id: string; type: string; data: { rule: string; severity: string; scope: string } };
  expect(body).toMatchObject({ type: 'alert.firing', data: { rule: 'budget', severity: 'critical', scope: 'support-day' } });
  expect(first!.headers['webhook-id']).toBe(body.id);
  const signed = `${body.id}.${String(first!.headers['webhook-timestamp'])}.${first!.body}`;
  expect(first!.headers['webhook-signature']).toBe(`v1,${createHmac('sha256', Buffer.from(SIGNING.slice(6), 'base64')).update(signed).digest('base64')}`);

  const seen = (await ask<AlertsAnswer>(scene.gateway, '/api/alerts')).firing.map(({ value }) => value);
  for (let i = 0; i < 3; i++) await call();
  await settled(scene.gateway);
  await eventually('the rules have looked again', async () => ((await ask<AlertsAnswer>(scene.gateway, '/api/alerts')).firing[0]!.value > seen[0]! ? true : null));
  expect(receiver.received).toHaveLength(1);
});

test('the admin API shows what fires, since when, and every try to tell it', async () => {
  const alerts = await eventually('the delivery is in the log', async () => {
    const answer = await ask<AlertsAnswer>(scene.gateway, '/api/alerts');
    return answer.deliveries.length > 0 ? answer : null;
  });
  expect(alerts).toMatchObject({ delivering: true, firing: [{ rule: 'budget', scope: 'support-day', state: 'firing', tier: 2, unit: 'usd' }], deliveries: [{ channel: 'hook', attempt: 1, result: 'delivered', status: 200, detail: 'ok' }] });
  expect(JSON.stringify(alerts)).not.toContain(SIGNING);
  const { rows } = await ask<BudgetsAnswer>(scene.gateway, '/api/budgets');
  expect(rows[0]!.alerts.map(({ at, state, since }) => ({ at, state, known: since !== null }))).toEqual([{ at: 0.5, state: 'firing', known: true }, { at: 1, state: 'firing', known: true }]);
  const samples = await scrape(scene.gateway);
  const value = (name: string, labels: Record<string, string>) => samples.find((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v))?.text;
  expect(value('tollgate_alerts_active', { rule: 'budget', severity: 'critical' })).toBe('1');
  expect(value('tollgate_alert_deliveries_total', { channel: 'hook', result: 'delivered' })).toBe('1');
  expect(value('tollgate_alert_deliveries_total', { channel: 'hook', result: 'dead' })).toBe('0');
});

test('the command line tests a channel, shows what it would send, and replays', async () => {
  const before = receiver.received.length;
  const sent = await tollgate(['alerts', 'test', '--channel', 'hook', '--severity', 'critical', '--url', scene.gateway.adminUrl]);
  expect(sent).toMatchObject({ code: 0 });
  expect(JSON.parse(receiver.received[before]!.body)).toMatchObject({ type: 'alert.test', data: { severity: 'critical' } });
  const printed = await tollgate(['alerts', 'test', '--channel', 'hook', '--print', '--resolve', '--url', scene.gateway.adminUrl]);
  expect(JSON.parse(printed.out)).toMatchObject({ type: 'alert.test', data: { resolved: true } });
  expect(receiver.received).toHaveLength(before + 1);
  expect(await tollgate(['alerts', 'test', '--channel', 'nobody', '--url', scene.gateway.adminUrl])).toMatchObject({ code: 1 });

  const replayed = await tollgate(['alerts', 'replay', '--since', '1h', '--rule', 'budget', '--url', scene.gateway.adminUrl]);
  expect(replayed).toMatchObject({ code: 0 });
  expect(replayed.out.match(/fired/g) ?? []).toHaveLength(1);
});

test('an alert can be acknowledged, and says so', async () => {
  const { firing } = await ask<AlertsAnswer>(scene.gateway, '/api/alerts');
  const answer = await fetch(`${scene.gateway.adminUrl}/api/alerts/acknowledge`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ fingerprint: firing[0]!.fingerprint }) });
  expect(await answer.json()).toMatchObject({ alert: { state: 'acked' } });
  expect((await ask<AlertsAnswer>(scene.gateway, '/api/alerts')).firing[0]).toMatchObject({ state: 'acked', incident: firing[0]!.incident });
  const again = await tollgate(['alerts', 'ack', firing[0]!.fingerprint, '--url', scene.gateway.adminUrl]);
  expect(again).toMatchObject({ code: 0 });
  expect(await tollgate(['alerts', 'ack', 'budget:nobody', '--url', scene.gateway.adminUrl])).toMatchObject({ code: 1 });
  const listed = await tollgate(['alerts', 'list', '--url', scene.gateway.adminUrl]);
  expect(listed.out).toMatch(new RegExp(`acked .*${firing[0]!.fingerprint.replaceAll('.', '\\.')}`));
});

test('an alert can be silenced and is heard again, with an entry in the audit log for each', async () => {
  const { firing } = await ask<AlertsAnswer>(scene.gateway, '/api/alerts');
  const { scope } = firing[0]!;
  const silenced = await tollgate(['alerts', 'silence', '--scope', scope, '--until', '4h', '--reason', 'load test', '--url', scene.gateway.adminUrl]);
  expect(silenced).toMatchObject({ code: 0, out: expect.stringMatching(/^Nobody is told of any alert about support-day until .* `npx tollgate alerts unsilence silence_[0-9a-f]{16}`/) });
  const during = await ask<AlertsAnswer>(scene.gateway, '/api/alerts');
  expect(during.silences).toMatchObject([{ rule: null, scope, reason: 'load test', lifted_at: null, in_force: true }]);
  expect(during.firing[0]!.silenced).toEqual({ id: during.silences[0]!.id, until: during.silences[0]!.until });
  const listed = await tollgate(['alerts', 'silences', '--url', scene.gateway.adminUrl]);
  expect(listed.out).toContain(during.silences[0]!.id);

  expect(await tollgate(['alerts', 'unsilence', during.silences[0]!.id, '--url', scene.gateway.adminUrl])).toMatchObject({ code: 0 });
  const after = await ask<AlertsAnswer>(scene.gateway, '/api/alerts');
  expect(after.firing[0]!.silenced).toBeNull();
  expect(after.silences).toMatchObject([{ in_force: false }]);
  expect(await tollgate(['alerts', 'unsilence', 'silence_nobody', '--url', scene.gateway.adminUrl])).toMatchObject({ code: 1 });
  const { rows } = await ask<AuditAnswer>(scene.gateway, '/api/audit');
  expect(rows.map(({ action }) => action).filter((action) => action.includes('silence')).toSorted()).toEqual(['alert.silence', 'alert.unsilence']);
});

test.each([
  { name: 'nothing to be about', body: { until: '2099-01-01T00:00:00Z', reason: 'r' } },
  { name: 'no reason', body: { scope: '*', until: new Date(Date.now() + 3_600_000).toISOString(), reason: ' ' } },
  { name: 'an end that is past', body: { scope: '*', until: '2020-01-01T00:00:00Z', reason: 'r' } },
  { name: 'an end past ninety days', body: { scope: '*', until: '2099-01-01T00:00:00Z', reason: 'r' } },
  { name: 'a rule that is none', body: { rule: 'weather', until: new Date(Date.now() + 3_600_000).toISOString(), reason: 'r' } },
])('a silence with $name is refused', async ({ body }) => {
  const answer = await fetch(`${scene.gateway.adminUrl}/api/alerts/silences`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  expect(answer.status).toBe(400);
});
