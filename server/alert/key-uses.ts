// server/alert/key-uses.ts: what each key did up to an instant: when it was last used, with which models, how busily.

import type { VirtualKey } from '../domain/directory.ts';
import { DAY_MS, HOUR_MS } from '../domain/durations.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import type { Filter, Reports } from '../domain/reports.ts';
import type { Figures } from './figures.ts';

/** What a key used to do is what it did in this time. */
export const KEY_HABIT_DAYS = 28;
const KEY_HABIT_MS = KEY_HABIT_DAYS * DAY_MS;
const MOST_ROWS = 200_000;

interface Use {
  lastAt: number;
  /** When each model was last called. */
  readonly models: Map<string, number>;
  /** Calls by the hour in which they came. */
  readonly hours: Map<number, number>;
}

export class KeyUses {
  private readonly uses = new Map<string, Use>();

  /** What was before `from`. @param days for which a key may be unused before a rule speaks @throws ReportsUnavailable */
  static async read(reports: Pick<Reports, 'usage'>, days: number, from: EpochMs): Promise<KeyUses> {
    const uses = new KeyUses();
    const before = filterOf(epochMs(from - KEY_HABIT_MS), from);
    const [byModel, byHour, byDay] = [
      await reports.usage({ filter: before, groupBy: ['key', 'model', 'day'], limit: MOST_ROWS }),
      await reports.usage({ filter: before, groupBy: ['key', 'hour'], limit: MOST_ROWS }),
      await reports.usage({ filter: filterOf(epochMs(from - (days + 1) * DAY_MS), from), groupBy: ['key', 'day'], limit: MOST_ROWS }),
    ];
    const lastly = (at: unknown): number => Math.min(from, Number(at) + DAY_MS);
    for (const { group } of byModel.rows) if (group.key != null && group.model != null) raise(uses.of(String(group.key)).models, String(group.model), lastly(group.day));
    for (const { group, requests } of byHour.rows) if (group.key != null) uses.of(String(group.key)).hours.set(Math.floor(Number(group.hour) / HOUR_MS), requests);
    for (const { group } of byDay.rows) {
      if (group.key == null) continue;
      const use = uses.of(String(group.key));
      use.lastAt = Math.max(use.lastAt, lastly(group.day));
    }
    return uses;
  }

  /** Takes up what came between; hours in full, the last one as far as it has come. @throws ReportsUnavailable */
  async extend(reports: Pick<Reports, 'usage'>, from: EpochMs, to: EpochMs): Promise<void> {
    const { rows } = await reports.usage({ filter: filterOf(from, to), groupBy: ['key', 'model', 'hour'], limit: MOST_ROWS });
    const calls = new Map<Use, Map<number, number>>();
    for (const { group, requests } of rows) {
      if (group.key == null || Number(group.hour) < from) continue;
      const use = this.of(String(group.key));
      const at = Math.min(to, Number(group.hour) + HOUR_MS);
      use.lastAt = Math.max(use.lastAt, at);
      if (group.model != null) raise(use.models, String(group.model), at);
      const hour = Math.floor(Number(group.hour) / HOUR_MS);
      const hours = calls.get(use) ?? new Map<number, number>();
      calls.set(use, hours.set(hour, (hours.get(hour) ?? 0) + requests));
    }
    for (const [use, hours] of calls) for (const [hour, count] of hours) use.hours.set(hour, count);
  }

  /** Refused calls count too: they are calls of the hour, and a use of the key. */
  note(key: string | null, model: string | null, at: number): void {
    if (key === null) return;
    const use = this.of(key);
    use.lastAt = Math.max(use.lastAt, at);
    if (model !== null) raise(use.models, model, at);
    const hour = Math.floor(at / HOUR_MS);
    use.hours.set(hour, (use.hours.get(hour) ?? 0) + 1);
  }

  /** As the gateway would have read them at that instant. */
  habitsAt(at: number): NonNullable<Figures['keyHabits']> {
    const since = at - KEY_HABIT_MS;
    return new Map([...this.uses].map(([key, { models, hours }]) => {
      for (const hour of hours.keys()) if (hour * HOUR_MS < since) hours.delete(hour);
      return [key, {
        models: new Set([...models].filter(([, last]) => last >= since).map(([model]) => model)),
        busiestHour: Math.max(0, ...hours.values()),
        hoursOfDay: new Set([...hours.keys()].map((hour) => hour % 24)),
        days: new Set([...hours.keys()].map((hour) => Math.floor(hour / 24))).size,
      }];
    }));
  }

  /** The keys that there were, as they were. */
  keysAt(keys: readonly VirtualKey[], at: EpochMs): VirtualKey[] {
    return keys.flatMap((key) => {
      const last = this.uses.get(key.id)?.lastAt ?? 0;
      if (key.createdAt !== null && key.createdAt > at) return [];
      return [{ ...key, lastUsedAt: last === 0 ? null : epochMs(last), revokedAt: key.revokedAt !== null && key.revokedAt > at ? null : key.revokedAt }];
    });
  }

  private of(key: string): Use {
    let use = this.uses.get(key);
    if (use === undefined) this.uses.set(key, (use = { lastAt: 0, models: new Map(), hours: new Map() }));
    return use;
  }
}

function raise(models: Map<string, number>, model: string, at: number): void {
  models.set(model, Math.max(at, models.get(model) ?? 0));
}

export const filterOf = (from: EpochMs, to: EpochMs): Filter => ({ from, to, workspace: [], workflow: [], user: [], model: [], key: [], outcome: [], session: [], action: [] });
