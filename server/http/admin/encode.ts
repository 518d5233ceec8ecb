// server/http/admin/encode.ts: from our words to those of the wire.

import { atRiskOf, limitOf, type Standing, type Scope } from '../../domain/budget.ts';
import type { VirtualKey } from '../../domain/directory.ts';
import type { Grant } from '../../domain/grant.ts';
import type { EpochMs } from '../../domain/ids.ts';
import { NO_MONEY, nanodollars, roundUpToNano, picodollars, usdString, type Nanodollars, type Picodollars } from '../../domain/money.ts';
import { priceKind, settledPriceKind, type CostLine, type PriceRow, type Rates } from '../../domain/price.ts';
import type { ToldLimits } from '../../domain/provider-limits.ts';
import type { ActionFigures, ActionGrouping, ActionsReport, CallDetail, CallRow, Grouping, UsageFigures, UsageRow, ReasonGrouping, ReasonsReport, ShapesReport, StepsReport, VerdictGrouping, VerdictsReport } from '../../domain/reports.ts';
import type { LimitRule, Limits, Policy } from '../../domain/settings.ts';
import type { Tokens } from '../../domain/usage.ts';
import { TOKEN_KIND_NAMES } from '../../domain/usage.ts';
import type * as wire from './wire.ts';

export const iso = (at: EpochMs | number): string => new Date(at).toISOString();
export const isoOrNull = (at: EpochMs | null): string | null => (at === null ? null : iso(at));

/** Pico-dollars as US dollars with twelve places, exact. */
export function exactUsd(amount: Picodollars): string {
  return scaled(amount, 12);
}

function scaled(amount: bigint, places: number): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(places + 1, '0');
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

export const tokens = (t: Tokens): wire.TokenCounts => ({
  input: t.input,
  cache_write_5m: t.cacheWrite5m,
  cache_write_1h: t.cacheWrite1h,
  cache_read: t.cacheRead,
  output: t.output,
});

export function usageFigures(f: UsageFigures): wire.UsageFigures {
  return {
    requests: f.requests,
    attempts: f.attempts,
    refused: f.refused,
    errors: f.errors,
    tokens: tokens(f.tokens),
    web_searches: f.webSearches,
    cost_usd: usdString(f.cost),
    estimated_cost_usd: usdString(f.estimatedCost),
    cache_savings_usd: usdString(f.cacheSavings),
    duration_ms: { p50: f.duration.p50, p95: f.duration.p95 },
    ttft_ms: { p50: f.timeToFirstToken.p50, p95: f.timeToFirstToken.p95 },
  };
}

const TIME_GROUPINGS: ReadonlySet<Grouping> = new Set(['hour', 'day', 'month']);

/** Times become ISO 8601; everything else stays what it is. */
export function usageRow(row: UsageRow, groupBy: readonly Grouping[]): wire.UsageRow {
  const group = Object.fromEntries(
    groupBy.map((name) => {
      const value = row.group[name] ?? null;
      return [name, TIME_GROUPINGS.has(name) && typeof value === 'number' ? iso(value) : value];
    }),
  );
  return { ...group, ...usageFigures(row), ...(row.lastAt === undefined ? {} : { last_at: iso(row.lastAt) }) };
}

export function actionsAnswer(report: ActionsReport, { from, to }: { from: EpochMs; to: EpochMs }, groupBy: readonly ActionGrouping[]): wire.ActionsAnswer {
  const usdOrNull = (amount: Nanodollars | null): string | null => (amount === null ? null : usdString(amount));
  const figures = (f: ActionFigures): wire.ActionFigures => ({ actions: f.actions, calls: f.calls, named_calls: f.named, cost_usd: usdString(f.cost), per_action_usd: { p50: usdOrNull(f.p50), p95: usdOrNull(f.p95) } });
  return {
    from: iso(from),
    to: iso(to),
    counted_from: iso(report.from),
    group_by: [...groupBy],
    rows: report.rows.map((row) => ({ ...Object.fromEntries(groupBy.map((name) => [name, typeof row.group[name] === 'number' ? iso(row.group[name]) : row.group[name]])), ...figures(row) })),
    total: figures(report.total),
    steps: report.steps.map((step) => ({ from_usd: usdString(step.from), to_usd: usdString(step.to), actions: step.actions })),
    dearest: report.dearest.map(({ cost, at, ...rest }) => ({ ...rest, cost_usd: usdString(cost), at: iso(at) })),
  };
}

export function shapesAnswer(report: ShapesReport, { from, to }: { from: EpochMs; to: EpochMs }): wire.ShapesAnswer {
  return {
    from: iso(from),
    to: iso(to),
    counted_from: iso(report.from),
    calls: report.calls,
    sizes: report.sizes.map((step) => ({ from_tokens: step.from, to_tokens: step.to, answers: step.answers })),
    speeds: report.speeds.map(({ model, answers, p50, p5 }) => ({ model, answers, tokens_per_second: { p50, p5 } })),
    overhead_ms: report.overhead,
  };
}

export function reasonsAnswer(report: ReasonsReport, { from, to }: { from: EpochMs; to: EpochMs }, groupBy: readonly ReasonGrouping[]): wire.ReasonsAnswer {
  return {
    from: iso(from),
    to: iso(to),
    group_by: [...groupBy],
    rows: report.rows.map(({ outcome, status, reason, group, calls }) => ({
      outcome, status, reason, calls, ...Object.fromEntries(Object.entries(group).map(([name, value]) => [name, typeof value === 'number' ? iso(value) : value])),
    })),
    total: report.total,
  };
}

export function verdictsAnswer(report: VerdictsReport, { from, to }: { from: EpochMs; to: EpochMs }, groupBy: readonly VerdictGrouping[]): wire.VerdictsAnswer {
  const rows = report.rows.map(({ policy, verdict, group, calls }) => ({ policy, verdict, calls, ...Object.fromEntries(Object.entries(group).map(([name, value]) => [name, typeof value === 'number' ? iso(value) : value])) }));
  return { from: iso(from), to: iso(to), group_by: [...groupBy], rows, total: report.total };
}

export function requestRow(row: CallRow): wire.RequestRow {
  return {
    id: row.id,
    admitted_at: iso(row.admittedAt),
    ended_at: isoOrNull(row.endedAt),
    workspace: row.workspace,
    workflow: row.workflow,
    user: row.user,
    session: row.session,
    action: row.action,
    tags: { ...row.tags },
    key_id: row.key,
    endpoint: row.endpoint,
    stream: row.stream,
    model_requested: row.modelRequested,
    model_served: row.modelServed,
    outcome: row.outcome,
    status: row.status,
    refusal: row.refusal,
    tokens: tokens(row.tokens),
    server_tools: { web_search: row.serverTools.webSearch, web_fetch: row.serverTools.webFetch, code_execution: row.serverTools.codeExecution },
    cost_usd: usdString(row.cost),
    settled_cost_usd: usdString(row.settledCost),
    corrections: row.corrections,
    held_usd: usdString(row.held),
    estimated: row.estimated,
    estimate_method: row.estimateMethod,
    cache_savings_usd: usdString(row.cacheSavings),
    price_version: row.priceVersion,
    price_kind: settledPriceKind(row.priceVersion, row.estimateMethod),
    ttft_ms: row.timeToFirstTokenMs,
    duration_ms: row.durationMs,
    overhead_ms: row.overheadMs,
    attempts: row.attempts,
    client_retry: row.clientRetry,
    stop_reason: row.stopReason,
    error_type: row.errorType,
    upstream_request_id: row.upstreamRequestId,
    batch_id: row.batchId,
    custom_id: row.customId,
    trace_id: row.traceId,
  };
}

export function requestDetail(detail: CallDetail, lines: readonly CostLine[]): wire.RequestAnswer {
  const sum = picodollars(lines.reduce((total, line) => total + line.amount, 0n));
  return {
    request: requestRow(detail.row),
    attempts: detail.attempts.map((a) => ({
      number: a.number,
      started_at: iso(a.startedAt),
      status: a.status,
      outcome: a.outcome,
      upstream_request_id: a.upstreamRequestId,
      headers_ms: a.headersMs,
      duration_ms: a.durationMs,
      client_wait_ms: a.clientWaitMs ?? null,
      error_type: a.errorType,
      failover: a.failover ?? null,
      limits: a.limits ? toldLimits(a.limits) : null,
    })),
    cost_lines: lines.map((line) => ({
      kind: line.kind === 'web_search' || line.kind === 'code_execution' ? line.kind : TOKEN_KIND_NAMES[line.kind],
      model: line.model,
      quantity: line.quantity,
      unit_price_usd: exactUsd(line.unitPrice),
      amount_usd: exactUsd(line.amount),
      factors: [...line.factors],
      price_version: line.priceVersion,
      price_kind: priceKind(line.priceVersion),
      source: detail.prices.find((row) => row.version === line.priceVersion)?.source ?? '',
    })),
    cost_lines_usd: exactUsd(sum),
    cost_note: roundUpToNano(sum) === detail.row.cost ? null : whyLinesDiffer(detail.row),
    corrections: detail.corrections.map((c) => ({
      at: iso(c.at),
      run: c.run,
      reason: c.reason,
      actor: c.actor,
      difference_usd: usdString(c.difference),
      cost_usd: usdString(c.cost),
      estimated: c.estimated,
      estimate_method: c.estimateMethod,
      price_version: c.priceVersion,
      price_kind: settledPriceKind(c.priceVersion, c.estimateMethod) ?? priceKind(c.priceVersion),
    })),
    decisions: detail.decisions.map(({ rule, verdict, detail: figures }) => ({ rule, verdict, detail: figures })),
    usage_parts: detail.parts.map((part) => ({ type: part.type, model: part.model, tokens: tokens(part.tokens) })),
    speed: detail.speed,
    service_tier: detail.serviceTier,
    inference_geo: detail.inferenceGeo,
  };
}

const toldLimits = ({ limits, retryAfterSeconds }: ToldLimits): wire.AttemptRow['limits'] => ({
  rows: limits.map(({ dimension, limit, remaining, resetAt }) => ({ dimension, limit, remaining, reset_at: isoOrNull(resetAt) })),
  retry_after_s: retryAfterSeconds,
});

export const stepsAnswer = ({ traces, calls, from: countedFrom, rows }: StepsReport, { from, to }: { readonly from: EpochMs; readonly to: EpochMs }, { mostTraces, mostCalls }: { readonly mostTraces: number; readonly mostCalls: number }): wire.StepsAnswer => ({
  from: iso(from),
  to: iso(to),
  most_traces: mostTraces,
  most_calls: mostCalls,
  traces,
  calls,
  counted_from: iso(countedFrom),
  rows: rows.map((row) => ({
    step: row.step, calls: row.calls, traces: row.traces, model: row.model, model_calls: row.modelCalls, tool_use_calls: row.toolUse,
    cost_usd: { p50: usdString(row.cost.p50), p95: usdString(row.cost.p95) }, tokens: row.tokens, duration_ms: row.durationMs, dearest_trace: row.dearestTrace,
  })),
});

function whyLinesDiffer(row: CallRow): string {
  if (row.outcome === null) return 'The call is still in flight; its cost is not settled.';
  if (row.estimated) return `The cost is an estimate${row.estimateMethod === null ? '' : ` (${row.estimateMethod})`}; the lines show only what was counted.`;
  return 'The lines do not sum to the cost of the row; the cost of the row is what budgets and reports count.';
}

export function scope(s: Scope): wire.ScopeAnswer {
  const given = Object.fromEntries(Object.entries({ workspace: s.workspace, workflow: s.workflow, key: s.key, user: s.user, model: s.model }).filter(([, value]) => value !== null));
  return Object.keys(given).length === 0 ? { organization: true } : given;
}

export function budgetRow(standing: Standing, alerts: wire.BudgetRow['alerts'], forecast: { p50: string; p90: string } | null, grants: readonly Grant[], told: readonly string[]): wire.BudgetRow {
  const { budget, period, spent, held, expected = held } = standing;
  return {
    id: budget.id,
    scope: scope(budget.scope),
    mode: budget.mode,
    dry_run: budget.dryRun === true,
    period: { kind: period.kind, from: iso(period.from), to: iso(period.to) },
    limit_usd: usdString(budget.limit),
    tolerance_usd: usdString(budget.tolerance),
    granted_usd: usdString(standing.granted ?? NO_MONEY),
    grants: grants.map(grantRow),
    spent_usd: usdString(spent),
    held_usd: usdString(held),
    hold: budget.expected === undefined ? 'worst_case' : 'expected',
    expected_usd: usdString(expected),
    overshoot_usd: usdString(nanodollars(budget.tolerance + (budget.expected?.overshoot ?? NO_MONEY))),
    at_risk_usd: scaled(atRiskOf(standing), 9),
    remaining_usd: scaled(limitOf(standing) - spent - expected, 9),
    refused: standing.refused === undefined ? null : { calls: standing.refused.calls, last_at: iso(standing.refused.lastAt) },
    forecast_usd: forecast,
    alerts,
    notify: [...told],
  };
}

export const grantRow = (grant: Grant): wire.GrantRow => ({
  id: grant.id,
  budget: grant.budget,
  amount_usd: usdString(grant.amount),
  created_at: iso(grant.createdAt),
  until: iso(grant.until),
  reason: grant.reason,
  actor: grant.actor,
  revoked_at: isoOrNull(grant.revokedAt),
});

export function keyRow(key: VirtualKey, now: EpochMs): wire.KeyRow {
  return {
    id: key.id,
    workspace: key.workspace,
    workflow: key.workflow,
    workflows: key.workflows === null ? null : [...key.workflows],
    origin: key.origin,
    state: key.revokedAt !== null && key.revokedAt <= now ? 'revoked' : key.expiresAt !== null && key.expiresAt <= now ? 'expired' : 'active',
    created_at: isoOrNull(key.createdAt),
    expires_at: isoOrNull(key.expiresAt),
    revoked_at: isoOrNull(key.revokedAt),
    last_used_at: isoOrNull(key.lastUsedAt),
    hint: key.hint,
  };
}

/** Pico-dollars per token are millionths of a dollar per million tokens. */
const rates = (r: Rates) => ({
  input: scaled(r.input, 6),
  cache_write_5m: scaled(r.cacheWrite5m, 6),
  cache_write_1h: scaled(r.cacheWrite1h, 6),
  cache_read: scaled(r.cacheRead, 6),
  output: scaled(r.output, 6),
});

export function priceRow(row: PriceRow, inForce: boolean): wire.PriceRowAnswer {
  const { longPrompt } = row;
  return {
    version: row.version,
    model: row.model,
    kind: row.contract === undefined ? 'list' : 'contract',
    contract: row.contract === undefined ? null : { name: row.contract.name, until: isoOrNull(row.contract.until) },
    effective_from: iso(row.effectiveFrom),
    in_force: inForce,
    usd_per_mtok: {
      standard: rates(row.standard),
      batch: rates(row.batch),
      fast: row.fast === null ? null : rates(row.fast),
      long_prompt: longPrompt === null ? null : { above_tokens: longPrompt.aboveTokens, standard: rates(longPrompt.standard), batch: rates(longPrompt.batch) },
    },
    us_inference: { numerator: Number(row.usInference.numerator), denominator: Number(row.usInference.denominator) },
    web_search_fee_usd: exactUsd(row.webSearchFee),
    code_execution_fee_usd: row.codeExecutionFee === undefined ? null : exactUsd(row.codeExecutionFee),
    context_window_tokens: row.contextWindowTokens,
    max_output_tokens: row.maxOutputTokens,
    min_cacheable_tokens: row.minCacheableTokens,
    retirement: row.ends ?? null,
    source: row.source,
    verified_on: row.verifiedOn,
  };
}

const rateLimits = (limits: Limits) => ({
  requests_per_minute: limits.requestsPerMinute,
  input_tokens_per_minute: limits.inputTokensPerMinute,
  output_tokens_per_minute: limits.outputTokensPerMinute,
  concurrent: limits.concurrent,
});

export const limitRule = ({ id, scope, each, limits }: LimitRule) => ({
  id,
  scope: {
    ...(scope.workspace === null ? {} : { workspace: scope.workspace }), ...(scope.workflow === null ? {} : { workflow: scope.workflow }),
    ...(scope.key === null ? {} : { key: scope.key }), ...(scope.modelClass === null ? {} : { model_class: scope.modelClass }),
  },
  each,
  limits: rateLimits(limits),
  dry_run: limits.dryRun === true,
});

export const policy = (p: Policy) => ({
  models: { allow: p.models.allow === null ? null : [...p.models.allow], deny: [...p.models.deny], alias: Object.fromEntries(p.models.alias) },
  limits: rateLimits(p.limits),
  max_output_tokens: p.maxOutputTokens,
  cheaper_models: p.cheaper === undefined ? null : { budget: p.cheaper.budget, at: p.cheaper.at / 1_000_000, models: Object.fromEntries(p.cheaper.models), dry_run: p.cheaper.dryRun === true },
  unbounded_hold_usd: p.flatHold === undefined ? null : usdString(p.flatHold),
  priority: p.priority ?? null,
  features: p.features === undefined ? null : { allow: [...p.features.allow], deny: [...p.features.deny] },
  dry_run: [
    ...(p.models.dryRun ? (['models'] as const) : []), ...(p.features?.dryRun ? (['features'] as const) : []),
    ...(p.limits.dryRun ? (['limits'] as const) : []), ...(p.maxOutputDryRun ? (['max_output_tokens'] as const) : []),
    ...(p.cheaper?.dryRun ? (['cheaper_models'] as const) : []),
  ],
});
