// test/alert/live-month.ts: lets the gateway's own gate, ledger, reports and alert engine live through the scene, by a clock and timers that the test moves, with a real receiver at the end.

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { parse } from 'yaml';
import { createGate } from '../../server/admit/gate.ts';
import { createAlerts, type Alerts } from '../../server/alert/alerts.ts';
import type { Timers } from '../../server/alert/timers.ts';
import type { Replayed } from '../../server/domain/alert.ts';
import type { VirtualKey } from '../../server/domain/directory.ts';
import { periodAt } from '../../server/domain/calendar.ts';
import type { EpochMs } from '../../server/domain/ids.ts';
import type { LedgerEntry } from '../../server/domain/ledger.ts';
import { NO_MONEY, nanodollars, usdNumber } from '../../server/domain/money.ts';
import { loadSettings } from '../../server/settings/load.ts';
import { openReports } from '../../server/store/sqlite/reader-client.ts';
import { suggestionOf } from '../../web/pages/budgets/suggest.ts';
import { shippedBook } from '../price/rows.ts';
import { logbook } from '../store/samples.ts';
import { scratch } from '../store/scratch.ts';
import { callsOf, entryOf, keyOf, slots, WORKSPACES, ZONE } from './month.ts';
import { startReceiver } from './receiver.ts';
import { readerEntry, saidTo, virtualTime, type Said } from './scene.ts';

const DAY_MS = 86_400_000;

export interface Lived {
  /** Every alert that the receiver heard of, in order, ends too. */
  readonly said: readonly Said['data'][];
  /** What each call cost, in order. */
  readonly spent: readonly { readonly at: number; readonly workspace: string; readonly dollars: number }[];
  /** Per workspace, in dollars a month. */
  readonly limits: Readonly<Record<string, number>>;
  /** What `alerts replay` says of the same time, afterwards. */
  readonly replayed: readonly Replayed[];
  readonly results: Readonly<Record<string, number>>;
  readonly looks: number;
}

export interface Life {
  /** Since when there are calls in the ledger. */
  readonly begin: EpochMs;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly troubled: boolean;
  /** When the engine is killed and another takes its place. */
  readonly killedAt: readonly EpochMs[];
}

/** As an operator would write it: everything at its default; budgets as the dashboard suggests them, a fifth above the 30 days before. */
const configOf = (limits: Lived['limits'], url: string): string => `timezone: ${ZONE}
access: open
prices: { file: ${fileURLToPath(new URL('../../config/prices.yaml', import.meta.url))} }
workspaces: [${WORKSPACES.map((id) => `{ id: ${id}, open_workflows: true }`).join(', ')}]
budgets:
${WORKSPACES.map((id) => `  - { id: ${id}-month, scope: { workspace: ${id} }, limit_usd: ${limits[id]}, period: month, mode: soft }`).join('\n')}
alerts:
  private_addresses: true
  channels: { hook: { type: webhook, url: "${url}" } }
`;

function suggestedLimit(dollars: number): number {
  const { budgets } = parse(suggestionOf([1], [{ name: 'x', dollars }])) as { budgets: { id: string; limit_usd: number }[] };
  return budgets.find(({ id }) => id === 'x-month')!.limit_usd;
}

export async function live({ begin, from, to, troubled, killedAt }: Life): Promise<Lived> {
  const disk = scratch();
  const receiver = await startReceiver();
  const time = virtualTime(begin);
  const { clock } = time;
  const store = await disk.open({ clock, timezone: ZONE });
  const reports = openReports({ file: disk.file, workerEntry: readerEntry, timezone: ZONE });
  const spent: { at: number; workspace: string; dollars: number }[] = [];
  const booked = ({ opened, settlement }: LedgerEntry): void => void spent.push({ at: settlement.endedAt, workspace: opened.caller.workspace, dollars: usdNumber(settlement.cost.total) });
  let number = 0;
  const nextId = (): string => `req_${String(++number).padStart(8, '0')}`;

  // The weeks before, written as they came.
  let written: Promise<unknown> = Promise.resolve();
  for (const slot of slots(begin, from)) {
    for (const call of callsOf(slot, troubled)) {
      const { entry } = entryOf(call, nextId());
      written = Promise.all([store.ledger.open(entry.opened), store.ledger.settle(entry.settlement)]);
      booked(entry);
      if (number % 200 === 0) await written;
    }
  }
  await written;

  const before = (workspace: string): number => spent.filter((one) => one.workspace === workspace && one.at >= from - 30 * DAY_MS).reduce((sum, { dollars }) => sum + dollars, 0);
  const limits = Object.fromEntries(WORKSPACES.map((workspace) => [workspace, suggestedLimit(before(workspace))]));
  const file = join(disk.dir, 'tollgate.yaml');
  writeFileSync(file, configOf(limits, receiver.url));
  const loaded = loadSettings({ file, env: {} });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  const { settings } = loaded;

  clock.at = from;
  const standingsAtStart = await Promise.all(settings.budgets.map(async (budget) => {
    const period = periodAt(budget.period, from, ZONE);
    return { budget, period, spent: await store.ledger.spent(budget.scope, period.from, period.to), held: NO_MONEY };
  }));
  const gate = createGate({ settings, clock, standingsAtStart });
  const keys = (): VirtualKey[] => WORKSPACES.map((workspace) => ({
    id: keyOf(workspace) as VirtualKey['id'], workspace: workspace as VirtualKey['workspace'], workflow: null, workflows: null, secretHash: 'x', origin: 'config', createdAt: begin, expiresAt: null, revokedAt: null, lastUsedAt: clock.at, hint: null,
  }));
  const prices = shippedBook().rows();
  let looks = 0;
  let alive = { is: true };
  const beginAlerts = async (): Promise<Alerts> => {
    const self = { is: true };
    alive = self;
    const timers: Timers = { after: (ms, run) => time.after(ms, () => self.is && run()), every: (ms, run) => time.every(ms, () => self.is && run()) };
    const alerts = createAlerts({
      settings: () => settings, store: store.alerts, clock, timers, log: logbook(), keySecret: 'secret', reports, grants: () => [], reconciled: () => [], headroom: () => [], ledgerHealth: () => store.ledger.health(), keys: () => Promise.resolve(keys()), priceRows: () => prices,
      standings(at) {
        looks++;
        return gate.standings(at);
      },
      random: () => 0.5,
    });
    await alerts.start();
    await alerts.idle();
    return alerts;
  };
  let alerts = await beginAlerts();
  const pass = (until: number): Promise<void> => time.pass(until - clock.at, () => alerts.idle());
  const kills = [...killedAt];
  const rows: Promise<unknown>[] = [];

  for (const slot of slots(from, to)) {
    if (kills[0] !== undefined && slot >= kills[0]) {
      kills.shift();
      await pass(slot);
      alive.is = false;
      alerts = await beginAlerts();
    }
    // On disk before the hour is over in which they came: what is read of the past is read by the hour.
    await Promise.all(rows.splice(0));
    for (const call of callsOf(slot, troubled)) {
      await pass(call.at);
      const { quote, entry } = entryOf(call, nextId());
      const verdict = await gate.admit({ caller: entry.opened.caller, endpoint: 'messages', clearance: { model: entry.opened.modelSent, decisions: [] }, quote, signal: new AbortController().signal });
      if (!verdict.ok) throw new Error(`refused: ${verdict.refusal.reason}`);
      rows.push(store.ledger.open(entry.opened), store.ledger.settle(entry.settlement));
      verdict.value.release(nanodollars(entry.settlement.cost.total), entry.settlement.cost.tokens);
      booked(entry);
      alerts.observer.settled(entry);
    }
  }
  await Promise.all(rows);
  await pass(to - 1);
  const results: Record<string, number> = {};
  for (const { result } of alerts.deliveries()) results[result] = (results[result] ?? 0) + 1;
  const { rows: replayed } = await alerts.replay({ since: from, rule: null });
  await alerts.close();
  await reports.close();
  await store.ledger.close();
  await receiver.close();
  disk.remove();
  return { said: saidTo(receiver), spent, limits, replayed, results, looks };
}
