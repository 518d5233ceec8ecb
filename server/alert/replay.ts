// server/alert/replay.ts: what would have fired: the same rules and the same states, run over the ledger's rows in the time in which they came.

import type { AlertRule, AlertState, Replayed } from '../domain/alert.ts';
import { covers, type Standing } from '../domain/budget.ts';
import { periodAt } from '../domain/calendar.ts';
import { wasInForce, type Grant } from '../domain/grant.ts';
import { epochMs, type EpochMs, type KeyId, type WorkflowId, type WorkspaceId } from '../domain/ids.ts';
import { nanodollars, NO_MONEY, type Nanodollars } from '../domain/money.ts';
import type { CallRow, Reports } from '../domain/reports.ts';
import type { Settings } from '../domain/settings.ts';
import { beatOfRow } from './beat.ts';
import type { Figures, Outlook } from './figures.ts';
import { filterOf, History } from './history.ts';
import { Pulse } from './pulse.ts';
import { readingsOf, round } from './round.ts';
import { outlookOf, serviceNow, spendNow } from './watch.ts';

const LOOK_EVERY_MS = 5 * 60_000;
const OUTLOOK_EVERY_MS = 30 * 60_000;
const HOUR_MS = 3_600_000;

/** What the ledger does not hold: room at the provider, keys, the state of the gateway itself. */
export const NOT_REPLAYED: readonly AlertRule[] = ['headroom', 'key_unused', 'unpriced', 'ledger', 'price_book', 'reconciliation', 'delivery'];

export interface ReplayOptions {
  readonly settings: Settings;
  readonly reports: Pick<Reports, 'usage' | 'hourlySpend' | 'everyRequest'>;
  readonly grants: readonly Grant[];
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly rule: AlertRule | null;
}

/** By today's rules, budgets and limits, and the grants of the time. @throws ReportsUnavailable */
export async function replay({ settings, reports, grants, from, to, rule }: ReplayOptions): Promise<Replayed[]> {
  const { timezone: zone, alerts, budgets } = settings;
  const history = await History.read({ reports, budgets, zone, weeks: alerts.anomaly.weeks, keys: false }, from, to);
  const pulse = new Pulse(alerts.rules.firstToken.slowerThanMs);
  const standings = new Map<string, Standing>();
  for (const budget of budgets) {
    const period = periodAt(budget.period, from, zone);
    const before = await reports.hourlySpend(budget.scope, period.from, from);
    standings.set(budget.id, { budget, period, spent: nanodollars(before.reduce((sum, { cost }) => sum + cost, 0n)), held: NO_MONEY });
  }
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
    const figures: Figures = {
      now, zone, rules: { ...alerts.rules, anomaly: alerts.anomaly }, notify: null, standings: [...standings.values()], outlooks, spend: spendNow(pulse, history, now), ...serviceNow(pulse, now),
      headroom: [], caps: pulse.caps(now, HOUR_MS), keys: [], keyActivity: pulse.keyActivity(now, HOUR_MS), keyHabits: null, unpriced: [], reconciled: [],
      ledger: { writable: true, trouble: null, lost: 0 }, pricesVerifiedAt: null, failing: [],
    };
    const { told } = round(states, readingsOf(figures, []), new Set(NOT_REPLAYED), now, () => String(++incidents));
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
    book(standings, row);
  }
  await until(to);
  return replayed;
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
