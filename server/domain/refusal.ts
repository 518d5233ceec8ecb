// server/domain/refusal.ts: our own no. One table gives each reason its status, error type and retry advice.

import type { PeriodKind } from './calendar.ts';
import type { EpochMs } from './ids.ts';

/** `retry`: `never` sends `x-should-retry: false`; `later` sends `retry-after`; `client` leaves it to the client's own rules. */
interface RefusalKind {
  readonly status: number;
  readonly type: string;
  readonly retry: 'never' | 'later' | 'client';
}

export const REFUSALS = {
  unauthenticated: { status: 401, type: 'authentication_error', retry: 'never' },
  workspace_forbidden: { status: 403, type: 'permission_error', retry: 'never' },
  workflow_forbidden: { status: 403, type: 'permission_error', retry: 'never' },
  model_not_allowed: { status: 403, type: 'permission_error', retry: 'never' },
  feature_not_allowed: { status: 403, type: 'permission_error', retry: 'never' },
  unknown_path: { status: 404, type: 'not_found_error', retry: 'never' },
  /** A batch, a file or a skill that the caller's workspace did not make; no word on whether there is one. */
  unknown_object: { status: 404, type: 'not_found_error', retry: 'never' },
  malformed: { status: 400, type: 'invalid_request_error', retry: 'never' },
  /** The upstream leads back to this gateway, or to a chain of them. */
  loop: { status: 508, type: 'invalid_request_error', retry: 'never' },
  unpriced_model: { status: 400, type: 'invalid_request_error', retry: 'never' },
  too_large: { status: 413, type: 'request_too_large', retry: 'never' },
  /** Also carries `retry-after`: seconds to the end of the period. */
  budget_exhausted: { status: 429, type: 'billing_error', retry: 'never' },
  budget_held: { status: 429, type: 'rate_limit_error', retry: 'later' },
  rate_limited: { status: 429, type: 'rate_limit_error', retry: 'later' },
  overloaded: { status: 503, type: 'overloaded_error', retry: 'later' },
  draining: { status: 503, type: 'overloaded_error', retry: 'later' },
  ledger_unavailable: { status: 503, type: 'api_error', retry: 'later' },
  upstream_unreachable: { status: 502, type: 'api_error', retry: 'client' },
  upstream_timeout: { status: 504, type: 'timeout_error', retry: 'client' },
} as const satisfies Record<string, RefusalKind>;

export type RefusalReason = keyof typeof REFUSALS;

export interface Refusal {
  readonly reason: RefusalReason;
  /** One sentence for a person: the rule, the scope, when it ends, what to do. Holds no secret and nothing of a prompt. */
  readonly message: string;
  /** The rule that said no, e.g. `budget:support-month`, `models:support/ticket-triage`; null when no configured rule did. */
  readonly rule: string | null;
  /** Whole seconds, rounded up; null sends none. */
  readonly retryAfterSeconds: number | null;
  /** The period of the budget that is exhausted, for clients that show it; only on `budget_exhausted`. */
  readonly budget?: { readonly period: PeriodKind; readonly resetsAt: EpochMs };
}

/** What we expect to go wrong is a value. */
export type Verdict<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export const granted = <T>(value: T): Verdict<T> => ({ ok: true, value });

/** A body beyond the limit of its route, told by its length or found while counting. */
export const tooLarge = (limitBytes: number): { ok: false; refusal: Refusal } => refused('too_large', `The request body is larger than ${limitBytes} bytes, the most that this gateway takes here.`);

export function refused(reason: RefusalReason, message: string, more: { rule?: string; retryAfterSeconds?: number } = {}): { ok: false; refusal: Refusal } {
  return { ok: false, refusal: { reason, message, rule: more.rule ?? null, retryAfterSeconds: more.retryAfterSeconds ?? null } };
}
