// server/alert/beat.ts: a ledger entry, or a row read back, as a beat of the pulse.

import type { LedgerEntry, RefusedEntry } from '../domain/ledger.ts';
import type { Outcome } from '../domain/call.ts';
import { countingMethods, priceKind, UNLISTED } from '../domain/price.ts';
import type { CallRow } from '../domain/reports.ts';
import type { Beat } from './pulse.ts';

const FAILED: ReadonlySet<Outcome> = new Set(['upstream_error', 'connect_failed', 'upstream_reset', 'upstream_timeout', 'upstream_protocol']);
const SERVED: ReadonlySet<Outcome> = new Set(['ok', 'truncated']);

/** Whether the way to the provider failed; null where the ending says nothing of it. */
const failedOf = (outcome: Outcome | null): boolean | null => (outcome === null ? null : FAILED.has(outcome) ? true : SERVED.has(outcome) ? false : null);
const isUntold = (outcome: Outcome | null, estimateMethod: string | null): boolean => outcome !== null && SERVED.has(outcome) && countingMethods(estimateMethod).length > 0;
const isRejected = (status: number | null): boolean => status !== null && status >= 400 && status < 500;

/** Money, credit or a spend limit: 402 whatever it says, else by its code (`enforced_spend_limit_reached`, `contract_spend_limit_reached`, and the meter's `specified_spend_limit_reached`). */
function capOf(status: number | null, code: string | null): string | null {
  if (code !== null && /spend_limit_reached$/.test(code)) return code;
  return status === 402 ? (code ?? 'billing_error') : null;
}

export function beatOfEntry({ opened, settlement }: LedgerEntry): Beat {
  const { caller } = opened;
  const { status, outcome, cost } = settlement;
  const cap = capOf(status, settlement.errorCode ?? null);
  return {
    at: settlement.endedAt, workspace: caller.workspace, workflow: caller.workflow, key: caller.key, model: cost.modelServed ?? opened.modelSent, user: caller.user, cost: cost.total,
    failed: failedOf(outcome), untold: isUntold(outcome, cost.estimateMethod), firstTokenMs: settlement.timeToFirstTokenMs === null ? null : settlement.timeToFirstTokenMs - (settlement.queuedMs ?? 0), rejected: isRejected(status), limited: status === 429,
    cap: cap === null ? null : { credential: caller.upstream.kind === 'configured' ? caller.upstream.name : 'callers_own', code: cap },
    // A name that the provider does not know either costs nothing, and needs no price. An advisor or a fallback may be the one without.
    unpriced: cost.basis !== 'ceiling' || cost.total === 0n ? null : (cost.lines.find(({ priceVersion }) => priceKind(priceVersion) === 'ceiling')?.model ?? cost.modelServed ?? opened.modelSent),
  };
}

export function beatOfRefusal({ endedAt, caller, modelRequested, refusal }: RefusedEntry): Beat {
  return {
    at: endedAt, workspace: caller.workspace, workflow: caller.workflow, key: caller.key, model: modelRequested, user: caller.user, cost: 0n,
    failed: null, untold: false, firstTokenMs: null, rejected: true, limited: false, cap: null, unpriced: refusal === 'unpriced_model' ? modelRequested : null,
  };
}

/** What a row kept: not which credential it went out with, how long it waited in a queue, nor the code of a spend limit. A row that was priced anew since has the price it lacked. */
export function beatOfRow(row: CallRow): Beat {
  const cap = row.status === 402 ? capOf(402, row.errorType) : null;
  return {
    at: row.admittedAt, workspace: row.workspace, workflow: row.workflow, key: row.key, model: row.modelServed ?? row.modelRequested, user: row.user, cost: row.cost,
    failed: failedOf(row.outcome), untold: isUntold(row.outcome, row.estimateMethod), firstTokenMs: row.timeToFirstTokenMs, rejected: row.refusal !== null || isRejected(row.status), limited: row.outcome === 'upstream_error' && row.status === 429,
    cap: cap === null ? null : { credential: 'unknown', code: cap }, unpriced: unpricedOf(row),
  };
}

/** Parts of an answer are not among what a row shows: the model that served is named for all of them. */
function unpricedOf({ refusal, cost, estimateMethod, modelServed, modelRequested }: CallRow): string | null {
  if (refusal === 'unpriced_model') return modelRequested;
  return cost > 0n && estimateMethod?.includes(UNLISTED) === true ? (modelServed ?? modelRequested) : null;
}
