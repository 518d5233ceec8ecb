// test/admin/live.test.ts: the event stream: what a page hears, misses and gets back, over a real listener.

import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { AlertState } from '../../server/domain/alert.ts';
import { nanodollars } from '../../server/domain/money.ts';
import type { WorkspaceId } from '../../server/domain/ids.ts';
import { createLive, MOST_UNREAD_BYTES, type Listener } from '../../server/http/admin/live.ts';
import type { LiveConfig, LiveTick } from '../../server/http/admin/wire.ts';
import { handClock } from '../observe/gateway.ts';
import { caller, cost, NOON, openEntry, refusedEntry, settlement, tokens } from '../store/samples.ts';
import { adminGateway, TOKEN, type AdminGateway } from './gateway.ts';

let gateway: AdminGateway;
let url: string;
beforeAll(async () => {
  gateway = await adminGateway({ admin: { listen: { host: '127.0.0.1', port: 4101 }, token: TOKEN, hosts: [] } });
  url = await gateway.listen();
});
afterAll(() => gateway.close());
afterEach(() => void vi.useRealTimers());

/** Reads events as a browser does; `next` waits for one more. */
async function listen(headers: Record<string, string> = {}): Promise<{ next: () => Promise<EventSourceMessage>; ended: Promise<void>; leave: () => void; type: string | null }> {
  const leaving = new AbortController();
  const answer = await fetch(`${url}/api/live`, { headers: { authorization: `Bearer ${TOKEN}`, ...headers }, signal: leaving.signal });
  expect(answer.status).toBe(200);
  const heard: EventSourceMessage[] = [];
  let wake = (): void => {};
  const parser = createParser({ onEvent: (event) => { heard.push(event); wake(); } });
  const ended = (async () => {
    for await (const chunk of answer.body ?? []) parser.feed(Buffer.from(chunk).toString());
  })().catch(() => {});
  return {
    type: answer.headers.get('content-type'),
    ended,
    leave: () => leaving.abort(),
    async next() {
      while (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return heard.shift() as EventSourceMessage;
    },
  };
}

const settle = (workspace: string, usd: bigint): void =>
  gateway.port.live.observer.settled({ opened: openEntry('1', { caller: caller({ workspace }) }), settlement: settlement('1', { cost: cost({ total: nanodollars(usd), tokens: tokens(10, 5) }) }) });

test('a second of calls is one tick, with what was added since the tick before', async () => {
  const page = await listen();
  expect(page.type).toBe('text/event-stream; charset=utf-8');
  gateway.port.live.observer.started('support' as WorkspaceId, 'messages');
  settle('support', 1_000_000n);
  settle('shop', 2n);
  gateway.port.live.observer.refused(refusedEntry('3'));
  const first = await page.next();
  expect(first.event).toBe('tick');
  expect(JSON.parse(first.data)).toMatchObject({
    requests: 3, refused: 1, errors: 0, cost_usd: '0.001000002', tokens: { input: 20, output: 10 },
    workspaces: [{ workspace: 'support', requests: 2, refused: 1, cost_usd: '0.001000000' }, { workspace: 'shop', requests: 1, cost_usd: '0.000000002' }],
  });
  settle('support', 5n);
  expect((JSON.parse((await page.next()).data) as LiveTick)).toMatchObject({ requests: 1, cost_usd: '0.000000005' });
  page.leave();
});

test('a reload is told at once, one that failed with its error', async () => {
  const page = await listen();
  gateway.state.settings = { ...gateway.state.settings, digest: 'd2' };
  gateway.port.configChanged();
  gateway.state.gateway = { lastReload: { at: gateway.clock.now(), error: 'tollgate.yaml:3:5: unknown key' } };
  gateway.port.configChanged();
  const told = [await page.next(), await page.next()].map((event) => JSON.parse(event.data) as LiveConfig);
  expect(told).toMatchObject([{ ok: true, digest: 'd2', error: null }, { ok: false, digest: 'd2', error: 'tollgate.yaml:3:5: unknown key' }]);
  page.leave();
});

test('an alert, a silence and other prices are told at once', async () => {
  const page = await listen();
  const text = { severity: 'critical' as const, title: 'Budget month is spent', text: 't', facts: [], value: 1, threshold: 1, unit: 'usd' as const, notify: null };
  const state: AlertState = {
    fingerprint: 'budget:month', rule: 'budget', scope: 'month', period: null, state: 'firing', tier: 1, notified: 1, announced: true, basis: '', pendingSince: null, sightings: 0, since: NOON, clearSince: null, resolvedAt: null,
    reachedAt: [NOON], peak: 1, incident: 'i1', ackedBy: null, lastSentAt: NOON, updatedAt: NOON, text,
  };
  gateway.port.live.alerted({ at: NOON, event: 'fired', state, open: 1 });
  gateway.port.live.alerted({ at: NOON, event: 'silenced', state: null, open: 0 });
  gateway.port.live.priced({ digest: 'p2', rows: 7 });
  const heard = [await page.next(), await page.next(), await page.next()].map(({ event, data }) => [event, JSON.parse(data) as unknown]);
  expect(heard).toMatchObject([
    ['alert', { event: 'fired', open: 1, alert: { fingerprint: 'budget:month', incident: 'i1', rule: 'budget', scope: 'month', severity: 'critical', title: 'Budget month is spent', silenced: false } }],
    ['alert', { event: 'silenced', open: 0, alert: null }],
    ['price', { digest: 'p2', rows: 7 }],
  ]);
  page.leave();
});

test('a page that comes back gets what it missed, once and in order', async () => {
  const page = await listen();
  gateway.port.configChanged();
  const { id } = await page.next();
  page.leave();
  await page.ended;
  gateway.port.live.reloaded({ digest: 'missed-1', error: null });
  gateway.port.live.reloaded({ digest: 'missed-2', error: null });
  const back = await listen({ 'last-event-id': String(id) });
  gateway.port.live.reloaded({ digest: 'new', error: null });
  const digests = [await back.next(), await back.next(), await back.next()].map((event) => (JSON.parse(event.data) as LiveConfig).digest);
  expect(digests).toEqual(['missed-1', 'missed-2', 'new']);
  back.leave();
});

test.each(['feedbeef-3', 'nonsense', '-', '99999999999999999999'])('a page that comes back with %s is told that it missed something for good', async (id) => {
  const page = await listen({ 'last-event-id': id });
  expect((await page.next()).event).toBe('gap');
  page.leave();
});

test('a stream ends when the token that opened it is not the token any more', async () => {
  const page = await listen();
  gateway.state.settings = { ...gateway.state.settings, admin: { listen: { host: '127.0.0.1', port: 4101 }, token: 'another', hosts: [] } };
  gateway.port.configChanged();
  await page.ended;
  gateway.state.settings = { ...gateway.state.settings, admin: { listen: { host: '127.0.0.1', port: 4101 }, token: TOKEN, hosts: [] } };
});

/** A listener in the hand of the test. */
const listener = (more: Partial<Listener> = {}): Listener & { heard: string[]; ended: number } => {
  const made = { heard: [] as string[], ended: 0, write: (text: string) => void made.heard.push(text), unreadBytes: () => 0, allowed: () => true, end: () => void made.ended++, ...more };
  return made;
};
const alone = () => createLive({ clock: handClock(), inFlight: () => 0 });

test('a page that does not read is let go, and others hear on', () => {
  const live = alone();
  const [slow, quick] = [listener({ unreadBytes: () => MOST_UNREAD_BYTES + 1 }), listener()];
  for (const page of [slow, quick]) live.listen(page, null, () => {});
  live.reloaded({ digest: 'd', error: null });
  expect([slow.ended, slow.heard.length, quick.ended, quick.heard.length]).toEqual([1, 1, 0, 2]);
  live.close();
  expect(quick.ended).toBe(1);
});

test('a silent stream is kept alive every fifteen seconds, and a silent gateway ticks nobody', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
  const live = alone();
  const page = listener();
  live.listen(page, null, () => {});
  vi.advanceTimersByTime(30_000);
  expect(page.heard).toEqual(['retry: 3000\n\n', ': still here\n\n', ': still here\n\n']);
  live.close();
});

test('ticks come no faster than one a second, whatever the traffic', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
  const live = alone();
  const page = listener();
  live.listen(page, null, () => {});
  for (let ms = 0; ms < 5_000; ms += 10) {
    live.observer.settled({ opened: openEntry('1'), settlement: settlement('1') });
    vi.advanceTimersByTime(10);
  }
  const ticks = page.heard.filter((text) => text.includes('event: tick'));
  expect(ticks.length).toBeLessThanOrEqual(5);
  vi.advanceTimersByTime(1_000);
  const counted = page.heard.flatMap((text) => /data: (.*)/.exec(text)?.[1] ?? []).map((data) => (JSON.parse(data) as LiveTick).requests);
  expect(counted.reduce((sum, n) => sum + n, 0)).toBe(500);
  live.close();
});

test('the ring keeps a bounded number of events, and a hundred pages are enough', () => {
  const live = alone();
  const first = listener();
  live.listen(first, null, () => {});
  for (let n = 0; n < 1_000; n++) live.reloaded({ digest: `d${n}`, error: null });
  const ids = first.heard.flatMap((text) => /id: (\S+)/.exec(text)?.[1] ?? []);
  const [recent, old] = [listener(), listener()];
  live.listen(recent, ids[990] ?? '', () => {});
  live.listen(old, ids[10] ?? '', () => {});
  expect(recent.heard.length).toBe(1 + 9);
  expect(old.heard[1]).toContain('event: gap');
  for (let n = 0; n < 97; n++) expect(live.listen(listener(), null, () => {})).not.toBeNull();
  let begun = false;
  expect(live.listen(listener(), null, () => (begun = true))).toBeNull();
  expect(begun).toBe(false);
  live.close();
});

test('workspaces past the fiftieth are one', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
  const live = alone();
  const page = listener();
  live.listen(page, null, () => {});
  for (let n = 0; n < 80; n++) live.observer.refused(refusedEntry('1', { caller: caller({ workspace: `w${n}` }) }));
  vi.advanceTimersByTime(1_000);
  const tick = JSON.parse(/data: (.*)/.exec(page.heard[1] ?? '')?.[1] ?? '{}') as LiveTick;
  expect([tick.workspaces.length, tick.workspaces.at(-1)]).toEqual([51, expect.objectContaining({ workspace: 'other', requests: 30, refused: 30 })]);
  live.close();
});
