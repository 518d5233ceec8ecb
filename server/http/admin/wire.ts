// server/http/admin/wire.ts: what crosses the wire of the admin API: a schema and a type for every request and every answer.
//
// Money is a decimal string of US dollars, tokens are whole numbers, times are ISO 8601 in UTC with milliseconds, durations
// are milliseconds. Answers may gain fields; a field that is here keeps its name and its meaning.

import { z } from 'zod';
import { GRADES, LEVERS, SAVING_STATES } from '../../domain/advice.ts';
import { FOCUS_VERSIONS, GRAINS } from '../../bill/focus.ts';
import { ALERT_RULES, SEVERITIES } from '../../domain/alert.ts';
import { PERIODS } from '../../domain/calendar.ts';
import { ENDPOINTS, OUTCOMES } from '../../domain/call.ts';
import { NAME_PATTERN } from '../../domain/ids.ts';
import { ACTION_GROUPINGS, GROUPINGS } from '../../domain/reports.ts';

/* ── atoms ── */

/** US dollars with nine places, e.g. `"0.000400000"`. */
export const Money = z.string().regex(/^-?\d+\.\d{9}$/).describe('US dollars, nine places');
/** US dollars with twelve places: exact, before a row is rounded. */
export const ExactMoney = z.string().regex(/^-?\d+\.\d{12}$/).describe('US dollars, twelve places, exact');
/** US dollars per million tokens, six places, exact. */
export const Rate = z.string().regex(/^-?\d+\.\d{6}$/).describe('US dollars per million tokens, six places, exact');
export const Instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/).describe('ISO 8601, UTC, milliseconds');
const Count = z.int().nonnegative();
const Milliseconds = z.number().nonnegative().describe('milliseconds');
const Name = z.string().regex(NAME_PATTERN).describe('lower-case letters, digits, dot, underscore, hyphen; 1 to 64 characters');

export const TokenCounts = z.object({
  input: Count.describe('prompt tokens neither read from nor written to the cache'),
  cache_write_5m: Count,
  cache_write_1h: Count,
  cache_read: Count,
  output: Count,
});
export type TokenCounts = z.infer<typeof TokenCounts>;

const ServerToolCounts = z.object({ web_search: Count, web_fetch: Count, code_execution: Count });
const Percentiles = z.object({ p50: Milliseconds.nullable(), p95: Milliseconds.nullable() });
const Outcome = z.enum(OUTCOMES);
const Endpoint = z.enum(ENDPOINTS);

/** How every call that fails answers, with a 4xx or a 5xx. */
export const ErrorAnswer = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
export type ErrorAnswer = z.infer<typeof ErrorAnswer>;

/* ── queries: what may stand behind the question mark ── */

const time = (when: string) => z.string().max(40).optional().describe(`${when}: ISO 8601, milliseconds since the epoch, \`now\`, or \`now-7d\` (units s m h d w)`);
const repeatable = (what: string) => z.array(z.string().max(256)).max(200).optional().describe(`${what}; may be repeated, any of them matches`);

/** A whole number in a query string, within bounds. */
const limit = (most: number, usual: number) =>
  z.string().regex(/^\d{1,9}$/, 'expected a whole number').transform(Number).pipe(z.int().min(1).max(most)).optional().describe(`at most this many rows, 1 to ${most}; ${usual} unless told`);

/** The time range and filters that every list takes. `user` and `key` match calls without one as the empty string. */
const range = { from: time('from, in it; seven days ago unless told'), to: time('to, not in it; now unless told') };
const filters = {
  workspace: repeatable('workspace'),
  workflow: repeatable('workflow'),
  user: repeatable('user; empty for calls without one'),
  model: repeatable('model served'),
  key: repeatable('virtual key id; empty for calls without one'),
  outcome: z.array(z.enum(OUTCOMES)).max(OUTCOMES.length).optional().describe('may be repeated, any of them matches'),
  session: repeatable('session'),
  action: repeatable('action'),
  refusal: repeatable('why we said no, e.g. budget_exhausted'),
  error: repeatable('type of the error that a call ended with, e.g. overloaded_error'),
  tag: repeatable('a tag as name=value'),
  estimated: z.enum(['true', 'false']).optional().describe('whether the cost came from something else than complete usage'),
};
const cursor = z.string().max(200).optional().describe('`next_cursor` of the page before');

export const LIMITS = { requests: 1_000, usage: 10_000, audit: 1_000, keys: 1_000, facets: 200 } as const;

export const UsageQuery = z.strictObject({
  ...range,
  group_by: z.string().max(200).optional().describe(`a comma-separated list of ${GROUPINGS.join(', ')}`),
  limit: limit(LIMITS.usage, 1_000),
  ...filters,
});
export type UsageQuery = z.input<typeof UsageQuery>;

export const ActionsQuery = z.strictObject({ ...range, group_by: z.string().max(200).optional().describe(`a comma-separated list of ${ACTION_GROUPINGS.join(', ')}`), ...filters });
export type ActionsQuery = z.input<typeof ActionsQuery>;

export const RequestsQuery = z.strictObject({ ...range, limit: limit(LIMITS.requests, 100), cursor, ...filters });
export type RequestsQuery = z.input<typeof RequestsQuery>;

export const FacetsQuery = z.strictObject({ ...range, limit: limit(LIMITS.facets, 50) });
export type FacetsQuery = z.input<typeof FacetsQuery>;

export const UsageExportQuery = z.strictObject({ ...range, group_by: UsageQuery.shape.group_by, limit: UsageQuery.shape.limit, ...filters });
export type UsageExportQuery = z.input<typeof UsageExportQuery>;
export const RequestsExportQuery = z.strictObject({ ...range, ...filters });
export type RequestsExportQuery = z.input<typeof RequestsExportQuery>;

export const StatementQuery = z.strictObject({ workspace: z.string().min(1).max(256).describe('whose'), month: z.string().regex(/^\d{4}-\d\d$/, 'expected a month such as 2026-11').optional().describe('of the reporting time zone; the running one unless told') });
export type StatementQuery = z.input<typeof StatementQuery>;
export const FocusExportQuery = z.strictObject({ ...range, version: z.enum(FOCUS_VERSIONS).default('1.2').describe('of FOCUS'), grain: z.enum(GRAINS).default('day').describe('of a charge period') });
export type FocusExportQuery = z.input<typeof FocusExportQuery>;

export const AuditQuery = z.strictObject({ limit: limit(LIMITS.audit, 100), cursor });
export type AuditQuery = z.input<typeof AuditQuery>;
export const KeysQuery = z.strictObject({ limit: limit(LIMITS.keys, 1_000), cursor });
export type KeysQuery = z.input<typeof KeysQuery>;
export const NoQuery = z.strictObject({});

/* ── usage ── */

export const UsageFigures = z.object({
  requests: Count.describe('calls by clients, refused ones included'),
  attempts: Count.describe('tries on the wire'),
  refused: Count.describe('our own no'),
  errors: Count.describe("outcomes that are neither ok, truncated, refused nor the client's own leaving"),
  tokens: TokenCounts,
  web_searches: Count,
  cost_usd: Money,
  estimated_cost_usd: Money.describe('the part of cost_usd that is estimated'),
  cache_savings_usd: Money.describe('what cache reads saved less what cache writes cost extra; can be negative'),
  duration_ms: Percentiles,
  ttft_ms: Percentiles,
});
export type UsageFigures = z.infer<typeof UsageFigures>;

/** Only the keys that were grouped by are there; a null user, key or model means that the calls had none. */
export const UsageRow = UsageFigures.extend({
  workspace: z.string().optional(),
  workflow: z.string().optional(),
  user: z.string().nullable().optional(),
  model: z.string().nullable().optional(),
  key: z.string().nullable().optional(),
  outcome: z.string().optional(),
  hour: Instant.optional().describe('the instant at which the hour begins'),
  day: Instant.optional().describe('the instant at which the day begins in `timezone`'),
  month: Instant.optional().describe('the instant at which the month begins in `timezone`'),
});
export type UsageRow = z.infer<typeof UsageRow>;

export const UsageAnswer = z.object({
  from: Instant,
  to: Instant,
  timezone: z.string(),
  group_by: z.array(z.enum(GROUPINGS)),
  rows: z.array(UsageRow),
  truncated: z.boolean().describe('true when `limit` left rows out; they are in `total` all the same'),
  total: UsageFigures,
});
export type UsageAnswer = z.infer<typeof UsageAnswer>;

export const FacetsAnswer = z.object({
  workspace: z.array(z.string()),
  workflow: z.array(z.string()),
  user: z.array(z.string()),
  model: z.array(z.string()),
  key: z.array(z.string()),
  outcome: z.array(z.string()),
});
export type FacetsAnswer = z.infer<typeof FacetsAnswer>;

/* ── actions ── */

const ActionFigures = z.object({
  actions: Count.describe('calls of one workflow that name one action are one; a call that names none is one by itself; refused calls are none'),
  calls: Count,
  named_calls: Count.describe('of the calls, those that name their action'),
  cost_usd: Money,
  per_action_usd: z.object({ p50: Money.nullable(), p95: Money.nullable() }).describe('exact, by nearest rank'),
});
export type ActionFigures = z.infer<typeof ActionFigures>;
export const ActionsRow = ActionFigures.extend({ workspace: z.string().optional(), workflow: z.string().optional(), hour: Instant.optional(), day: Instant.optional(), month: Instant.optional() });
export type ActionsRow = z.infer<typeof ActionsRow>;

export const ActionsAnswer = z.object({
  from: Instant,
  to: Instant,
  counted_from: Instant.describe('later than `from` where more calls matched than are read at once'),
  group_by: z.array(z.enum(ACTION_GROUPINGS)),
  rows: z.array(ActionsRow).describe('the dearest first'),
  total: ActionFigures,
  steps: z.array(z.object({ from_usd: Money, to_usd: Money, actions: Count })).describe('actions by cost, in steps of 1, 2 and 5 times a power of ten, half-open; those that cost nothing are left out'),
  dearest: z.array(z.object({ workspace: z.string(), workflow: z.string(), action: z.string(), calls: Count, cost_usd: Money, at: Instant.describe('of its first call') })).describe('the ten dearest that were named'),
});
export type ActionsAnswer = z.infer<typeof ActionsAnswer>;

/* ── requests ── */

export const RequestRow = z.object({
  id: z.string(),
  admitted_at: Instant,
  ended_at: Instant.nullable().describe('null while the call is in flight'),
  workspace: z.string(),
  workflow: z.string(),
  user: z.string().nullable(),
  session: z.string().nullable(),
  action: z.string().nullable(),
  tags: z.record(z.string(), z.string()),
  key_id: z.string().nullable(),
  endpoint: Endpoint,
  stream: z.boolean(),
  model_requested: z.string().nullable(),
  model_served: z.string().nullable(),
  outcome: Outcome.nullable().describe('null while the call is in flight'),
  status: z.int().nullable(),
  refusal: z.string().nullable(),
  tokens: TokenCounts,
  server_tools: ServerToolCounts,
  cost_usd: Money.describe('corrections included'),
  settled_cost_usd: Money.describe('what it was booked at when it ended'),
  corrections: Count.describe('how many corrections changed it since'),
  held_usd: Money.describe('what was held from the budgets when the call left'),
  estimated: z.boolean(),
  estimate_method: z.string().nullable(),
  cache_savings_usd: Money,
  price_version: z.string().nullable(),
  price_kind: z.enum(['list', 'contract', 'ceiling']).nullable().describe('whose price it is; ceiling: the dearest known rates, for a model that the price book did not know'),
  ttft_ms: Milliseconds.nullable(),
  duration_ms: Milliseconds.nullable(),
  overhead_ms: Milliseconds.nullable(),
  attempts: Count,
  client_retry: Count.nullable(),
  stop_reason: z.string().nullable(),
  error_type: z.string().nullable(),
  upstream_request_id: z.string().nullable(),
  batch_id: z.string().nullable().describe('of the batch that the call created, or whose results it was booked from'),
  custom_id: z.string().nullable().describe('the name of the item in its batch'),
});
export type RequestRow = z.infer<typeof RequestRow>;

export const RequestsAnswer = z.object({ from: Instant, to: Instant, rows: z.array(RequestRow), next_cursor: z.string().nullable() });
export type RequestsAnswer = z.infer<typeof RequestsAnswer>;

export const AttemptRow = z.object({
  number: z.int().positive(),
  started_at: Instant,
  status: z.int().nullable(),
  outcome: Outcome,
  upstream_request_id: z.string().nullable(),
  headers_ms: Milliseconds.nullable(),
  duration_ms: Milliseconds,
  error_type: z.string().nullable(),
  failover: z.string().nullable().describe('the place of `upstream.failover` that it went to; null: the upstream itself'),
});
export type AttemptRow = z.infer<typeof AttemptRow>;

export const CostLineRow = z.object({
  kind: z.enum(['input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search', 'code_execution']),
  model: z.string(),
  quantity: Count,
  unit_price_usd: ExactMoney.describe('per token, or per use of a tool; every factor applied'),
  amount_usd: ExactMoney,
  factors: z.array(z.string()).describe("what made the price what it is, e.g. 'batch x0.5'"),
  price_version: z.string(),
  price_kind: z.enum(['list', 'contract', 'ceiling']).describe('ceiling: the dearest known rates, for a model that the price book did not know'),
  source: z.string().describe('where the price was read; empty when the price row is not known'),
});
export type CostLineRow = z.infer<typeof CostLineRow>;

export const DecisionRow = z.object({ rule: z.string(), verdict: z.enum(['allow', 'refuse', 'would_refuse', 'rewrite']), detail: z.string().nullable() });
export type DecisionRow = z.infer<typeof DecisionRow>;

export const RequestAnswer = z.object({
  request: RequestRow,
  attempts: z.array(AttemptRow),
  cost_lines: z.array(CostLineRow),
  cost_lines_usd: ExactMoney.describe('the exact sum of the lines'),
  cost_note: z.string().nullable().describe("says why the lines do not sum to the row's cost; null when they do"),
  corrections: z.array(
    z.object({
      at: Instant,
      run: z.string(),
      reason: z.string(),
      actor: z.string(),
      difference_usd: Money,
      cost_usd: Money.describe('from then on'),
      estimated: z.boolean(),
      estimate_method: z.string().nullable(),
      price_version: z.string(),
      price_kind: z.enum(['list', 'contract', 'ceiling']),
    }),
  ),
  decisions: z.array(DecisionRow),
  usage_parts: z.array(z.object({ type: z.string(), model: z.string().nullable(), tokens: TokenCounts })),
  speed: z.string().nullable(),
  service_tier: z.string().nullable(),
  inference_geo: z.string().nullable(),
});
export type RequestAnswer = z.infer<typeof RequestAnswer>;

/* ── statement ── */

export const StatementLine = z.object({
  workflow: z.string(),
  model: z.string(),
  kind: z.enum(['input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search', 'code_execution', 'unexplained', 'past_rows']).describe('unexplained: a cost that no usage makes up, e.g. what was held at a crash; past_rows: days of which only sums are kept'),
  factors: z.array(z.string()).describe("what made the price what it is, e.g. 'batch x0.5'"),
  calls: Count,
  quantity: Count.describe('tokens, or uses of a tool'),
  unit_price_usd: ExactMoney.nullable().describe('per token or use, every factor applied'),
  amount_usd: Money.describe('the lines add up to total_usd'),
  amount_cents_usd: z.string().regex(/^-?\d+\.\d\d$/).describe('rounded by largest remainder: the lines add up to total_cents_usd'),
});
export type StatementLine = z.infer<typeof StatementLine>;

export const StatementAnswer = z.object({
  workspace: z.string(),
  month: z.string().describe('e.g. 2026-11'),
  period: z.object({ from: Instant, to: Instant }),
  until: Instant.describe('the end of the month, or now while it runs'),
  timezone: z.string(),
  running: z.boolean().describe('true while the month is not over: calls still come'),
  made_at: Instant,
  rows_from: Instant.nullable().describe('where single calls begin; what came before stands as sums. Null: every call of the month is kept'),
  calls: Count.describe('calls that were sent'),
  lines: z.array(StatementLine),
  total_usd: Money,
  total_cents_usd: z.string(),
  estimated_usd: Money,
  exact_ratio: z.number().min(0).max(1).nullable(),
  cache_savings_usd: Money,
  price_versions: z.array(z.object({ version: z.string(), kind: z.enum(['list', 'contract', 'ceiling']) })),
  actions: z.object({ actions: Count, per_action_usd: Money.describe('the mean') }).nullable(),
  budgets: z.array(z.object({ id: z.string(), limit_usd: Money, left_usd: Money.describe('negative when overspent') })).describe('monthly ones of exactly this workspace, as they are now'),
  trend: z.array(z.object({ month: z.string(), cost_usd: Money })).describe('up to six months, this one last'),
});
export type StatementAnswer = z.infer<typeof StatementAnswer>;

/* ── budgets, limits, policies, prices, audit, alerts ── */

/** Every field given must match; `organization: true` stands alone. */
export const ScopeAnswer = z.object({
  organization: z.literal(true).optional(),
  workspace: z.string().optional(),
  workflow: z.string().optional(),
  key: z.string().optional(),
  user: z.string().optional(),
  model: z.string().optional(),
});
export type ScopeAnswer = z.infer<typeof ScopeAnswer>;

const AlertState = z.object({
  at: z.number().positive().describe('the fraction of the limit, e.g. 0.8'),
  state: z.enum(['ok', 'firing']),
  since: Instant.nullable().describe('null when not firing, or when it is not known since when'),
});

export const GrantRow = z.object({
  id: z.string(),
  budget: z.string(),
  amount_usd: Money,
  created_at: Instant,
  until: Instant.describe('when it ends by itself'),
  reason: z.string(),
  actor: z.string(),
  revoked_at: Instant.nullable().describe('null when it was not ended early'),
});
export type GrantRow = z.infer<typeof GrantRow>;

export const BudgetRow = z.object({
  id: z.string(),
  scope: ScopeAnswer,
  mode: z.enum(['hard', 'soft']),
  dry_run: z.boolean().describe('true only records what it would refuse'),
  period: z.object({ kind: z.enum(PERIODS), from: Instant, to: Instant }),
  limit_usd: Money,
  granted_usd: Money.describe('what grants in force add to the limit'),
  grants: z.array(GrantRow).describe('those in force'),
  tolerance_usd: Money,
  spent_usd: Money,
  held_usd: Money.describe('what calls in flight may still cost'),
  hold: z.enum(['worst_case', 'expected']).describe('what calls in flight count as'),
  expected_usd: Money.describe('what calls in flight count as: held_usd, or what they will probably cost'),
  overshoot_usd: Money.describe('how far a hard budget lets the worst case of calls in flight stand above the limit: its tolerance, and with `hold: expected` its overshoot'),
  at_risk_usd: Money.describe('by how much the limit would be passed if every call in flight cost the most it can'),
  remaining_usd: Money.describe('limit and grants less spent and expected; negative when overspent'),
  forecast_usd: z.object({ p50: Money, p90: Money }).nullable().describe('at the end of the period; null while there is too little to go by'),
  alerts: z.array(AlertState),
  notify: z.array(z.string()),
});
export type BudgetRow = z.infer<typeof BudgetRow>;
export const BudgetsAnswer = z.object({ at: Instant, timezone: z.string(), rows: z.array(BudgetRow) });
export type BudgetsAnswer = z.infer<typeof BudgetsAnswer>;

export const LimitsAnswer = z.object({
  at: Instant,
  course: z
    .object({
      at: z.array(Instant).describe('the end of each minute, oldest first; at most six hours, since the start of the gateway'),
      in_flight: z.array(Count),
      series: z.array(z.object({ credential: z.string(), model_class: z.string(), dimension: z.enum(['requests', 'tokens', 'input_tokens', 'output_tokens']), lowest: z.array(z.number().min(0).max(1).nullable()).describe("the least left of the provider's limit in each minute; null where nothing was told") })),
    })
    .describe('room at the provider and calls in flight, minute by minute'),
  provider: z.array(
    z.object({
      credential: z.string().describe('the name of the provider key, never the key'),
      model_class: z.string(),
      dimension: z.enum(['requests', 'tokens', 'input_tokens', 'output_tokens']),
      limit: Count,
      remaining: Count,
      reset_at: Instant.nullable(),
      seen_at: Instant,
    }),
  ),
  own: z.array(
    z.object({
      scope: z.string().describe('`workspace`, `workspace/workflow`, or the id of one of `limits` and what of it these are, e.g. `each-key (key triage-prod)`'),
      dimension: z.enum(['requests', 'input_tokens', 'output_tokens', 'concurrent']),
      limit: z.number().nonnegative().describe('per minute, but for concurrent'),
      remaining: z.number(),
    }),
  ),
  retries: z.object({
    on: z.array(z.int()).describe('statuses after which a call is tried again'),
    most: Count.describe('further tries of one call at most'),
    max_wait_ms: Milliseconds,
    budget: z.number().describe('further tries as a part of the calls'),
    failover: z.array(z.string()).describe('places of `upstream.failover`, in their order'),
    rows: z.array(z.object({ credential: z.string(), left: Count.describe('further tries that may be made now') })).describe('provider keys that were in use since the start, where tries are configured'),
  }),
});
export type LimitsAnswer = z.infer<typeof LimitsAnswer>;

const rateLimits = {
  requests_per_minute: z.number().nullable(),
  input_tokens_per_minute: z.number().nullable(),
  output_tokens_per_minute: z.number().nullable(),
  concurrent: z.number().nullable(),
};

const policy = {
  models: z.object({ allow: z.array(z.string()).nullable(), deny: z.array(z.string()), alias: z.record(z.string(), z.string()) }),
  limits: z.object(rateLimits),
  max_output_tokens: Count.nullable(),
  cheaper_models: z.object({ budget: z.string(), at: z.number().describe('the share of the budget that must be spent'), models: z.record(z.string(), z.string()) }).nullable().describe('which models stand in for others in sessions that begin from then on; null: none'),
  unbounded_hold_usd: Money.nullable().describe('held, besides its bytes, for a call that may read more than it says; null: its worst case'),
  features: z.object({ allow: z.array(z.string()), deny: z.array(z.string()) }).nullable().describe('null allows every feature'),
  dry_run: z.array(z.enum(['models', 'features', 'limits', 'max_output_tokens'])).describe('rules that only record what they would refuse'),
};

export const PoliciesAnswer = z.object({
  config_file: z.string(),
  config_digest: z.string(),
  access: z.enum(['open', 'keys']),
  timezone: z.string(),
  unknown_model: z.enum(['ceiling', 'refuse']),
  on_abort: z.enum(['drain', 'cut']),
  requests_retention_days: z.number(),
  max_in_flight: Count,
  workspaces: z.array(
    z.object({
      id: z.string(),
      upstream_key: z.string(),
      open_workflows: z.boolean(),
      ...policy,
      workflows: z.array(z.object({ id: z.string(), ...policy })),
    }),
  ),
  limits: z.array(
    z.object({
      id: z.string(),
      scope: z.object({ workspace: z.string().optional(), workflow: z.string().optional(), key: z.string().optional(), model_class: z.string().optional() }).describe('every field given must match; none is every call'),
      each: z.enum(['key', 'model_class']).nullable().describe('a limit of its own for each of them; null: one for all'),
      limits: z.object(rateLimits),
      dry_run: z.boolean(),
    }),
  ).describe('limits by key and by class of models'),
});
export type PoliciesAnswer = z.infer<typeof PoliciesAnswer>;

const Rates = z.object({ input: Rate, cache_write_5m: Rate, cache_write_1h: Rate, cache_read: Rate, output: Rate });

export const PriceRowAnswer = z.object({
  version: z.string(),
  model: z.string(),
  kind: z.enum(['list', 'contract']),
  contract: z.object({ name: z.string(), until: Instant.nullable() }).nullable().describe('null for a list price; until is the first instant after it, null where it is open-ended'),
  effective_from: Instant,
  in_force: z.boolean().describe('true for the row that a call of this moment is priced with'),
  usd_per_mtok: z.object({
    standard: Rates,
    batch: Rates,
    fast: Rates.nullable(),
    long_prompt: z.object({ above_tokens: Count, standard: Rates, batch: Rates }).nullable(),
  }),
  us_inference: z.object({ numerator: Count, denominator: Count }).describe('the factor for US-only inference'),
  web_search_fee_usd: ExactMoney,
  code_execution_fee_usd: ExactMoney.nullable().describe('for a call that ran code: the least container time that is billed; null where none is charged'),
  context_window_tokens: Count,
  max_output_tokens: Count,
  min_cacheable_tokens: Count.nullable(),
  source: z.string(),
  verified_on: z.string(),
});
export type PriceRowAnswer = z.infer<typeof PriceRowAnswer>;
export const PricesAnswer = z.object({ at: Instant, rows: z.array(PriceRowAnswer) });
export type PricesAnswer = z.infer<typeof PricesAnswer>;

export const AuditRow = z.object({ id: Count, at: Instant, actor: z.string(), action: z.string(), subject: z.string(), detail: z.unknown().describe('an object; text where it was not JSON') });
export type AuditRow = z.infer<typeof AuditRow>;
export const AuditAnswer = z.object({ rows: z.array(AuditRow), next_cursor: z.string().nullable() });
export type AuditAnswer = z.infer<typeof AuditAnswer>;

export const AlertFiring = z.object({
  fingerprint: z.string().describe('rule, scope and period, e.g. `budget:support-month@2026-11-01T00:00Z`'),
  incident: z.string().describe('names this firing in every message about it; empty while pending'),
  rule: z.enum(ALERT_RULES),
  scope: z.string().describe('a budget, a workspace, a credential and model class, a key, a model, or `gateway`'),
  state: z.enum(['pending', 'firing', 'acked', 'resolved']),
  severity: z.enum(SEVERITIES),
  tier: Count,
  since: Instant.nullable().describe('null while pending'),
  resolved_at: Instant.nullable(),
  acknowledged_by: z.string().nullable(),
  value: z.number(),
  threshold: z.number(),
  peak: z.number(),
  unit: z.enum(['usd', 'ratio', 'count', 'days']),
  title: z.string(),
  text: z.string(),
  facts: z.array(z.object({ label: z.string(), value: z.string() })),
  notify: z.array(z.string()).nullable().describe('channels; null: every one'),
});
export type AlertFiring = z.infer<typeof AlertFiring>;

export const AlertDelivery = z.object({
  id: z.string(),
  message: z.string().describe('stays the same over retries'),
  at: Instant,
  rule: z.string().describe('the rules that the message is about'),
  channel: z.string(),
  attempt: Count,
  result: z.enum(['delivered', 'retry', 'dead', 'collapsed']),
  status: z.number().nullable().describe('of HTTP or SMTP; null without an answer'),
  duration_ms: Milliseconds,
  detail: z.string().describe('what the receiver said, without secrets'),
  next_at: Instant.nullable(),
});
export type AlertDelivery = z.infer<typeof AlertDelivery>;

export const AlertsAnswer = z.object({
  at: Instant,
  channels: z.array(z.object({ id: z.string(), type: z.enum(['slack', 'teams', 'pagerduty', 'webhook', 'email']), min_severity: z.enum(SEVERITIES), fallback: z.string().nullable() })),
  rules: z.array(z.object({ rule: z.enum(ALERT_RULES), enabled: z.boolean(), yaml: z.string().describe('as in the config, with the values in force; empty where there is nothing to write') })),
  firing: z.array(AlertFiring).describe('firing or acknowledged, the newest first'),
  pending: z.array(AlertFiring),
  resolved: z.array(AlertFiring).describe('of the last seven days'),
  delivering: z.boolean().describe('false when there is no channel'),
  waiting: z.array(z.object({ message: z.string(), channel: z.string(), state: z.enum(['gathering', 'held', 'sending', 'sent', 'dead', 'collapsed']), due_at: Instant, attempts: Count, notices: Count })),
  deliveries: z.array(AlertDelivery).describe('the latest 500 tries, newest first'),
});
export type AlertsAnswer = z.infer<typeof AlertsAnswer>;

export const AcknowledgeBody = z.strictObject({ fingerprint: z.string().min(1).max(1024) });
export type AcknowledgeBody = z.input<typeof AcknowledgeBody>;
export const AcknowledgeAnswer = z.object({ alert: AlertFiring });
export type AcknowledgeAnswer = z.infer<typeof AcknowledgeAnswer>;

export const AlertTestBody = z.strictObject({
  channel: Name,
  rule: z.enum(ALERT_RULES).default('budget'),
  severity: z.enum(SEVERITIES).default('warning'),
  resolve: z.boolean().default(false).describe('as the end of an alert'),
  print: z.boolean().default(false).describe('shows what would be sent, and sends nothing'),
});
export type AlertTestBody = z.input<typeof AlertTestBody>;
export const AlertTestAnswer = z.object({ payload: z.string(), delivery: AlertDelivery.nullable().describe('null where nothing was sent') });
export type AlertTestAnswer = z.infer<typeof AlertTestAnswer>;

export const AlertReplayQuery = z.strictObject({ since: z.string().optional().describe('ISO 8601 or now-30d; now-30d unless told'), rule: z.enum(ALERT_RULES).optional() });
export const AlertReplayAnswer = z.object({
  from: Instant,
  to: Instant,
  not_replayed: z.array(z.enum(ALERT_RULES)).describe('rules about what the ledger does not hold'),
  rows: z.array(z.object({ at: Instant, event: z.enum(['fired', 'raised', 'resolved']), rule: z.enum(ALERT_RULES), scope: z.string(), severity: z.enum(SEVERITIES), title: z.string() })),
});
export type AlertReplayAnswer = z.infer<typeof AlertReplayAnswer>;

/* ── plan ── */

const Decimal = z.union([z.number(), z.string()]).transform(String).pipe(z.string().regex(/^\d{1,9}(\.\d{1,9})?$/, 'expected a decimal of at most nine places'));
const TOKENS_AT_MOST = 100_000_000;

export const PlanBody = z
  .strictObject({
    model: z.string().min(1).max(256).describe('whose tokenizer the token counts are of'),
    compare: z.array(z.string().min(1).max(256)).max(50).optional().describe('models to put beside it; every active one unless told'),
    calls_per_day: z.int().min(1).max(1_000_000_000),
    input_tokens: z.int().min(0).max(TOKENS_AT_MOST).describe('of one prompt, the cached prefix included'),
    output_tokens: z.int().min(0).max(TOKENS_AT_MOST),
    cached_prefix_tokens: z.int().min(0).max(TOKENS_AT_MOST).default(0).describe('the part of the prompt that is the same every time and marked for caching'),
    cache_ttl: z.enum(['5m', '1h']).default('5m'),
    calls_per_hour: z.number().positive().max(1e9).nullable().default(null).describe('how thick the calls come while they come: decides whether the prefix is still cached; spread over 24 hours unless told'),
    batch_share: z.number().min(0).max(1).default(0).describe('the part of the calls that goes through batches, 0 to 1'),
    days_per_month: z.int().min(1).max(31).default(30).describe('a year has twelve such months'),
    us_inference: z.boolean().optional().describe('whether it runs in the US only; as the config assumes unless told'),
    minutes_per_task: Decimal.optional().describe('what doing it by hand takes'),
    hourly_rate_usd: Decimal.optional().describe('what an hour by hand costs'),
  })
  .refine((task) => task.cached_prefix_tokens <= task.input_tokens, { path: ['cached_prefix_tokens'], error: 'expected no more than input_tokens' })
  .refine((task) => task.input_tokens + task.output_tokens > 0, { path: ['input_tokens'], error: 'expected at least one token, of input or output' })
  .refine((task) => (task.minutes_per_task === undefined) === (task.hourly_rate_usd === undefined), { path: ['hourly_rate_usd'], error: 'minutes_per_task and hourly_rate_usd go together' });
export type PlanBody = z.input<typeof PlanBody>;

const PlanFiguresAnswer = z.object({
  call_usd: Money.describe('the mean over a day; each figure is rounded up on its own'),
  day_usd: Money,
  month_usd: Money,
  year_usd: Money,
  kinds: z.array(z.object({ kind: z.enum(['input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output']), tokens_per_month: z.number().nonnegative(), month_usd: ExactMoney })),
});
export type PlanFiguresAnswer = z.infer<typeof PlanFiguresAnswer>;

export const PlanModelAnswer = z.object({
  model: z.string(),
  price_version: z.string(),
  price_kind: z.enum(['list', 'contract', 'ceiling']),
  tokens_per_call: z.object({ input: Count, output: Count, cached_prefix: Count }).describe("in this model's tokens"),
  described: PlanFiguresAnswer.describe('as told: with its cached prefix and its batch share'),
  plain: PlanFiguresAnswer.describe('neither cached nor in batches'),
  cached: PlanFiguresAnswer.nullable().describe('the prefix cached, nothing in batches; null where this model caches no such prefix'),
  batched: PlanFiguresAnswer.describe('all of it in batches, uncached'),
  saved_month_usd: Money.nullable().describe('what a month by hand is worth, less its cost by this model'),
  warnings: z.array(z.object({ code: z.string(), message: z.string() })),
});
export type PlanModelAnswer = z.infer<typeof PlanModelAnswer>;

export const PlanAnswer = z.object({
  at: Instant.describe('the moment whose prices were taken'),
  models: z.array(PlanModelAnswer).describe("the task's own model first, then the cheapest first"),
  by_hand: z.object({ hours_per_month: z.number().nonnegative(), worth_month_usd: Money }).nullable(),
});
export type PlanAnswer = z.infer<typeof PlanAnswer>;

/* ── money: prices, corrections, proof ── */

/* ── savings ── */

export const SavingsQuery = z.strictObject({ workspace: filters.workspace, workflow: filters.workflow, model: filters.model });
export type SavingsQuery = z.input<typeof SavingsQuery>;

export const SavingRow = z.object({
  id: z.string().describe('`lever:workspace/workflow`; stays the same from look to look'),
  lever: z.enum(LEVERS),
  title: z.string(),
  why: z.string(),
  fix: z.string(),
  snippet: z.string().nullable().describe('the change to paste; null where there is none'),
  caveat: z.string(),
  grade: z.enum(GRADES).describe('exact: recorded facts times price; bounded: the truth lies in the range; estimate: needs a trial, in no total; signal: money at stake, none claimed'),
  workspace: z.string(),
  workflow: z.string(),
  models: z.array(z.string()).describe('of the calls behind it, the dearest first'),
  low_usd: Money.describe('saved at least, over the window'),
  high_usd: Money.describe('saved at most, over the window'),
  at_stake_usd: Money.describe('what the calls behind a signal cost; zero for others'),
  small: z.boolean().describe('less than a dollar'),
  calls: Count.describe('calls behind it'),
  examples: z.array(z.string()).describe('ids of a few of them, the latest first'),
  state: z.enum(SAVING_STATES),
  reopened: z.boolean().describe('it was done, and has come back'),
  owner: z.string().nullable(),
  reason: z.string().nullable().describe('why it was dismissed'),
  decided_at: Instant.nullable(),
  decided_by: z.string().nullable(),
  effect: z
    .object({
      actions: Count.describe('since it was done'),
      before_usd: Money.describe('cost of an action in the two weeks before'),
      since_usd: Money.describe('cost of an action since'),
      saved_usd: Money.describe('the difference times the actions since; negative where it became dearer'),
    })
    .nullable()
    .describe('null before it was done, and while too few actions came since'),
});
export type SavingRow = z.infer<typeof SavingRow>;

export const SavingsAnswer = z.object({
  at: Instant.describe('when the ledger was looked over'),
  from: Instant,
  to: Instant,
  timezone: z.string(),
  spend_usd: Money,
  captured_usd: Money.describe('what caching and batches saved already, less what cache writes cost extra; can be negative'),
  recoverable_usd: Money.describe('exact findings and the least of bounded ones, as far as they are open; each call counted once'),
  recoverable_most_usd: Money.describe('the same with the most of bounded ones'),
  estimated_usd: Money.describe('the most of estimates, which are in no other total'),
  levers: Count.describe('kinds of waste that were looked for'),
  calls: Count.describe('answered calls'),
  coverage: z.number().nullable().describe('the share of them whose prompts have hashes; null without a call'),
  weeks: z.array(z.object({ from: Instant, to: Instant, whole: z.boolean(), spend_usd: Money, captured_usd: Money, recoverable_usd: Money, recoverable_most_usd: Money })),
  rows: z.array(SavingRow).describe('the surest and dearest first'),
});
export type SavingsAnswer = z.infer<typeof SavingsAnswer>;

export const SavingBody = z
  .strictObject({
    id: z.string().min(1).max(400),
    state: z.enum(SAVING_STATES),
    owner: z.string().trim().min(1).max(64).nullable().optional().describe('who sees to it; left out, it stays'),
    reason: z.string().trim().min(1).max(500).nullable().optional().describe('why it is dismissed'),
  })
  .refine(({ state, reason }) => state !== 'dismissed' || (reason ?? null) !== null, { path: ['reason'], message: 'expected the reason why it is dismissed' });
export type SavingBody = z.input<typeof SavingBody>;
export const SavingAnswer = z.object({ saving: SavingRow });
export type SavingAnswer = z.infer<typeof SavingAnswer>;

export const PricesCheckQuery = z.strictObject({
  ...range,
  max_age_days: z.string().regex(/^\d{1,5}$/, 'expected a whole number').transform(Number).pipe(z.int().min(1).max(10_000)).optional().describe('a row that was last compared with its source longer ago is old; 60 unless told'),
});
export type PricesCheckQuery = z.input<typeof PricesCheckQuery>;
export const PricesCheckAnswer = z.object({
  from: Instant,
  to: Instant,
  models: Count.describe('models that calls of this time used'),
  warnings: z.array(z.object({ kind: z.enum(['unpriced', 'stale', 'contract_ends']), model: z.string(), calls: Count, message: z.string() })),
});
export type PricesCheckAnswer = z.infer<typeof PricesCheckAnswer>;

const givenTime = (when: string) => z.string().max(40).optional().describe(`${when}; as in queries`);
export const RepriceBody = z.strictObject({ from: z.string().max(40).describe('calls admitted from here on; as in queries'), to: givenTime('and before this; now unless told'), dry_run: z.boolean().default(false).describe('says what would change, and changes nothing') });
export type RepriceBody = z.input<typeof RepriceBody>;

export const RepriceRun = z.object({
  run: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  dry_run: z.boolean(),
  from: Instant,
  to: Instant,
  started_at: Instant,
  ended_at: Instant.nullable(),
  progress: z.number().min(0).max(1).describe('the part of the time that is done'),
  calls: Count,
  changed: Count,
  unpriced: Count.describe('calls of models without a price now either; they stay at the dearest known rates'),
  unexplained: Count.describe('calls whose stored usage does not give their cost, e.g. what a crash left; they keep it'),
  before_usd: Money,
  after_usd: Money,
  difference_usd: Money,
  models: z.array(z.object({ model: z.string(), calls: Count, changed: Count, before_usd: Money, after_usd: Money, difference_usd: Money, price_versions: z.array(z.string()) })),
  error: z.string().nullable(),
});
export type RepriceRun = z.infer<typeof RepriceRun>;
export const RepriceAnswer = z.object({ run: RepriceRun.nullable().describe('null when there was none since the start') });
export type RepriceAnswer = z.infer<typeof RepriceAnswer>;

export const VerifyBody = z.strictObject({ from: givenTime('from, in it; the first day whose rows are kept unless told'), to: givenTime('to, not in it; the end unless told') });
export type VerifyBody = z.input<typeof VerifyBody>;
export const VerifyRun = z.object({
  state: z.enum(['running', 'done', 'failed']),
  from: Instant,
  to: Instant,
  started_at: Instant,
  ended_at: Instant.nullable(),
  progress: z.number().min(0).max(1),
  calls: Count.describe('whose cost was worked out anew'),
  cost_usd: Money,
  estimated_cost_usd: Money,
  at_hold: Count.describe('of these: booked at what was held, because a crash or a batch without results took their usage'),
  days: Count.describe('whose sums were worked out anew'),
  budgets: Count.describe('whose sums in memory were compared with the ledger'),
  drift: Count.describe('figures that are not what they should be'),
  examples: z.array(z.object({ kind: z.enum(['cost', 'rollup', 'budget']), subject: z.string(), figure: z.string(), expected: z.string(), found: z.string() })).describe('the first hundred; money in dollars, counts as they are'),
  error: z.string().nullable(),
});
export type VerifyRun = z.infer<typeof VerifyRun>;
export const VerifyAnswer = z.object({ run: VerifyRun.nullable().describe('null when there was none since the start') });
export type VerifyAnswer = z.infer<typeof VerifyAnswer>;

export const BilledSide = z.object({ cost_usd: Money, tokens: TokenCounts, web_searches: Count });
export const ReconciledDay = z.object({
  day: z.string().describe("a UTC day, as the provider's reports are cut"),
  provider_workspace: z.string().nullable().describe('null where everything is compared as one'),
  workspaces: z.array(z.string()).describe('whose calls go to that workspace of the provider; empty where everything is compared as one'),
  ledger: BilledSide,
  estimated_usd: Money.describe("the part of the ledger's cost that is an estimate"),
  provider: BilledSide,
  difference_usd: Money.describe('ledger less provider'),
  difference_ratio: z.number().describe("of the provider's bill"),
});
export type ReconciledDay = z.infer<typeof ReconciledDay>;
export const ReconciliationAnswer = z.object({
  enabled: z.boolean().describe('false without `reconciliation.admin_key`'),
  at: Instant.nullable().describe('the latest comparison; null when there was none since the start'),
  trouble: z.string().nullable().describe('why the latest try did not work'),
  difference_ratio: z.number().nullable().describe('of the latest day, all workspaces together'),
  days: z.array(ReconciledDay).describe('of the past two weeks, the latest first'),
});
export type ReconciliationAnswer = z.infer<typeof ReconciliationAnswer>;

/* ── keys ── */

export const KeyRow = z.object({
  id: z.string(),
  workspace: z.string(),
  workflow: z.string().nullable().describe("the key's own; null when calls name theirs"),
  workflows: z.array(z.string()).nullable().describe('others that calls may name; null allows every one of the workspace'),
  origin: z.enum(['config', 'issued']),
  state: z.enum(['active', 'expired', 'revoked']),
  created_at: Instant.nullable(),
  expires_at: Instant.nullable(),
  revoked_at: Instant.nullable(),
  last_used_at: Instant.nullable(),
  hint: z.string().nullable().describe('the first characters of the secret; null for keys from the config'),
});
export type KeyRow = z.infer<typeof KeyRow>;
export const KeysAnswer = z.object({ rows: z.array(KeyRow), next_cursor: z.string().nullable() });
export type KeysAnswer = z.infer<typeof KeysAnswer>;

const When = z.iso.datetime({ offset: true }).describe('ISO 8601 with an offset or Z');
export const CreateKeyBody = z.strictObject({ id: Name, workspace: Name, workflow: Name.nullable().optional(), expires_at: When.nullable().optional() });
export type CreateKeyBody = z.input<typeof CreateKeyBody>;
export const RotateKeyBody = z.strictObject({ old_ends_at: When.nullable().optional().describe('when the old secret ends; at once unless told') });
export type RotateKeyBody = z.input<typeof RotateKeyBody>;
export const GrantBody = z.strictObject({
  amount_usd: z.string().regex(/^\d{1,8}(\.\d{1,9})?$/, 'expected US dollars such as "50" or "12.50"').describe('US dollars on top of the limit, at most nine places'),
  until: When.describe('when it ends'),
  reason: z.string().trim().min(1).max(200).regex(/^\P{C}+$/u, 'expected one line of text').describe('why, for the audit log'),
});
export type GrantBody = z.input<typeof GrantBody>;
export const GrantAnswer = z.object({ grant: GrantRow });
export type GrantAnswer = z.infer<typeof GrantAnswer>;

/** The secret is in this answer and nowhere else, ever. */
export const KeySecretAnswer = z.object({ key: KeyRow, secret: z.string() });
export type KeySecretAnswer = z.infer<typeof KeySecretAnswer>;
export const KeyAnswer = z.object({ key: KeyRow });
export type KeyAnswer = z.infer<typeof KeyAnswer>;

/* ── session, status, backup ── */

export const LoginBody = z.strictObject({ token: z.string().min(1).max(1024) });
export type LoginBody = z.input<typeof LoginBody>;
export const SessionAnswer = z.object({
  required: z.boolean().describe('false: this port is open, no sign-in is needed'),
  signed_in: z.boolean(),
  expires_at: Instant.nullable(),
});
export type SessionAnswer = z.infer<typeof SessionAnswer>;

export const BackupBody = z.strictObject({});
export const BackupAnswer = z.object({ file: z.string(), bytes: Count, at: Instant, duration_ms: Milliseconds });
export type BackupAnswer = z.infer<typeof BackupAnswer>;

export const StatusAnswer = z.object({
  version: z.string(),
  node: z.string(),
  now: Instant,
  started_at: Instant,
  uptime_ms: Milliseconds,
  timezone: z.string(),
  base_url: z.string().describe('what an app sets as its base URL'),
  access: z.enum(['open', 'keys']),
  provider_key_configured: z.boolean(),
  ready: z.boolean(),
  not_ready_because: z.array(z.string()),
  in_flight: Count,
  ledger: z.object({
    writable: z.boolean(),
    queued: Count,
    last_commit_ms: Milliseconds.nullable(),
    trouble: z.string().nullable(),
    open_holds: Count,
    database_bytes: Count.nullable(),
  }),
  recovery: z.object({ crashed: Count, crashed_cost_usd: Money }).describe('calls that the last run left unsettled'),
  config: z.object({
    file: z.string(),
    digest: z.string(),
    loaded_at: Instant,
    last_reload: z.object({ at: Instant, ok: z.boolean(), error: z.string().nullable() }).nullable().describe('null before the first reload'),
  }),
  pricing: z
    .object({ from: Instant, to: Instant, cost_usd: Money, estimated_cost_usd: Money, exact_ratio: z.number().min(0).max(1).nullable(), ceiling_priced: Count, book_verified_on: z.string().nullable() })
    .describe('the last seven days; exact_ratio is the share of the cost that came from complete usage, null without cost; ceiling_priced counts calls of unknown models since the start'),
  first_run: z.object({ has_traffic: z.boolean(), has_workspaces: z.boolean(), has_keys: z.boolean(), has_budgets: z.boolean() }),
});
export type StatusAnswer = z.infer<typeof StatusAnswer>;

export const HealthAnswer = z.object({ status: z.literal('ok') });
export type HealthAnswer = z.infer<typeof HealthAnswer>;
export const ReadyAnswer = z.object({ ready: z.boolean(), reasons: z.array(z.string()) });
export type ReadyAnswer = z.infer<typeof ReadyAnswer>;

/* ── live: the data of the server-sent events of `GET /api/live` ── */

const LiveFigures = z.object({ requests: Count, refused: Count, errors: Count, tokens: TokenCounts, cost_usd: Money });

/** `event: tick`, at most one a second and none while nothing happens: what was added since the tick before. */
export const LiveTick = LiveFigures.extend({
  at: Instant,
  in_flight: Count,
  workspaces: z.array(LiveFigures.extend({ workspace: z.string() })).describe('the same by workspace; those past the fiftieth are together under `other`'),
});
export type LiveTick = z.infer<typeof LiveTick>;

/** `event: config`: the config was reloaded, or could not be. */
export const LiveConfig = z.object({ at: Instant, ok: z.boolean(), digest: z.string(), error: z.string().nullable() });
export type LiveConfig = z.infer<typeof LiveConfig>;

/** `event: gap`: a `Last-Event-ID` older than what is kept; ask for the figures anew. */
export const LiveGap = z.object({ at: Instant });
export type LiveGap = z.infer<typeof LiveGap>;

export type LiveEvent = { event: 'tick'; data: LiveTick } | { event: 'config'; data: LiveConfig } | { event: 'gap'; data: LiveGap };
