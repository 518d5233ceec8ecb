// server/alert/history.ts: what was spent and called in past weeks, read from the ledger once an hour: an hour that is over does not change.

import type { Budget } from '../domain/budget.ts';
import { periodAt } from '../domain/calendar.ts';
import { DAY_MS, HOUR_MS, WEEK_MS } from '../domain/durations.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import { nanodollars, type Nanodollars } from '../domain/money.ts';
import type { Reports, UsageRow } from '../domain/reports.ts';
import type { Figures, SpendNow } from './figures.ts';
import { filterOf, KEY_HABIT_DAYS, KeyUses } from './key-uses.ts';

const QUARTER_MS = 900_000;
const MOST_QUARTERS = 1_000;
/** What a forecast learns from: five weeks hold four whole ones. */
const FORECAST_MS = 35 * DAY_MS;
/** Calls are booked in the hour in which they came, and may end hours later. */
const AGAIN_MS = 3 * HOUR_MS;
const MOST_ROWS = 200_000;

export type Hourly = readonly { readonly hour: EpochMs; readonly cost: Nanodollars }[];

export interface HistoryOptions {
  readonly reports: Pick<Reports, 'usage' | 'hourlySpend'>;
  readonly budgets: readonly Budget[];
  readonly zone: string;
  readonly weeks: number;
  readonly keys: boolean;
}

export class History {
  readonly zone: string;
  private readonly weeks: number;
  /** Per workspace, by the instant at which the hour begins. */
  private readonly spent = new Map<string, Map<number, bigint>>();
  private readonly hourBegins = new Map<number, number>();
  /** Of all workspaces, by the instant at which the hour begins. */
  private readonly calls = new Map<number, number>();
  private readonly first = new Map<string, number>();
  private readonly budgets = new Map<string, Hourly>();
  habits: Figures['keyHabits'] = null;

  private uses: KeyUses | null = null;
  /** When all of it was read, and to where it was read last. */
  private readonly wholeAt: number;
  private readTo: number;

  private constructor(zone: string, weeks: number, at: number) {
    this.zone = zone;
    this.weeks = weeks;
    this.wholeAt = at;
    this.readTo = at;
  }

  /**
   * Everything that looks between `from` and `to` need.
   * @param before of the same options, read a little while ago: only what came since is read then, and once a day all of it, for what a repricing changed
   * @throws ReportsUnavailable
   */
  static async read(options: HistoryOptions, from: EpochMs, to: EpochMs, before: History | null = null): Promise<History> {
    const { reports, budgets, zone, weeks, keys } = options;
    const goesOn = before !== null && to >= before.readTo && to - before.wholeAt < DAY_MS;
    const history = goesOn ? before : new History(zone, weeks, to);
    const whole = epochMs(from - weeks * WEEK_MS - DAY_MS);
    const since = goesOn ? epochMs(Math.max(whole, history.readTo - AGAIN_MS)) : whole;
    history.take((await reports.usage({ filter: filterOf(since, to), groupBy: ['workspace', 'hour'], limit: MOST_ROWS })).rows, goesOn ? since : 0);
    for (const { id, scope, alertForecast } of budgets) if (alertForecast) history.budgets.set(id, await reports.hourlySpend(scope, epochMs(from - FORECAST_MS), to));
    if (keys) {
      if (history.uses === null) history.uses = await KeyUses.read(reports, KEY_HABIT_DAYS, to);
      else await history.uses.extend(reports, since, to);
      history.habits = history.uses.habitsAt(to);
    }
    history.readTo = to;
    return history;
  }

  /** @param since an hour that began before it is cut by it, and is known whole */
  private take(rows: readonly UsageRow[], since: number): void {
    const calls = new Map<number, number>();
    for (const { group, cost, requests } of rows) {
      const workspace = String(group.workspace);
      const hour = Number(group.hour);
      if (hour < since) continue;
      this.hoursOf(workspace).set(hour, cost);
      this.first.set(workspace, Math.min(hour, this.first.get(workspace) ?? Infinity));
      calls.set(hour, (calls.get(hour) ?? 0) + requests);
    }
    for (const [hour, count] of calls) this.calls.set(hour, count);
  }

  hourlyOf(budget: string): Hourly | null {
    return this.budgets.get(budget) ?? null;
  }

  /** The sixty minutes to `at` in past weeks and yesterday, of a workspace. Hours are weighted by how much of them the sixty minutes cover. */
  usual(workspace: string, at: EpochMs): Pick<SpendNow, 'pastWeeks' | 'yesterday'> {
    const pastWeeks: Nanodollars[] = [];
    for (let week = 1; week <= this.weeks; week++) {
      const spent = this.sixtyMinutesTo(workspace, at - week * WEEK_MS);
      if (spent === null) break;
      pastWeeks.push(spent);
    }
    return { pastWeeks, yesterday: this.sixtyMinutesTo(workspace, at - DAY_MS) };
  }

  /** The calls of the sixty minutes to `at` in past weeks, the latest first, as far back as there were any calls at all. */
  usualCalls(at: EpochMs): number[] {
    const begin = Math.min(Infinity, ...this.first.values());
    const weeks: number[] = [];
    for (let week = 1; week <= this.weeks; week++) {
      const then = at - week * WEEK_MS;
      const from = this.hourOf(then);
      if (from - HOUR_MS < begin) break;
      const ofThis = (then - from) / HOUR_MS;
      weeks.push((this.calls.get(from) ?? 0) * ofThis + (this.calls.get(from - HOUR_MS) ?? 0) * (1 - ofThis));
    }
    return weeks;
  }

  /** Null: before the workspace's first hour. */
  private sixtyMinutesTo(workspace: string, at: number): Nanodollars | null {
    const from = this.hourOf(at);
    if (from - HOUR_MS < (this.first.get(workspace) ?? Infinity)) return null;
    const hours = this.hoursOf(workspace);
    const ofThis = BigInt(Math.round(at - from));
    const whole = BigInt(HOUR_MS);
    return nanodollars(((hours.get(from) ?? 0n) * ofThis + (hours.get(from - HOUR_MS) ?? 0n) * (whole - ofThis)) / whole);
  }

  /** Where the hour of an instant begins. Zones differ by quarters of an hour, so that all of a quarter is in one hour; every look asks for the same few. */
  private hourOf(at: number): number {
    const quarter = Math.floor(at / QUARTER_MS);
    let from = this.hourBegins.get(quarter);
    if (from === undefined) {
      if (this.hourBegins.size >= MOST_QUARTERS) this.hourBegins.clear();
      this.hourBegins.set(quarter, (from = periodAt('hour', epochMs(at), this.zone).from));
    }
    return from;
  }

  private hoursOf(workspace: string): Map<number, bigint> {
    let hours = this.spent.get(workspace);
    if (hours === undefined) this.spent.set(workspace, (hours = new Map()));
    return hours;
  }
}
