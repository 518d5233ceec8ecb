// server/observe/outcome.ts: from what the ledger says happened to the words that metrics use: one table, in one place.

import type { Attempt, Endpoint, Outcome } from '../domain/call.ts';
import type { HeadroomDimension } from '../domain/provider-limits.ts';
import type { RefusalReason } from '../domain/refusal.ts';
import type { Reading } from '../domain/usage.ts';
import type { INCOMPLETE_REASONS, MetricEndpoint, MetricOutcome, RETRY_REASONS, STRIKING_LIMITS } from './metric-names.ts';

/**
 * The outcome of a call that went upstream. Availability is judged by these words: rate_limited, overloaded, upstream_error and
 * timeout are bad, client_error, client_abort and blocked do not count, the rest is good.
 */
export function metricOutcome(ended: { outcome: Outcome; status: number | null; stopReason: string | null; errorType: string | null }): MetricOutcome {
  switch (ended.outcome) {
    case 'ok':
      if (ended.stopReason === 'refusal') return 'refused';
      return ended.stopReason === 'max_tokens' || ended.stopReason === 'length' || ended.stopReason === 'model_context_window_exceeded' ? 'truncated' : 'ok';
    case 'truncated':
      return 'truncated';
    case 'client_abort':
      return 'client_abort';
    case 'upstream_timeout':
      return 'timeout';
    case 'client_error':
    case 'upstream_error':
      return errorOutcome(ended);
    case 'connect_failed':
    case 'upstream_reset':
    case 'upstream_protocol':
    // Cut by our own shutdown or crash: to the user the answer failed all the same, so it counts against us.
    case 'drained':
    case 'crashed':
      return 'upstream_error';
    case 'refused':
      return 'blocked';
  }
}

/** An error that the provider answered with, by its type first: in a stream it comes after a 200. */
function errorOutcome(ended: { outcome: Outcome; status: number | null; errorType: string | null }): MetricOutcome {
  if (ended.status === 429 || ended.errorType === 'rate_limit_error') return 'rate_limited';
  if (ended.status === 529 || ended.status === 503 || ended.errorType === 'overloaded_error') return 'overloaded';
  if (ended.status === 504 || ended.errorType === 'timeout_error') return 'timeout';
  return ended.outcome === 'client_error' ? 'client_error' : 'upstream_error';
}

/** Our own no. A rule that did its work is `blocked`; a gateway that could not serve counts against it. */
export const REFUSAL_OUTCOMES = {
  unauthenticated: 'blocked',
  workspace_forbidden: 'blocked',
  workflow_forbidden: 'blocked',
  model_not_allowed: 'blocked',
  feature_not_allowed: 'blocked',
  unpriced_model: 'blocked',
  budget_exhausted: 'blocked',
  budget_held: 'blocked',
  // Our own limit, set by the operator; the provider's 429 is `rate_limited`.
  rate_limited: 'blocked',
  unknown_path: 'client_error',
  unknown_object: 'client_error',
  malformed: 'client_error',
  loop: 'client_error',
  too_large: 'client_error',
  overloaded: 'overloaded',
  draining: 'overloaded',
  ledger_unavailable: 'overloaded',
  upstream_unreachable: 'upstream_error',
  upstream_timeout: 'timeout',
} as const satisfies Record<RefusalReason, MetricOutcome>;

export const METRIC_ENDPOINT = {
  messages: 'messages',
  chat_completions: 'chat_completions',
  complete: 'complete',
  count_tokens: 'count_tokens',
  batches: 'batch',
  batch_results: 'batch',
  models: 'other',
  files: 'other',
  skills: 'other',
} as const satisfies Record<Endpoint, MetricEndpoint>;

/** Why an attempt was followed by another. */
export function retryReason(failed: Attempt): (typeof RETRY_REASONS)[number] {
  if (failed.outcome === 'connect_failed') return 'connect';
  if (failed.outcome === 'upstream_timeout') return 'timeout';
  if (failed.outcome === 'upstream_reset' || failed.outcome === 'upstream_protocol') return 'reset';
  const outcome = errorOutcome(failed);
  return outcome === 'rate_limited' || outcome === 'overloaded' || outcome === 'timeout' ? outcome : 'upstream_error';
}

/**
 * Which of its limits the provider said no for.
 * @param errorCode the provider's, where it is known: of the last try only
 */
export function strikingLimit({ limits }: Attempt, errorCode: string | null): (typeof STRIKING_LIMITS)[number] {
  if (errorCode?.endsWith('spend_limit_reached')) return 'spend';
  if (errorCode === 'ramp_limit_exceeded') return 'ramp';
  const empty = new Set(limits?.limits.filter(({ remaining }) => remaining === 0).map(({ dimension }) => dimension));
  // `tokens` repeats whichever of the two is nearer to its end.
  return SAID_EMPTY.find((dimension) => empty.has(dimension)) ?? 'other';
}

const SAID_EMPTY = ['input_tokens', 'output_tokens', 'requests', 'tokens'] as const satisfies HeadroomDimension[];

/**
 * Why a cost had to be estimated.
 * @param obstacle what kept an answer from being read; one that was read to a good end and yet told nothing is `usage_missing`
 */
export function incompleteReason(outcome: Outcome, obstacle: Reading['obstacle']): (typeof INCOMPLETE_REASONS)[number] {
  switch (outcome) {
    case 'client_abort':
    case 'drained':
    case 'upstream_reset':
    case 'upstream_timeout':
    case 'upstream_protocol':
      return outcome;
    case 'ok':
    case 'truncated':
      if (obstacle === null) return 'usage_missing';
      return obstacle === 'undecodable' ? 'undecodable' : 'unparsable';
    default:
      return 'upstream_error';
  }
}
