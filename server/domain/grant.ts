// server/domain/grant.ts: a temporary raise of a budget: by how much, until when, and why. It ends by itself.

import type { BudgetId, EpochMs } from './ids.ts';
import { nanodollars, NO_MONEY, type Nanodollars } from './money.ts';

/** Adds to the limit of one budget, in every period that it is in force in. It never touches what is spent or held. */
export interface Grant {
  /** `grant_` and 16 hex digits. */
  readonly id: string;
  readonly budget: BudgetId;
  readonly amount: Nanodollars;
  readonly createdAt: EpochMs;
  /** The first instant at which it is over. */
  readonly until: EpochMs;
  /** In a person's words, one line. */
  readonly reason: string;
  readonly actor: string;
  /** Null: it was not ended early. */
  readonly revokedAt: EpochMs | null;
}

/** Computed whenever it is asked, so that no job has to end a grant. A clock that steps back never delays one. */
export const inForce = ({ until, revokedAt }: Grant, at: EpochMs): boolean => revokedAt === null && at < until;

/** The same of an instant in the past, when a grant was not made yet or not ended yet. */
export const wasInForce = ({ createdAt, until, revokedAt }: Grant, at: EpochMs): boolean => createdAt <= at && at < Math.min(until, revokedAt ?? until);

/** What grants add to the limit of their budget at an instant. */
export function sumInForce(grants: readonly Grant[], at: EpochMs): Nanodollars {
  let sum: bigint = NO_MONEY;
  for (const grant of grants) if (inForce(grant, at)) sum += grant.amount;
  return nanodollars(sum);
}

/** Issues and ends grants; a change is durable, audited, and in force for the next call when the promise resolves. */
export interface GrantBook {
  /** Those that are not over, and those that ended in the past 90 days; oldest first. */
  list(): readonly Grant[];
  create(request: { budget: BudgetId; amount: Nanodollars; until: EpochMs; reason: string; actor: string }): Promise<Grant>;
  /** Ending twice is no error, and keeps the first time. @throws GrantError when there is none of that id for that budget */
  revoke(request: { id: string; budget: BudgetId; actor: string }): Promise<Grant>;
}

/** `unknown_grant`; the message is for a person. */
export class GrantError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'GrantError';
    this.code = code;
  }
}
