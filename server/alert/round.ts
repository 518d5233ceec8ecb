// server/alert/round.ts: one round of all rules over all alerts: what changed, and what is to be told. Shared by the gateway and by the replay.

import { isActive, type AlertRule, type AlertState, type Reading } from '../domain/alert.ts';
import { DAY_MS } from '../domain/durations.ts';
import type { EpochMs } from '../domain/ids.ts';
import type { Figures } from './figures.ts';
import { fingerprintOf, step, stepGone, type AlertEvent } from './machine.ts';
import { spendAnomaly } from './rules/anomaly.ts';
import { budgetForecast, budgetRefusing, budgetThresholds, burnPace } from './rules/budgets.ts';
import { leakingKeys, unusedKeys } from './rules/keys.ts';
import { failingDelivery, ledgerTrouble, missingUsage, oldPrices, unpricedModels } from './rules/quality.ts';
import { billDrift } from './rules/reconciliation.ts';
import { errorBurn, firstTokenBurn, noTraffic, providerCap, providerHeadroom } from './rules/service.ts';

/** A year's period and more: until then a resolved alert is remembered, so that its tiers are told once. */
const REMEMBERED_MS = 400 * DAY_MS;

export interface Told {
  readonly event: AlertEvent;
  readonly state: AlertState;
  /** Null: there was nothing. */
  readonly before: AlertState | null;
}

export interface Round {
  readonly changed: readonly AlertState[];
  readonly forgotten: readonly string[];
  readonly told: readonly Told[];
  /** What began, rose or ended, told or not. */
  readonly moved: readonly Told[];
}

export const readingsOf = (figures: Figures, channels: readonly string[]): readonly Reading[] => [
  ...budgetThresholds(figures), ...budgetRefusing(figures), ...burnPace(figures), ...budgetForecast(figures), ...spendAnomaly(figures),
  ...errorBurn(figures), ...firstTokenBurn(figures), ...providerHeadroom(figures), ...providerCap(figures),
  ...unusedKeys(figures), ...leakingKeys(figures), ...noTraffic(figures), ...unpricedModels(figures), ...missingUsage(figures), ...ledgerTrouble(figures), ...oldPrices(figures), ...billDrift(figures),
  ...failingDelivery({ ...figures, channels }),
];

/**
 * Advances `states` in place.
 * @param blind rules whose figures could not be had this time: what they said before stands
 */
export function round(states: Map<string, AlertState>, readings: readonly Reading[], blind: ReadonlySet<AlertRule>, now: EpochMs, incident: () => string): Round {
  const changed: AlertState[] = [];
  const forgotten: string[] = [];
  const told: Told[] = [];
  const moved: Told[] = [];
  const seen = new Set<string>();
  const take = (fingerprint: string, before: AlertState | null, after: ReturnType<typeof step>): void => {
    if (after.state === null) {
      if (before !== null) forgotten.push(fingerprint);
      states.delete(fingerprint);
      return;
    }
    states.set(fingerprint, after.state);
    if (before === null || essence(before) !== essence(after.state)) changed.push(after.state);
    if (after.event !== null) told.push({ event: after.event, state: after.state, before });
    const was = before !== null && isActive(before);
    const is = isActive(after.state);
    if (was !== is) moved.push({ event: is ? 'fired' : 'resolved', state: after.state, before });
    else if (is && after.state.tier > (before?.tier ?? 0)) moved.push({ event: 'raised', state: after.state, before });
  };
  for (const reading of readings) {
    const fingerprint = fingerprintOf(reading);
    if (blind.has(reading.rule) || seen.has(fingerprint)) continue;
    seen.add(fingerprint);
    const before = states.get(fingerprint) ?? null;
    take(fingerprint, before, step(before, reading, now, incident));
  }
  for (const [fingerprint, before] of [...states]) {
    if (seen.has(fingerprint) || blind.has(before.rule)) continue;
    if (before.state === 'resolved' && now - (before.resolvedAt ?? before.updatedAt) > REMEMBERED_MS) take(fingerprint, before, { state: null, event: null });
    else take(fingerprint, before, stepGone(before, now));
  }
  return { changed, forgotten, told, moved };
}

/** What is worth a write: figures move with every look, states do not. */
const essence = ({ updatedAt: _at, text, peak: _peak, extra: _extra, sightings: _n, ...state }: AlertState): string => JSON.stringify([state, text.severity]);
