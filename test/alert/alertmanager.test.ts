// test/alert/alertmanager.test.ts: a real Alertmanager takes what is pushed to it, fires it, ends it, and passes it on as its own route says.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemResolver } from '../../server/alert/address.ts';
import { senderOf } from '../../server/alert/channels/senders.ts';
import { Outbox } from '../../server/alert/outbox.ts';
import type { Notice } from '../../server/domain/alert.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Channel } from '../../server/domain/settings.ts';
import { eventually } from '../flow/scene.ts';
import { startReceiver, type Receiver } from './receiver.ts';

const installed = spawnSync('prometheus-alertmanager', ['--version']).status === 0;

test('Alertmanager is installed where everything must be tested', () => {
  if (!installed) process.stderr.write('prometheus-alertmanager is not installed: alerts are not pushed to one here\n');
  if (process.env['CI'] === 'true') expect(installed).toBe(true);
});

let numbers = 0;
const notice = (more: Partial<Notice>): Notice => ({
  id: `n${++numbers}`, type: 'alert.firing', fingerprint: 'budget:support-month', incident: 'incident-1', rule: 'budget', scope: 'support-month', at: epochMs(Date.now()), since: epochMs(Date.now() - 60_000), peak: 330, ackedBy: null,
  repeated: false, resolved: false, severity: 'warning', title: '80 % of support-month is spent', text: 'Spent $330 of $400.', facts: [{ label: 'Spent', value: '$330.00' }], value: 330, threshold: 320, unit: 'usd', notify: null, ...more,
});

const channelAt = (url: string): Channel => ({ id: 'cluster', type: 'alertmanager', minSeverity: 'info', quiet: null, repeatMs: 3_600_000, fallback: null, fields: new Map([['url', url]]) });

describe.skipIf(!installed)('with Alertmanager', () => {
  interface Known {
    readonly labels: Record<string, string>;
    readonly annotations: Record<string, string>;
    readonly generatorURL: string;
    readonly endsAt: string;
  }
  let folder: string;
  let hook: Receiver;
  let child: ChildProcess;
  let url: string;
  let box: Outbox;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tollgate-alertmanager-'));
    hook = await startReceiver();
    const config = { route: { receiver: 'hook', group_by: ['scope'], group_wait: '10ms', group_interval: '100ms', repeat_interval: '1h' }, receivers: [{ name: 'hook', webhook_configs: [{ url: hook.url, send_resolved: true }] }] };
    writeFileSync(join(folder, 'alertmanager.yaml'), JSON.stringify(config));
    child = spawn('prometheus-alertmanager', [`--config.file=${join(folder, 'alertmanager.yaml')}`, `--storage.path=${join(folder, 'data')}`, '--web.listen-address=127.0.0.1:0', '--web.route-prefix=/alerts', '--web.external-url=http://127.0.0.1/alerts', '--cluster.listen-address='], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
    url = await eventually('Alertmanager listens', async () => {
      if (child.exitCode !== null) throw new Error(`Alertmanager ended:\n${said}`);
      const address = /msg="Listening on" address=(\S+)/.exec(said)?.[1];
      return address === undefined ? null : `http://${address}/alerts/`;
    });
    let sent = 0;
    // Each pump is a minute later for the outbox, which sends one message a minute; Alertmanager goes by the clock on the wall.
    box = new Outbox({ gatherMs: () => 0, now: () => epochMs(Date.now() + ++sent * 60_000), reach: () => ({ privateAddresses: true, resolve: systemResolver }), dashboardUrl: () => 'https://tollgate.example', random: () => 0.5 });
    box.configure([channelAt(url)]);
  });
  afterAll(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    await hook.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const push = async (...notices: Notice[]): Promise<void> => {
    for (const one of notices) box.add(one);
    await box.pump();
    expect(box.log()[0]).toMatchObject({ result: 'delivered', status: 200 });
  };
  const known = async (): Promise<Known[]> => (await (await fetch(`${url}api/v2/alerts`)).json()) as Known[];
  const firing = async (): Promise<string[]> => (await known()).map(({ labels }) => `${labels['alertname']} ${labels['scope']} ${labels['severity']}`).sort();
  const passedOn = (): string[] => hook.received.flatMap(({ body }) => (JSON.parse(body) as { alerts: { status: string; labels: Record<string, string> }[] }).alerts.map(({ status, labels }) => `${status} ${labels['scope']} ${labels['severity']}`));

  test('an alert fires there, once however often it is pushed, and leads back to the dashboard', async () => {
    await push(notice({}));
    await push(notice({ repeated: true }));
    expect(await firing()).toEqual(['TollgateBudget support-month warning']);
    const [one] = await known();
    expect(one).toMatchObject({ labels: { service: 'tollgate', rule: 'budget' }, annotations: { summary: '80 % of support-month is spent', description: expect.stringContaining('Spent: $330.00') }, generatorURL: 'https://tollgate.example/budgets' });
    expect(Date.parse(one!.endsAt) - Date.now()).toBeGreaterThan(86_400_000);
    await hook.count(1);
    expect(passedOn()).toEqual(['firing support-month warning']);
  });

  test('one that becomes more urgent takes the place of what it was, and its end leaves nothing', async () => {
    await push(notice({ severity: 'critical', raisedFrom: 'warning' }));
    expect(await firing()).toEqual(['TollgateBudget support-month critical']);
    await push(notice({ type: 'alert.acknowledged', severity: 'critical', ackedBy: 'jane' }));
    expect((await known())[0]!.annotations['description']).toContain('Acknowledged by jane');
    await push(notice({ type: 'alert.resolved', resolved: true, severity: 'critical' }));
    expect(await firing()).toEqual([]);
    await eventually('the end is passed on', async () => (passedOn().includes('resolved support-month critical') ? true : null));
  });

  test('several go as one push, and a test as an alert that no route is for, which ends by itself', async () => {
    await push(notice({ scope: 'a', incident: '2' }), notice({ rule: 'key_leak', scope: 'b', incident: '3', severity: 'critical' }));
    expect(await firing()).toEqual(['TollgateBudget a warning', 'TollgateKeyLeak b critical']);
    const tested = await box.test('cluster', notice({ type: 'alert.test', scope: 'test' }), false);
    expect(tested!.delivery).toMatchObject({ result: 'delivered', status: 200 });
    const [shown] = JSON.parse(tested!.payload) as [{ labels: { alertname: string }; endsAt: string }];
    expect(shown.labels.alertname).toBe('TollgateTest');
  });
});

test('the password of its address is in no log', () => {
  expect(senderOf(channelAt('http://ops:s3cret-word@alertmanager:9093')).secrets).toContain('s3cret-word');
});
