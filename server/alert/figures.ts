// server/alert/figures.ts: everything that rules look at, as it is at one instant.

import type { Budget, Standing } from '../domain/budget.ts';
import type { VirtualKey } from '../domain/directory.ts';
import type { EpochMs } from '../domain/ids.ts';
import type { Nanodollars } from '../domain/money.ts';
import type { ReconciledDay } from '../domain/reconciliation.ts';
import type { AlertRuleSettings, Settings } from '../domain/settings.ts';
import type { KeyNews } from './key-signs.ts';
import type { Contributor, KeyActivity, Window } from './pulse.ts';

export interface Outlook {
  readonly p50: Nanodollars;
  readonly p90: Nanodollars;
  /** Null: the median path ends below the limit. */
  readonly reachesAt: EpochMs | null;
}

export interface SpendNow {
  readonly workspace: string;
  /** The sixty minutes to now. */
  readonly lastHour: Nanodollars;
  /** The same sixty minutes of past weeks, the latest first; only weeks in which the workspace was there. */
  readonly pastWeeks: readonly Nanodollars[];
  /** The same sixty minutes of yesterday; null when there was no yesterday. */
  readonly yesterday: Nanodollars | null;
  readonly top: Contributor | null;
}

/** Windows of a service level, by their length. */
export interface BurnWindows {
  readonly m5: Window;
  readonly m30: Window;
  readonly h1: Window;
  readonly h2: Window;
  readonly h6: Window;
  readonly d1: Window;
  readonly d3: Window;
}

export interface HeadroomNow {
  readonly credential: string;
  readonly modelClass: string;
  readonly dimension: string;
  /** 0 to 1. */
  readonly lowest: number;
  /** Of the last ten minutes, those in which less than the warning's and the critical share was left. */
  readonly minutesBelowWarning: number;
  readonly minutesBelowCritical: number;
  /** Minutes since it was last above the warning's share, with its hysteresis: 0 while it is. */
  readonly clear: boolean;
}

export interface KeyHabit {
  readonly models: ReadonlySet<string>;
  /** Calls in its busiest hour. */
  readonly busiestHour: number;
  /** Hours of the day, by UTC, at which it was used. */
  readonly hoursOfDay: ReadonlySet<number>;
  /** Days on which it was used. */
  readonly days: number;
}

export interface Figures {
  readonly now: EpochMs;
  readonly zone: string;
  readonly rules: AlertRuleSettings & Pick<Settings['alerts'], 'anomaly'>;
  /** Who is told where a budget does not say; null: every channel. */
  readonly notify: readonly string[] | null;
  readonly standings: readonly Standing[];
  /** Null: too little to go by. Absent: not asked. */
  readonly outlooks: ReadonlyMap<Budget['id'], Outlook | null>;
  readonly spend: readonly SpendNow[];
  /** Calls of the last sixty minutes, beside the same sixty minutes of past weeks, the latest first. */
  readonly traffic: { readonly lastHour: number; readonly pastWeeks: readonly number[] };
  readonly errors: BurnWindows;
  readonly firstToken: BurnWindows;
  /** 429 of the provider in the last ten minutes, beside all calls. */
  readonly limited: Window;
  readonly headroom: readonly HeadroomNow[];
  readonly caps: readonly { readonly credential: string; readonly code: string; readonly count: number }[];
  readonly keys: readonly VirtualKey[];
  readonly keyActivity: readonly KeyActivity[];
  /** What each key used to do, over past weeks. Null: not known. */
  readonly keyHabits: ReadonlyMap<string, KeyHabit> | null;
  /** Networks and clients that are new to a key. */
  readonly keyNews: ReadonlyMap<string, KeyNews>;
  /** Answers of the last hour that came whole, and those of them that told no usage. */
  readonly usage: Window;
  readonly unpriced: readonly { readonly model: string; readonly count: number; readonly refused: boolean }[];
  /** Days of the ledger beside the provider's bill, the latest first; none where they are not compared. */
  readonly reconciled: readonly ReconciledDay[];
  readonly ledger: { readonly writable: boolean; readonly trouble: string | null; /** Rows given up since the start, and in the last five minutes. */ readonly lost: number; readonly lostLately: number };
  /** The latest day on which a price was checked; null when the book does not say. */
  readonly pricesVerifiedAt: EpochMs | null;
  /** Channels whose messages fail: dead letters of the last day, and minutes the oldest has waited. */
  readonly failing: readonly { readonly channel: string; readonly dead: number; readonly waitingMs: number }[];
}
