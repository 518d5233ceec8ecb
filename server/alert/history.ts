// server/alert/history.ts: what was spent and called in past weeks, read from the ledger once an hour: an hour that is over does not change.

import type { Budget } from '../domain/budget.ts';
import { periodAt } from '../domain/calendar.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import { nanodollars, type Nanodollars } from '../domain/money.ts';
import type { Filter, Reports } from '../domain/reports.ts';
import type { SpendNow } from './figures.ts';

const HOUR_MS = 3_600_000;
const QUARTER_MS = 900_000;
const MOST_QUARTERS = 1_000;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** What a forecast learns from: five weeks hold four whole ones. */
const FORECAST_MS = 35 * DAY_MS;
/** What a key used to do is what it did in this time. */
export const KEY_HABIT_MS = 28 * DAY_MS;
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
  habits: ReadonlyMap<string, { readonly models: ReadonlySet<string>; readonly busiestHour: number }> | null = null;

  private constructor(zone: string, weeks: number) {
    this.zone = zone;
    this.weeks = weeks;
  }

  /** Everything that looks between `from` and `to` need. @throws ReportsUnavailable */
  static async read({ reports, budgets, zone, weeks, keys }: HistoryOptions, from: EpochMs, to: EpochMs): Promise<History> {
    const history = new History(zone, weeks);
    const spend = await reports.usage({ filter: filterOf(epochMs(from - weeks * WEEK_MS - DAY_MS), to), groupBy: ['workspace', 'hour'], limit: MOST_ROWS });
    for (const { group, cost, requests } of spend.rows) {
      const workspace = String(group.workspace);
      const hour = Number(group.hour);
      history.hoursOf(workspace).set(hour, cost);
      history.calls.set(hour, (history.calls.get(hour) ?? 0) + requests);
      history.first.set(workspace, Math.min(hour, history.first.get(workspace) ?? Infinity));
    }
    for (const { id, scope, alertForecast } of budgets) if (alertForecast) history.budgets.set(id, await reports.hourlySpend(scope, epochMs(from - FORECAST_MS), to));
    if (keys) history.habits = await habitsOf(reports, to);
    return history;
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

async function habitsOf(reports: Pick<Reports, 'usage'>, to: EpochMs): Promise<History['habits']> {
  const filter = filterOf(epochMs(to - KEY_HABIT_MS), to);
  const byModel = await reports.usage({ filter, groupBy: ['key', 'model'], limit: MOST_ROWS });
  const byHour = await reports.usage({ filter, groupBy: ['key', 'hour'], limit: MOST_ROWS });
  const habits = new Map<string, { models: Set<string>; busiestHour: number }>();
  const of = (key: string): { models: Set<string>; busiestHour: number } => {
    const known = habits.get(key) ?? { models: new Set<string>(), busiestHour: 0 };
    habits.set(key, known);
    return known;
  };
  for (const { group } of byModel.rows) if (group.key != null && group.model != null) of(String(group.key)).models.add(String(group.model));
  for (const { group, requests } of byHour.rows) {
    if (group.key == null) continue;
    const habit = of(String(group.key));
    habit.busiestHour = Math.max(habit.busiestHour, requests);
  }
  return habits;
}

export const filterOf = (from: EpochMs, to: EpochMs): Filter => ({ from, to, workspace: [], workflow: [], user: [], model: [], key: [], outcome: [], session: [], action: [] });
