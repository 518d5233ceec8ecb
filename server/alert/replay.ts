// server/alert/replay.ts: what would have fired: the same rules and the same states, run over the ledger's rows in the time in which they came.

import type { AlertRule, AlertState, Replay, Replayed } from '../domain/alert.ts';
import { covers, type Standing } from '../domain/budget.ts';
import { periodAt } from '../domain/calendar.ts';
import type { VirtualKey } from '../domain/directory.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../domain/durations.ts';
import { wasInForce, type Grant } from '../domain/grant.ts';
import { epochMs, type EpochMs, type KeyId, type WorkflowId, type WorkspaceId } from '../domain/ids.ts';
import { nanodollars, NO_MONEY, type Nanodollars } from '../domain/money.ts';
import type { CallRow, Reports } from '../domain/reports.ts';
import type { Settings } from '../domain/settings.ts';
import { beatOfRow } from './beat.ts';
import type { Figures, Outlook } from './figures.ts';
import { History } from './history.ts';
import { filterOf, KeyUses } from './key-uses.ts';
import { Pulse } from './pulse.ts';
import { readingsOf, round } from './round.ts';
import { outlookOf, serviceNow, spendNow, trafficNow, warmUp } from './watch.ts';

const LOOK_EVERY_MS = 5 * MINUTE_MS;
const OUTLOOK_EVERY_MS = 30 * MINUTE_MS;

/** What the ledger does not hold, by rule. */
export const GAPS: Replay['gaps'] = [
  { rule: 'budget_refusing', whole: true, why: 'which budget a call did not fit into is not among what a replay reads of its row' },
  { rule: 'headroom', whole: false, why: "the provider's limit headers are not kept: only the share of calls answered with 429 is replayed" },
  { rule: 'provider_cap', whole: false, why: 'rows keep the status and the type of an error, not its code: only 402 is replayed' },
  { rule: 'key_unused', whole: false, why: "a key from the config counts from its first call, since its making is not known; secrets that a rotation has replaced are not told apart" },
  { rule: 'key_leak', whole: false, why: 'from which networks and with which clients calls came, and who tried secrets that had ended, is in no row' },
  { rule: 'unpriced', whole: false, why: 'a call that was priced anew since is not without price any more' },
  { rule: 'ledger', whole: true, why: 'what could not be written is not in it' },
  { rule: 'price_book', whole: true, why: 'older price books are not kept' },
  { rule: 'reconciliation', whole: true, why: "the provider's reports are compared as they are now, and were others then" },
  { rule: 'delivery', whole: true, why: 'a replay sends nothing' },
];
const NOT_REPLAYED: ReadonlySet<AlertRule> = new Set(GAPS.filter(({ whole }) => whole).map(({ rule }) => rule));

export interface ReplayOptions {
  readonly settings: Settings;
  readonly reports: Pick<Reports, 'usage' | 'hourlySpend' | 'everyRequest'>;
  readonly grants: readonly Grant[];
  /** Those there are now, revoked ones too. */
  readonly keys: readonly VirtualKey[];
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly rule: AlertRule | null;
}

/** By today's rules, budgets and limits, and the grants of the time. @throws ReportsUnavailable */
export async function replay({ settings, reports, grants, keys, from, to, rule }: ReplayOptions): Promise<Replay> {
  const { timezone: zone, alerts, budgets } = settings;
  const history = await History.read({ reports, budgets, zone, weeks: alerts.anomaly.weeks, keys: false }, from, to);
  const pulse = new Pulse(alerts.rules.firstToken.slowerThanMs);
  await warmUp(pulse, reports, from);
  const uses = await KeyUses.read(reports, Math.max(...alerts.rules.keyUnused.afterDays), from);
  let habits = uses.habitsAt(from);
  const standings = new Map<string, Standing>();
  // Spend is known by whole hours: what was spent in the hour in which the replay begins, but before it, only rows tell.
  const wholeUntil = periodAt('hour', from, zone).from;
  for (const budget of budgets) {
    const period = periodAt(budget.period, from, zone);
    const before = await reports.hourlySpend(budget.scope, period.from, wholeUntil);
    standings.set(budget.id, { budget, period, spent: nanodollars(before.reduce((sum, { cost }) => sum + cost, 0n)), held: NO_MONEY });
  }
  for await (const row of reports.everyRequest(filterOf(wholeUntil, from))) book(standings, row);
  const states = new Map<string, AlertState>();
  const outlooks = new Map<Standing['budget']['id'], Outlook | null>();
  const replayed: Replayed[] = [];
  let incidents = 0;
  let looks = 0;

  const look = (now: EpochMs): void => {
    for (const [id, standing] of standings) {
      const over = now >= standing.period.to;
      const granted = grantedAt(grants, id, now);
      if (over) standings.set(id, { ...standing, granted, period: periodAt(standing.budget.period, now, zone), spent: NO_MONEY });
      else if (granted !== standing.granted) standings.set(id, { ...standing, granted });
    }
    if (now % OUTLOOK_EVERY_MS === 0 || outlooks.size === 0) for (const standing of standings.values()) if (standing.budget.alertForecast) outlooks.set(standing.budget.id, outlookOf(standing, history, now));
    // As the gateway does: what keys used to do is looked up once an hour.
    if (now % HOUR_MS === 0) habits = uses.habitsAt(now);
    const figures: Figures = {
      now, zone, rules: { ...alerts.rules, anomaly: alerts.anomaly }, notify: alerts.notify, standings: [...standings.values()], outlooks, spend: spendNow(pulse, history, now), traffic: trafficNow(pulse, history, now), ...serviceNow(pulse, now),
      headroom: [], caps: pulse.caps(now, HOUR_MS), keys: uses.keysAt(keys, now), keyActivity: pulse.keyActivity(now, HOUR_MS), keyHabits: habits, keyNews: new Map(), unpriced: pulse.unpriced(now, DAY_MS), reconciled: [],
      ledger: { writable: true, trouble: null, lost: 0, lostLately: 0 }, pricesVerifiedAt: null, failing: [],
    };
    const { told } = round(states, readingsOf(figures, []), NOT_REPLAYED, now, () => String(++incidents));
    for (const { event, state } of told) {
      if (rule === null || state.rule === rule) replayed.push({ at: now, event, rule: state.rule, scope: state.scope, severity: state.text.severity, title: state.text.title });
    }
  };

  let next = Math.ceil((from + 1) / LOOK_EVERY_MS) * LOOK_EVERY_MS;
  const until = async (at: number): Promise<void> => {
    for (; next <= at; next += LOOK_EVERY_MS) {
      look(epochMs(next));
      // A month is thousands of looks: whoever waits for a call goes first.
      if (++looks % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  for await (const row of reports.everyRequest(filterOf(from, to))) {
    if (row.admittedAt >= next) await until(row.admittedAt);
    pulse.note(beatOfRow(row));
    uses.note(row.key, row.modelServed ?? row.modelRequested, row.admittedAt);
    book(standings, row);
  }
  await until(to);
  return { rows: replayed, gaps: GAPS };
}

const grantedAt = (grants: readonly Grant[], budget: string, at: EpochMs): Nanodollars =>
  nanodollars(grants.reduce((sum, grant) => (grant.budget === budget && wasInForce(grant, at) ? sum + grant.amount : sum), 0n));

/** A row keeps the model as it was asked for and as it was served; a budget by model compares what was sent, which is the former but for aliases. */
function book(standings: Map<string, Standing>, row: CallRow): void {
  for (const [id, standing] of standings) {
    const subject = { workspace: row.workspace as WorkspaceId, workflow: row.workflow as WorkflowId, key: row.key as KeyId | null, user: row.user, model: row.modelRequested };
    const alias = standing.budget.scope.model !== null && row.modelServed === standing.budget.scope.model;
    if (row.admittedAt < standing.period.to && (covers(standing.budget.scope, subject) || (alias && covers(standing.budget.scope, { ...subject, model: row.modelServed })))) {
      standings.set(id, { ...standing, spent: nanodollars(standing.spent + row.cost) });
    }
  }
}
