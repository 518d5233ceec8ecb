// test/alert/channels.test.ts: every kind of channel against a real receiver; payloads within the limits that providers document.

import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Delivery, Notice } from '../../server/domain/alert.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Channel } from '../../server/domain/settings.ts';
import { Outbox, quietUntil, redacted, RETRY_DELAYS_MS } from '../../server/alert/outbox.ts';
import { systemResolver } from '../../server/alert/address.ts';
import { senderOf } from '../../server/alert/channels/senders.ts';
import { startReceiver, type Receiver } from './receiver.ts';

const NOW = Date.UTC(2026, 10, 21, 12);
let at = NOW;
let hook: Receiver;
let mails: { text: string; from: string; to: string[] }[] = [];
const smtp = new SMTPServer({
  disabledCommands: ['STARTTLS', 'AUTH'],
  onData(stream, session, done) {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      mails.push({ text: Buffer.concat(chunks).toString('utf8'), from: session.envelope.mailFrom === false ? '' : session.envelope.mailFrom.address, to: session.envelope.rcptTo.map(({ address }) => address) });
      done();
    });
  },
});

beforeAll(async () => {
  hook = await startReceiver();
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', () => resolve()));
});
beforeEach(() => {
  at = NOW;
  hook.received.length = 0;
  hook.answers.length = 0;
  mails = [];
});
afterAll(async () => {
  await hook.close();
  await new Promise<void>((resolve) => smtp.close(() => resolve()));
});

const channel = (type: Channel['type'], more: Partial<Channel> = {}, fields: Record<string, unknown> = {}): Channel => ({
  id: 'ops', type, minSeverity: 'info', quiet: null, repeatMs: null, fallback: null,
  fields: new Map<string, unknown>(Object.entries({
    url: hook.url, routing_key: 'R0123456789ABCDEF0123456789ABCDE', smtp: `smtp://127.0.0.1:${(smtp.server.address() as AddressInfo).port}`, from: 'tollgate@example.com', to: ['ops@example.com'], ...fields,
  })),
  ...more,
});

let numbers = 0;
const notice = (more: Partial<Notice> = {}): Notice => ({
  id: `n${++numbers}`, type: 'alert.firing', fingerprint: 'budget:support-month@2026-11-01T00:00Z', incident: 'incident-1', rule: 'budget', scope: 'support-month', at: epochMs(at), since: epochMs(at), peak: 330, ackedBy: null,
  repeated: false, resolved: false, severity: 'warning', title: 'Budget <!channel> & co', text: 'Spent <https://evil.example|a lot> & more.', facts: [{ label: 'Spent', value: '$330.00' }, { label: 'Limit', value: '$400.00' }],
  value: 330, threshold: 320, unit: 'usd', notify: null, ...more,
});
const resolvedNotice = (more: Partial<Notice> = {}): Notice => notice({ type: 'alert.resolved', resolved: true, since: epochMs(at - 3_600_000), ...more });

function outbox(...channels: Channel[]): Outbox {
  const box = new Outbox({ gatherMs: () => 30_000, now: () => epochMs(at), reach: () => ({ privateAddresses: true, resolve: systemResolver }), dashboardUrl: () => 'https://tollgate.example', random: () => 0.5 });
  box.configure(channels);
  return box;
}

async function after(box: Outbox, ms: number): Promise<void> {
  at += ms;
  await box.pump();
}

const bodies = () => hook.received.map(({ body }) => JSON.parse(body) as Record<string, any>);

test('Slack gets blocks within its limits, and what names hold stays text', async () => {
  const box = outbox(channel('slack'));
  box.add(notice({ title: `A <!channel> ${'x'.repeat(400)}`, text: 'y'.repeat(5_000), facts: Array.from({ length: 15 }, (_, i) => ({ label: `<@U${i}>`, value: 'z'.repeat(3_000) })) }));
  await after(box, 30_000);
  const [body] = bodies();
  expect(hook.received[0]!.body).not.toMatch(/[<>]/);
  const blocks = body!.blocks as { type: string; text?: { text: string }; fields?: { text: string }[] }[];
  expect(blocks.length).toBeLessThanOrEqual(50);
  expect(blocks.find(({ type }) => type === 'header')!.text!.text.length).toBeLessThanOrEqual(150);
  for (const { text, fields = [] } of blocks.filter(({ type }) => type === 'section')) {
    expect(text?.text.length ?? 0).toBeLessThanOrEqual(3_000);
    expect(fields.length).toBeLessThanOrEqual(10);
    for (const field of fields) expect(field.text.length).toBeLessThanOrEqual(2_000);
  }
});

test('Teams gets one Adaptive Card 1.4 of less than 25 KB, however much there is to say', async () => {
  const box = outbox(channel('teams'));
  for (let i = 0; i < 60; i++) box.add(notice({ incident: `i${i}`, text: 'é'.repeat(2_000) }));
  await after(box, 30_000);
  expect(hook.received).toHaveLength(1);
  expect(Buffer.byteLength(hook.received[0]!.body)).toBeLessThanOrEqual(25 * 1024);
  expect(bodies()[0]).toMatchObject({ type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content: { type: 'AdaptiveCard', version: '1.4' } }] });
});

test('PagerDuty gets one event per alert, and the end by the same key', async () => {
  const box = outbox(channel('pagerduty'));
  hook.answers.push({ status: 202 }, { status: 202 });
  box.add(notice({ severity: 'critical', fingerprint: `budget:${'s'.repeat(400)}` }));
  await after(box, 0);
  box.add(resolvedNotice({ severity: 'critical', fingerprint: `budget:${'s'.repeat(400)}` }));
  await after(box, 0);
  const [trigger, resolve] = bodies();
  expect(trigger).toMatchObject({ event_action: 'trigger', routing_key: 'R0123456789ABCDEF0123456789ABCDE', payload: { source: 'tollgate', severity: 'critical', class: 'budget' } });
  expect(resolve).toEqual({ routing_key: 'R0123456789ABCDEF0123456789ABCDE', event_action: 'resolve', dedup_key: trigger!.dedup_key });
  expect(String(trigger!.dedup_key).length).toBeLessThanOrEqual(255);
  expect(box.log().map(({ result, status }) => [result, status])).toEqual([['delivered', 202], ['delivered', 202]]);
});

test('PagerDuty is told that somebody acknowledged, and no other channel is', async () => {
  const box = outbox(channel('pagerduty'), channel('slack', { id: 'chat' }));
  box.add(notice({ type: 'alert.acknowledged', ackedBy: 'jane' }));
  await after(box, 60_000);
  expect(bodies()).toEqual([{ routing_key: 'R0123456789ABCDEF0123456789ABCDE', event_action: 'acknowledge', dedup_key: 'tollgate:budget:support-month@2026-11-01T00:00Z' }]);
});

test('a webhook is signed by both secrets while they change, and keeps its id over retries', async () => {
  const box = outbox(channel('webhook', {}, { secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', previous_secret: 'an-old-secret-of-ours' }));
  hook.answers.push({ status: 503 });
  box.add(notice());
  await after(box, 30_000);
  await after(box, 10_000);
  const [first, second] = hook.received;
  expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
  const content = `${String(second!.headers['webhook-id'])}.${String(second!.headers['webhook-timestamp'])}.${second!.body}`;
  const sign = (key: Buffer) => `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
  expect(second!.headers['webhook-signature']).toBe(`${sign(Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64'))} ${sign(Buffer.from('an-old-secret-of-ours'))}`);
});

test('mail has a text and an HTML part, says that it is automatic, and its incident is a thread', async () => {
  const box = outbox(channel('email'));
  box.add(notice());
  await after(box, 30_000);
  box.add(resolvedNotice());
  await after(box, 60_000);
  expect(mails.map(({ from, to }) => [from, to])).toEqual([['tollgate@example.com', ['ops@example.com']], ['tollgate@example.com', ['ops@example.com']]]);
  const [first, second] = mails.map(({ text }) => text);
  expect(first).toMatch(/Auto-Submitted: auto-generated/i);
  expect(first).toContain('text/plain');
  expect(first).toContain('text/html');
  expect(first).not.toContain('<!channel>  ');
  const thread = /References: (<incident-[^>]+>)/;
  expect(thread.exec(second!)![1]).toBe(thread.exec(first!)![1]);
});

test('a receiver that fails is tried seven times, later and later, then given up', async () => {
  const box = outbox(channel('webhook'));
  hook.answers.push(...RETRY_DELAYS_MS.map(() => ({ status: 500 })));
  box.add(notice());
  await after(box, 30_000);
  for (const delay of RETRY_DELAYS_MS.slice(1)) {
    await after(box, delay - 1);
    const before = hook.received.length;
    await after(box, 1);
    expect(hook.received).toHaveLength(before + 1);
  }
  expect(box.log().map(({ result }) => result)).toEqual(['dead', 'retry', 'retry', 'retry', 'retry', 'retry', 'retry']);
  expect(box.nextAt()).toBeNull();
  expect(box.failing(epochMs(at))).toMatchObject([{ channel: 'ops', dead: 1 }]);
});

test('a test that fails is no alert that was given up; one that arrives says that the channel works again, and both are still so after a restart', async () => {
  const box = outbox(channel('webhook'));
  hook.answers.push({ status: 404 }, { status: 404 });
  expect((await box.test('ops', notice({ type: 'alert.test' }), false))?.delivery).toMatchObject({ result: 'dead', status: 404 });
  expect(box.failing(epochMs(at))).toEqual([{ channel: 'ops', dead: 0, waitingMs: 0 }]);
  box.add(notice());
  await after(box, 30_000);
  expect(box.failing(epochMs(at))).toEqual([{ channel: 'ops', dead: 1, waitingMs: 0 }]);
  at += 1_000;
  hook.answers.push({ status: 404 });
  expect((await box.test('ops', notice({ type: 'alert.test' }), false))?.delivery).toMatchObject({ result: 'dead' });
  expect(box.failing(epochMs(at))).toEqual([{ channel: 'ops', dead: 1, waitingMs: 0 }]);
  at += 1_000;
  expect((await box.test('ops', notice({ type: 'alert.test' }), false))?.delivery).toMatchObject({ result: 'delivered' });
  const again = outbox(channel('webhook'));
  again.restore(box.waiting(), box.log());
  for (const each of [box, again]) expect(each.failing(epochMs(at))).toEqual([{ channel: 'ops', dead: 0, waitingMs: 0 }]);
});

test.each([400, 401, 404, 410])('%i is not tried again', async (status) => {
  const box = outbox(channel('webhook'));
  hook.answers.push({ status });
  box.add(notice());
  await after(box, 30_000);
  expect(box.log().map((d: Delivery) => [d.result, d.status, d.nextAt])).toEqual([['dead', status, null]]);
});

test('Retry-After is waited for', async () => {
  const box = outbox(channel('slack'));
  hook.answers.push({ status: 429, headers: { 'retry-after': '120' } });
  box.add(notice());
  await after(box, 30_000);
  expect(box.nextAt()! - at).toBe(120_000);
});

test('after three failures of something critical the fallback is told, once, and has none of its own', async () => {
  const box = outbox(channel('webhook', { fallback: 'mail' }), channel('email', { id: 'mail', fallback: 'ops', minSeverity: 'critical' }));
  hook.answers.push(...RETRY_DELAYS_MS.map(() => ({ status: 500 })));
  box.add(notice({ severity: 'critical', notify: ['ops'] }));
  await after(box, 30_000);
  for (const delay of RETRY_DELAYS_MS.slice(1, 5)) await after(box, delay);
  expect(mails).toHaveLength(1);
});

test('alerts of half a minute are one message, and a channel gets one message a minute', async () => {
  const box = outbox(channel('webhook'));
  box.add(notice({ incident: 'a' }));
  await after(box, 10_000);
  box.add(notice({ incident: 'b' }));
  await after(box, 20_000);
  expect(bodies().map(({ type, data }) => [type, data.alerts?.length])).toEqual([['alert.digest', 2]]);
  box.add(notice({ incident: 'c' }));
  await after(box, 30_000);
  expect(hook.received).toHaveLength(1);
  await after(box, 30_000);
  expect(hook.received).toHaveLength(2);
});

test('quiet hours hold what is not critical until they end, and what was over by then is not told', async () => {
  const box = outbox(channel('webhook', { quiet: { timezone: 'UTC', days: ['sat'], from: 660, to: 480, bypass: 'critical' } }));
  box.add(notice({ incident: 'a' }));
  box.add(notice({ incident: 'b' }));
  box.add(notice({ incident: 'c', severity: 'critical' }));
  await after(box, 60_000);
  expect(bodies().map(({ data }) => data.incident)).toEqual(['c']);
  box.add(resolvedNotice({ incident: 'b' }));
  await after(box, 19 * 3_600_000);
  expect(hook.received).toHaveLength(1);
  await after(box, 3_600_000);
  expect(bodies().map(({ data }) => data.incident)).toEqual(['c', 'a']);
  expect(box.log().some(({ result }) => result === 'collapsed')).toBe(true);
});

test('an alert that was told, rose in quiet hours and ended in them is said to have ended, though its rise is said too late to matter', async () => {
  const box = outbox(channel('webhook', { quiet: { timezone: 'UTC', days: ['sat'], from: 730, to: 480, bypass: 'critical' } }));
  box.add(notice({ incident: 'a', severity: 'info' }));
  await after(box, 60_000);
  expect(bodies().map(({ data }) => data.incident)).toEqual(['a']);
  at += 3_600_000;
  box.add(notice({ incident: 'a', raisedFrom: 'info' }));
  box.add(notice({ incident: 'b', raisedFrom: 'info' }));
  box.add(resolvedNotice({ incident: 'a' }));
  await after(box, 24 * 3_600_000);
  const [, digest] = bodies();
  expect(digest!.data.alerts.map((one: { incident: string; resolved: boolean }) => `${one.incident} ${one.resolved}`)).toEqual(['a false', 'b false', 'a true']);
});

test('a channel that hears of an alert only since it rose is not told of what rose and ended before it was sent', async () => {
  const box = outbox(channel('webhook', { minSeverity: 'warning' }));
  box.add(notice({ incident: 'a', raisedFrom: 'info' }));
  box.add(resolvedNotice({ incident: 'a' }));
  await after(box, 60_000);
  expect(hook.received).toHaveLength(0);
  expect(box.log().map(({ result }) => result)).toEqual(['collapsed']);
});

test('quiet hours past midnight belong to the day on which they begin', () => {
  const quiet = { timezone: 'Europe/Berlin', days: ['fri'] as const, from: 1200, to: 420, bypass: 'critical' as const };
  const berlin = (text: string) => epochMs(Date.parse(`${text}+01:00`));
  expect(quietUntil(quiet, berlin('2026-11-20T19:59'))).toBeNull();
  expect(quietUntil(quiet, berlin('2026-11-20T20:00'))).toBe(berlin('2026-11-21T07:00'));
  expect(quietUntil(quiet, berlin('2026-11-21T06:59'))).toBe(berlin('2026-11-21T07:00'));
  expect(quietUntil(quiet, berlin('2026-11-21T20:00'))).toBeNull();
});

test('what is less urgent than a channel wants is not sent there', async () => {
  const box = outbox(channel('webhook', { minSeverity: 'critical' }));
  box.add(notice());
  expect(box.nextAt()).toBeNull();
});

test('a receiver that quotes the secret does not get it into the log', async () => {
  const secret = 'R0123456789ABCDEF0123456789ABCDE';
  expect(redacted(`bad key ${secret}\n${'x'.repeat(500)}`, senderOf(channel('pagerduty')).secrets)).toMatch(/^bad key \[redacted\] x{170,}$/);
});
