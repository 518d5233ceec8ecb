// server/alert/watch.ts: gathers the figures of one look from what the gateway knows now and from the ledger's past.

import type { AlertRule } from '../domain/alert.ts';
import { limitOf, type Standing } from '../domain/budget.ts';
import type { VirtualKey } from '../domain/directory.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../domain/durations.ts';
import { forecast, reachesLimitAt } from '../domain/forecast.ts';
import type { Grant } from '../domain/grant.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import type { LedgerHealth } from '../domain/ledger.ts';
import type { HeadroomRow } from '../domain/observer.ts';
import type { PriceRow } from '../domain/price.ts';
import type { ReconciledDay } from '../domain/reconciliation.ts';
import type { Reports } from '../domain/reports.ts';
import type { Settings } from '../domain/settings.ts';
import type { BurnWindows, Figures, HeadroomNow, Outlook } from './figures.ts';
import { History } from './history.ts';
import { filterOf } from './key-uses.ts';
import type { KeySigns } from './key-signs.ts';
import type { Pulse, Window } from './pulse.ts';

/** A forecast moves slowly and costs milliseconds. */
const OUTLOOK_KEPT_MS = 5 * MINUTE_MS;
const HEADROOM_MINUTES = 10;
const LOST_MS = 5 * MINUTE_MS;
/** More than enough to say that it is bad. */
const MOST_LOST = 10_000;

/** What the rest of the gateway tells. */
export interface Sources {
  readonly settings: () => Settings;
  readonly reports: Pick<Reports, 'usage' | 'hourlySpend' | 'everyRequest'>;
  readonly standings: (at: EpochMs) => readonly Standing[];
  readonly grants: () => readonly Grant[];
  readonly headroom: (at: EpochMs) => readonly HeadroomRow[];
  readonly ledgerHealth: () => LedgerHealth;
  readonly keys: () => Promise<readonly VirtualKey[]>;
  readonly priceRows: () => readonly PriceRow[];
  readonly reconciled: () => readonly ReconciledDay[];
}

export interface Look {
  readonly figures: Figures;
  /** Rules whose figures could not be had. */
  readonly blind: ReadonlySet<AlertRule>;
}

const needsHistory: readonly AlertRule[] = ['anomaly', 'forecast', 'key_leak', 'no_traffic'];

export class Watch {
  private readonly sources: Sources;
  private readonly pulse: Pulse;
  private readonly signs: KeySigns;
  private history: { readonly hour: number; readonly digest: string; readonly read: History } | null = null;
  private readonly outlooks = new Map<string, { readonly at: number; readonly period: number; readonly limit: bigint; readonly outlook: Outlook | null }>();
  private readonly lows = new Map<string, { readonly row: HeadroomRow; readonly minutes: Map<number, number> }>();
  private lost = 0;
  /** When rows were given up, of late. */
  private lostAt: number[] = [];

  constructor(sources: Sources, pulse: Pulse, signs: KeySigns) {
    this.sources = sources;
    this.pulse = pulse;
    this.signs = signs;
  }

  rowLost(at: EpochMs): void {
    this.lost += 1;
    if (this.lostAt.length < MOST_LOST) this.lostAt.push(at);
  }

  /** What the last three days were like, so that a restart does not make rules blind. */
  warmUp(now: EpochMs): Promise<void> {
    return warmUp(this.pulse, this.sources.reports, now);
  }

  async look(now: EpochMs, failing: Figures['failing']): Promise<Look> {
    const settings = this.sources.settings();
    this.lostAt = this.lostAt.filter((at) => Math.abs(now - at) < LOST_MS);
    const standings = this.sources.standings(now);
    const history = await this.historyAt(now, settings);
    const outlooks = history === null ? new Map<never, never>() : await this.outlooksOf(standings, history, now);
    const blind = new Set<AlertRule>(history === null ? needsHistory : []);
    const pricesVerifiedAt = this.sources.priceRows().map(({ verifiedOn }) => Date.parse(verifiedOn)).filter((at) => !Number.isNaN(at));
    const figures: Figures = {
      now,
      zone: settings.timezone,
      rules: { ...settings.alerts.rules, anomaly: settings.alerts.anomaly },
      notify: settings.alerts.notify,
      standings,
      outlooks,
      spend: history === null ? [] : spendNow(this.pulse, history, now),
      traffic: trafficNow(this.pulse, history, now),
      ...serviceNow(this.pulse, now),
      headroom: this.headroomNow(now, settings),
      caps: this.pulse.caps(now, HOUR_MS),
      keys: await this.sources.keys(),
      keyActivity: this.pulse.keyActivity(now, HOUR_MS),
      keyHabits: history?.habits ?? null,
      keyNews: this.signs.newsAt(now),
      unpriced: this.pulse.unpriced(now, DAY_MS),
      reconciled: this.sources.reconciled(),
      ledger: { ...this.sources.ledgerHealth(), lost: this.lost, lostLately: this.lostAt.length },
      pricesVerifiedAt: pricesVerifiedAt.length === 0 ? null : epochMs(Math.max(...pricesVerifiedAt)),
      failing,
    };
    return { figures, blind };
  }

  /** Read anew when an hour is over or the config changed; null while it cannot be read. */
  private async historyAt(now: EpochMs, { digest, budgets, timezone, alerts }: Settings): Promise<History | null> {
    const hour = Math.floor(now / HOUR_MS);
    if (this.history?.hour === hour && this.history.digest === digest) return this.history.read;
    try {
      const before = this.history?.digest === digest ? this.history.read : null;
      const read = await History.read({ reports: this.sources.reports, budgets, zone: timezone, weeks: alerts.anomaly.weeks, keys: alerts.rules.keyLeak.enabled }, now, now, before);
      this.history = { hour, digest, read };
      return read;
    } catch {
      // The reading side is busy or down, which it reports itself; an hour-old past is better than none.
      return this.history?.digest === digest ? this.history.read : null;
    }
  }

  private async outlooksOf(standings: readonly Standing[], history: History, now: EpochMs): Promise<Figures['outlooks']> {
    const outlooks = new Map<Standing['budget']['id'], Outlook | null>();
    for (const standing of standings) {
      const { budget, period } = standing;
      if (!budget.alertForecast) continue;
      const known = this.outlooks.get(budget.id);
      const fresh = known !== undefined && known.period === period.from && known.limit === limitOf(standing) && Math.abs(now - known.at) < OUTLOOK_KEPT_MS;
      if (!fresh) {
        this.outlooks.set(budget.id, { at: now, period: period.from, limit: limitOf(standing), outlook: outlookOf(standing, history, now) });
        // Calls go first between two forecasts.
        await new Promise((resolve) => setImmediate(resolve));
      }
      outlooks.set(budget.id, this.outlooks.get(budget.id)?.outlook ?? null);
    }
    return outlooks;
  }

  private headroomNow(now: EpochMs, { alerts }: Settings): HeadroomNow[] {
    const { warnBelow, criticalBelow } = alerts.rules.headroom;
    const minute = Math.floor(now / MINUTE_MS);
    const rows = this.sources.headroom(now);
    for (const row of rows) {
      const place = `${row.credential}/${row.modelClass}/${row.dimension}`;
      const minutes = this.lows.get(place)?.minutes ?? new Map<number, number>();
      minutes.set(minute, Math.min(row.lowestRatio, minutes.get(minute) ?? 1));
      // Minutes of a clock that was set back lie ahead, and go too.
      for (const old of minutes.keys()) if (old <= minute - HEADROOM_MINUTES || old > minute) minutes.delete(old);
      this.lows.set(place, { row, minutes });
    }
    if (this.lows.size > rows.length) for (const [place, { row }] of this.lows) if (!rows.some((r) => r.credential === row.credential && r.modelClass === row.modelClass && r.dimension === row.dimension)) this.lows.delete(place);
    return [...this.lows.values()].map(({ row, minutes }) => {
      const lows = [...minutes.values()];
      return {
        credential: row.credential, modelClass: row.modelClass, dimension: row.dimension, lowest: row.lowestRatio,
        minutesBelowWarning: lows.filter((low) => low < warnBelow).length,
        minutesBelowCritical: lows.filter((low) => low < criticalBelow).length,
        clear: lows.every((low) => low >= Math.min(1, warnBelow + 0.05)),
      };
    });
  }
}

/** Fills a pulse with the three days before `now`. Hours are spread evenly; times to first token are not known by the hour. */
export async function warmUp(pulse: Pulse, reports: Pick<Reports, 'usage'>, now: EpochMs): Promise<void> {
  const { rows } = await reports.usage({ filter: filterOf(epochMs(now - 3 * DAY_MS), now), groupBy: ['hour', 'workspace', 'outcome'], limit: 100_000 });
  const failed = new Set(['upstream_error', 'connect_failed', 'upstream_reset', 'upstream_timeout', 'upstream_protocol']);
  for (const { group, requests, cost } of rows) {
    const from = Number(group.hour);
    const bad = failed.has(String(group.outcome));
    const counts = bad || group.outcome === 'ok' || group.outcome === 'truncated';
    pulse.seed({ from, to: Math.min(from + HOUR_MS, now), workspace: String(group.workspace), calls: requests, total: counts ? requests : 0, bad: bad ? requests : 0, cost });
  }
}

export function outlookOf(standing: Standing, history: History, now: EpochMs): Outlook | null {
  const { budget, period, spent } = standing;
  const hourly = history.hourlyOf(budget.id);
  if (hourly === null) return null;
  const outlook = { spent, now, period, hourly, zone: history.zone };
  const expected = forecast(outlook);
  const limit = limitOf(standing);
  return expected === null ? null : { ...expected, reachesAt: expected.p50 > limit ? reachesLimitAt(outlook, limit) : null };
}

export const spendNow = (pulse: Pulse, history: History, now: EpochMs): Figures['spend'] =>
  pulse.workspaces().map((workspace) => ({ workspace, lastHour: pulse.lastHour(workspace, now), ...history.usual(workspace, now), top: pulse.topContributor(workspace, now) }));

export const trafficNow = (pulse: Pulse, history: History | null, now: EpochMs): Figures['traffic'] => ({ lastHour: pulse.calls(now, HOUR_MS), pastWeeks: history?.usualCalls(now) ?? [] });

export function serviceNow(pulse: Pulse, now: EpochMs): Pick<Figures, 'errors' | 'firstToken' | 'limited' | 'usage'> {
  const windows = (of: (ms: number) => Window): BurnWindows => ({
    m5: of(5 * MINUTE_MS), m30: of(30 * MINUTE_MS), h1: of(HOUR_MS), h2: of(2 * HOUR_MS), h6: of(6 * HOUR_MS), d1: of(DAY_MS), d3: of(3 * DAY_MS),
  });
  return {
    errors: windows((ms) => pulse.errors(now, ms)),
    firstToken: windows((ms) => pulse.slow(now, ms)),
    limited: pulse.limited(now, HEADROOM_MINUTES * MINUTE_MS),
    usage: pulse.untold(now, HOUR_MS),
  };
}
