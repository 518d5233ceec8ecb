// server/alert/machine.ts: what becomes of an alert when a rule has looked again. Pure; its states are kept in the database.

import { isActive, type AlertState, type Reading, type Severity } from '../domain/alert.ts';
import { HOUR_MS } from '../domain/durations.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';

/** What went on while nobody looked, as in a restart, is not made up. */
const LONGEST_GAP_MS = 600_000;

export type AlertEvent = 'fired' | 'raised' | 'resolved';

export interface Step {
  /** Null: there is nothing to keep. */
  readonly state: AlertState | null;
  /** What is to be told; null where nothing is. */
  readonly event: AlertEvent | null;
}

export const fingerprintOf = ({ rule, scope, period }: Pick<Reading, 'rule' | 'scope' | 'period'>): string =>
  `${rule}:${scope}${period === null ? '' : `@${new Date(period).toISOString().slice(0, 16)}Z`}`;

/**
 * One look. Each tier is told once in a period, a higher one supersedes, and an end is told where its beginning was.
 * @param incident names a new firing
 */
export function step(before: AlertState | null, reading: Reading, now: EpochMs, incident: () => string): Step {
  if (before === null && reading.tier === 0) return { state: null, event: null };
  const known = takeUp(before, reading, now);
  return isActive(known) ? whileActive(withExtra(known, before, reading, now), reading, now) : whileCalm(known, reading, now, incident);
}

/** An alert that no rule speaks of any more: its period is over, its budget or key is gone, or the rule is off. */
export function stepGone(before: AlertState, now: EpochMs): Step {
  if (before.state === 'resolved') return { state: before, event: null };
  if (before.state === 'pending') return { state: before.notified === 0 ? null : { ...before, state: 'resolved', pendingSince: null, sightings: 0, updatedAt: now }, event: null };
  return resolved(before, now);
}

export const acknowledged = (state: AlertState, by: string, now: EpochMs): AlertState => ({ ...state, state: 'acked', ackedBy: by, updatedAt: now });

/** The state before, with the clock's steps taken out: nothing has begun later than now. */
function takeUp(before: AlertState | null, reading: Reading, now: EpochMs): AlertState {
  const past = (at: EpochMs | null): EpochMs | null => (at === null ? null : epochMs(Math.min(at, now)));
  const { rule, scope, period, basis, tier, keeps, forMs, clearMs, rearmMs, excessPerHour: _excess, ends: _ends, ...text } = reading;
  if (before === null) {
    return {
      fingerprint: fingerprintOf(reading), rule, scope, period, state: 'pending', tier: 0, notified: 0, announced: false, basis, pendingSince: null, sightings: 0,
      since: null, clearSince: null, resolvedAt: null, reachedAt: [], peak: reading.value, incident: '', ackedBy: null, lastSentAt: null, updatedAt: now, text,
    };
  }
  return {
    ...before,
    pendingSince: past(before.pendingSince),
    since: past(before.since),
    clearSince: past(before.clearSince),
    resolvedAt: past(before.resolvedAt),
    lastSentAt: past(before.lastSentAt),
    // Against another limit, tiers that are not reached any more are ahead again.
    notified: before.basis === basis ? before.notified : Math.min(before.notified, tier),
    basis,
    updatedAt: now,
    // While an alert calms down it still says why it fired.
    text: tier > 0 ? text : before.text,
  };
}

/** The hour before each look reaches back beyond the look before, so that a dollar is counted in as many looks as it takes for an hour to pass: each counts for its part of an hour. */
function withExtra(known: AlertState, before: AlertState | null, { excessPerHour }: Reading, now: EpochMs): AlertState {
  if (excessPerHour === undefined || before === null) return known;
  const since = Math.min(Math.max(0, now - before.updatedAt), LONGEST_GAP_MS);
  return { ...known, extra: (known.extra ?? 0) + (excessPerHour * since) / HOUR_MS };
}

function whileActive(known: AlertState, reading: Reading, now: EpochMs): Step {
  const peak = Math.max(known.peak, reading.value);
  if (reading.tier > known.tier) {
    const told = reading.tier > known.notified;
    const state: AlertState = {
      ...known, peak, tier: reading.tier, clearSince: null, reachedAt: reached(known.reachedAt, reading.tier, now),
      // A higher tier is news to whoever acknowledged the lower one.
      ...(told ? { state: 'firing' as const, ackedBy: null, notified: reading.tier, announced: true, toldSeverity: reading.severity, lastSentAt: now } : {}),
    };
    return { state, event: told ? 'raised' : null };
  }
  const end = reading.ends?.[known.tier - 1];
  const keeps = end?.holds === true ? known.tier : Math.max(reading.keeps, reading.tier);
  if (keeps > 0) return { state: { ...known, peak, tier: Math.min(known.tier, keeps), clearSince: null }, event: null };
  const clearSince = known.clearSince ?? now;
  if (now - clearSince < (end?.clearMs ?? reading.clearMs)) return { state: { ...known, peak, clearSince }, event: null };
  return resolved({ ...known, peak, text: { ...known.text, ...end?.text } }, now);
}

function whileCalm(known: AlertState, reading: Reading, now: EpochMs, incident: () => string): Step {
  if (reading.tier === 0) {
    const calm: AlertState = { ...known, state: 'resolved', pendingSince: null, sightings: 0 };
    // What has never fired leaves no trace.
    return { state: known.notified === 0 && known.resolvedAt === null ? null : calm, event: null };
  }
  const pendingSince = known.pendingSince ?? now;
  const sightings = known.sightings + 1;
  const seenLongEnough = reading.forMs === 0 || (sightings >= 2 && now - pendingSince >= reading.forMs);
  if (!seenLongEnough) return { state: { ...known, state: 'pending', pendingSince, sightings }, event: null };
  const rearmed = known.resolvedAt !== null && reading.rearmMs !== null && now - known.resolvedAt >= reading.rearmMs;
  const notified = rearmed ? 0 : known.notified;
  const told = reading.tier > notified;
  const state: AlertState = {
    ...known, state: 'firing', tier: reading.tier, notified: Math.max(notified, reading.tier), announced: told, since: now, clearSince: null, resolvedAt: null,
    pendingSince: null, sightings: 0, reachedAt: reached(known.resolvedAt === null ? known.reachedAt : [], reading.tier, now), peak: reading.value, ...(reading.excessPerHour === undefined ? {} : { extra: reading.excessPerHour / 2 }), incident: incident(), ackedBy: null,
    lastSentAt: told ? now : known.lastSentAt, ...(told ? { toldSeverity: reading.severity } : {}),
  };
  return { state, event: told ? 'fired' : null };
}

const resolved = (state: AlertState, now: EpochMs): Step => ({
  state: { ...state, state: 'resolved', resolvedAt: now, clearSince: null, pendingSince: null, sightings: 0, tier: 0, updatedAt: now },
  event: state.announced ? 'resolved' : null,
});

/** How urgent messages about it are. */
export const severityTold = ({ toldSeverity, text }: Pick<AlertState, 'toldSeverity' | 'text'>): Severity => toldSeverity ?? text.severity;

/** Tiers below the one reached were reached no later. */
const reached = (before: readonly (EpochMs | null)[], tier: number, now: EpochMs): (EpochMs | null)[] => Array.from({ length: Math.max(tier, before.length) }, (_, index) => before[index] ?? (index < tier ? now : null));
