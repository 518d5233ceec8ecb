// server/alert/history.ts: what was spent and called in past weeks, read from the ledger once an hour: an hour that is over does not change.

import type { Budget } from '../domain/budget.ts';
import { periodAt } from '../domain/calendar.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import { nanodollars, type Nanodollars } from '../domain/money.ts';
import type { Filter, Reports } from '../domain/reports.ts';
import type { SpendNow } from './figures.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** What a forecast learns from: five weeks hold four whole ones. */
const FORECAST_MS = 35 * DAY_MS;
const KEYS_MS = 28 * DAY_MS;
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
    for (const { group, cost } of spend.rows) {
      const workspace = String(group.workspace);
      const hour = Number(group.hour);
      history.hoursOf(workspace).set(hour, cost);
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

  /** Null: before the workspace's first hour. */
  private sixtyMinutesTo(workspace: string, at: number): Nanodollars | null {
    const { from } = periodAt('hour', epochMs(at), this.zone);
    if (from - HOUR_MS < (this.first.get(workspace) ?? Infinity)) return null;
    const hours = this.hoursOf(workspace);
    const ofThis = BigInt(Math.round(at - from));
    const whole = BigInt(HOUR_MS);
    return nanodollars(((hours.get(from) ?? 0n) * ofThis + (hours.get(from - HOUR_MS) ?? 0n) * (whole - ofThis)) / whole);
  }

  private hoursOf(workspace: string): Map<number, bigint> {
    let hours = this.spent.get(workspace);
    if (hours === undefined) this.spent.set(workspace, (hours = new Map()));
    return hours;
  }
}

async function habitsOf(reports: Pick<Reports, 'usage'>, to: EpochMs): Promise<History['habits']> {
  const filter = filterOf(epochMs(to - KEYS_MS), to);
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
