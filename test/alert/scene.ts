// test/alert/scene.ts: the alert engine as the gateway runs it, over a real database, a real receiver and a time that the test moves.

import { createAlerts, type Alerts } from '../../server/alert/alerts.ts';
import type { Timers } from '../../server/alert/timers.ts';
import type { Standing } from '../../server/domain/budget.ts';
import { periodAt } from '../../server/domain/calendar.ts';
import { epochMs, type Clock, type EpochMs } from '../../server/domain/ids.ts';
import { nanoFromUsd, nanodollars, type Nanodollars } from '../../server/domain/money.ts';
import type { AlertHappening } from '../../server/domain/alert.ts';
import type { Channel, Settings } from '../../server/domain/settings.ts';
import { openReports } from '../../server/store/sqlite/reader-client.ts';
import { budget } from '../admin/gateway.ts';
import { settings as baseSettings } from '../observe/gateway.ts';
import { logbook } from '../store/samples.ts';
import { scratch } from '../store/scratch.ts';
import { startReceiver, type Receiver } from './receiver.ts';

export const readerEntry = new URL('../../dist/server/store/sqlite/reader.js', import.meta.url);

/** A wall clock and the timers that go by it: time passes only when the test says so, and what is due runs in its order. */
export interface VirtualTime extends Timers {
  readonly clock: Clock & { at: EpochMs };
  /** Lets time pass; after everything that was due, waits until `settled` says that its work is done. */
  pass(ms: number, settled: () => Promise<void>): Promise<void>;
}

export function virtualTime(start: EpochMs): VirtualTime {
  const due = new Map<number, { at: number; readonly every: number | null; readonly run: () => void }>();
  let last = 0;
  const clock = { at: start, now() { return this.at; }, monotonic() { return this.at as number; } };
  const add = (ms: number, every: number | null, run: () => void): (() => void) => {
    const id = ++last;
    due.set(id, { at: clock.at + ms, every, run });
    return () => void due.delete(id);
  };
  return {
    clock,
    after: (ms, run) => add(ms, null, run),
    every: (ms, run) => add(ms, ms, run),
    async pass(ms, settled) {
      const end = clock.at + ms;
      for (;;) {
        const [next] = [...due].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b);
        if (next === undefined) break;
        const [id, timer] = next;
        clock.at = epochMs(Math.max(clock.at, timer.at));
        if (timer.every === null) due.delete(id);
        // A clock that has jumped ahead is not caught up with: timers count what passes, not what a clock says.
        else timer.at = Math.max(timer.at + timer.every, clock.at);
        timer.run();
        await settled();
      }
      clock.at = epochMs(end);
    },
  };
}

export const usd = (amount: number): Nanodollars => nanodollars(nanoFromUsd(amount.toFixed(9)));

export const hookTo = (receiver: Receiver, more: Partial<Channel> = {}): Channel => ({ id: 'hook', type: 'webhook', minSeverity: 'info', quiet: null, repeatMs: null, fallback: null, fields: new Map<string, unknown>([['url', receiver.url]]), ...more });

export interface Said {
  readonly type: string;
  readonly data: { readonly rule: string; readonly scope: string; readonly severity: string; readonly incident: string; readonly resolved: boolean; readonly repeated: boolean; readonly at: string; readonly title: string };
}

/** What a webhook heard, digests taken apart, in order. */
export const saidTo = (receiver: Receiver): Said['data'][] =>
  receiver.received.flatMap(({ body }) => {
    const { data } = JSON.parse(body) as { data: Said['data'] & { alerts?: Said['data'][] } };
    return data.alerts ?? [data];
  });

/** One budget of $400 a month, whose spend the test sets; one webhook. */
export async function budgetScene(more: Partial<Settings['alerts']> = {}, hook: Partial<Channel> = {}): Promise<{
  readonly time: VirtualTime;
  readonly receiver: Receiver;
  readonly happened: AlertHappening[];
  readonly file: string;
  alerts(): Alerts;
  spend(dollars: number): void;
  limit(dollars: number): void;
  /** Lets time pass for the engine. */
  pass(ms: number): Promise<void>;
  /** The engine ends as at SIGTERM, or as at kill -9, and a new one takes its place. */
  restart(how: 'closed' | 'killed'): Promise<void>;
  close(): Promise<void>;
}> {
  const time = virtualTime(epochMs(Date.UTC(2026, 10, 10, 12)));
  const disk = scratch();
  const receiver = await startReceiver();
  const happened: AlertHappening[] = [];
  const base = baseSettings();
  const settings: Settings = { ...base, alerts: { ...base.alerts, privateAddresses: true, gatherMs: 1_000, channels: [hookTo(receiver, hook)], rules: { ...base.alerts.rules, pace: { ...base.alerts.rules.pace, enabled: false } }, ...more } };
  const ledger = await disk.open({ clock: time.clock, timezone: base.timezone });
  const reports = openReports({ file: disk.file, workerEntry: readerEntry, timezone: base.timezone });
  let spent = usd(0);
  let limit = usd(400);
  const standings = (at: EpochMs): Standing[] => [{ budget: budget('support-month', limit, { mode: 'soft', alertForecast: false, notify: null }), period: periodAt('month', at, base.timezone), spent, held: usd(0) }];
  let alive = { is: true };
  const begin = async (): Promise<Alerts> => {
    const self = { is: true };
    alive = self;
    // What was killed does nothing more, whatever its timers say.
    const timers: Timers = { after: (ms, run) => time.after(ms, () => self.is && run()), every: (ms, run) => time.every(ms, () => self.is && run()) };
    const alerts = createAlerts({
      settings: () => settings, store: ledger.alerts, clock: time.clock, timers, log: logbook(), keySecret: 'secret', reports, standings, grants: () => [], reconciled: () => [], headroom: () => [], ledgerHealth: () => ledger.ledger.health(), keys: () => Promise.resolve([]), priceRows: () => [],
      happened: (one) => happened.push(one), random: () => 0.5,
    });
    await alerts.start();
    await alerts.idle();
    return alerts;
  };
  let alerts = await begin();
  return {
    time, receiver, happened, file: disk.file,
    alerts: () => alerts,
    spend: (dollars) => void (spent = usd(dollars)),
    limit: (dollars) => void (limit = usd(dollars)),
    async pass(ms) {
      await alerts.idle();
      await time.pass(ms, () => alerts.idle());
    },
    async restart(how) {
      if (how === 'closed') await alerts.close();
      else alive.is = false;
      alerts = await begin();
    },
    async close() {
      await alerts.close();
      await reports.close();
      await ledger.ledger.close();
      await receiver.close();
      disk.remove();
    },
  };
}
