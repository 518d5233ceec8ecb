// server/domain/silence.ts: alerts that somebody wants no messages about for a while: which, until when, and why. It ends by itself.

import type { AlertRule, AlertState } from './alert.ts';
import { DAY_MS } from './durations.ts';
import { matchesGlob } from './glob.ts';
import type { EpochMs } from './ids.ts';

/** Keeps back the messages of alerts that match; the alerts themselves fire and end as ever. */
export interface Silence {
  /** `silence_` and 16 hex digits. */
  readonly id: string;
  /** Null: every rule. */
  readonly rule: AlertRule | null;
  /** As in an alert, where `*` stands for any run of characters; null: every scope. */
  readonly scope: string | null;
  readonly createdAt: EpochMs;
  /** The first instant at which it is over. */
  readonly until: EpochMs;
  /** In a person's words, one line. */
  readonly reason: string;
  readonly actor: string;
  /** Null: nobody ended it early. */
  readonly liftedAt: EpochMs | null;
}

export type SilenceRequest = Pick<Silence, 'rule' | 'scope' | 'until' | 'reason' | 'actor'>;

/** In force at once: who asks for quiet wants it now. More is a sign that a rule belongs in the config. */
export const MOST_SILENCES = 100;
/** What is not wanted for longer is turned off in the config, where others see it. */
export const LONGEST_SILENCE_MS = 90 * DAY_MS;

/** Computed whenever it is asked, so that no job has to end a silence. */
export const isSilencing = ({ until, liftedAt }: Silence, at: EpochMs): boolean => liftedAt === null && at < until;

export const isAbout = ({ rule, scope }: Pick<Silence, 'rule' | 'scope'>, alert: Pick<AlertState, 'rule' | 'scope'>): boolean =>
  (rule === null || rule === alert.rule) && (scope === null || matchesGlob(scope, alert.scope));

/** Of several, the one that lasts longest; null: none is in force for it. */
export function silenceOf(silences: readonly Silence[], alert: Pick<AlertState, 'rule' | 'scope'>, at: EpochMs): Silence | null {
  return silences.reduce<Silence | null>((longest, silence) => (isSilencing(silence, at) && isAbout(silence, alert) && silence.until > (longest?.until ?? 0) ? silence : longest), null);
}
