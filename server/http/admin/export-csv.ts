// server/http/admin/export-csv.ts: the tables as CSV (RFC 4180), row by row, safe to open in a spreadsheet.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { stringify } from 'csv-stringify';
import { DateTime } from 'luxon';
import { FOCUS_COLUMNS, type FocusRow } from '../../bill/focus.ts';
import type { ActionGrouping, Grouping, VerdictGrouping } from '../../domain/reports.ts';
import type { ActionsRow, RequestRow, SavingRow, UsageRow, StatementAnswer, StatementLine, VerdictRow } from './wire.ts';

/** A cell that is written as it is: a figure of ours, which may begin with a minus. */
class Figure {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Cell = string | number | boolean | null | Figure;

const REQUEST_COLUMNS: Readonly<Record<string, (row: RequestRow) => Cell>> = {
  id: (r) => r.id,
  admitted_at: (r) => r.admitted_at,
  ended_at: (r) => r.ended_at,
  workspace: (r) => r.workspace,
  workflow: (r) => r.workflow,
  user: (r) => r.user,
  session: (r) => r.session,
  action: (r) => r.action,
  tags: (r) => (Object.keys(r.tags).length === 0 ? null : JSON.stringify(r.tags)),
  key_id: (r) => r.key_id,
  endpoint: (r) => r.endpoint,
  stream: (r) => r.stream,
  model_requested: (r) => r.model_requested,
  model_served: (r) => r.model_served,
  outcome: (r) => r.outcome,
  status: (r) => r.status,
  refusal: (r) => r.refusal,
  input_tokens: (r) => r.tokens.input,
  cache_write_5m_tokens: (r) => r.tokens.cache_write_5m,
  cache_write_1h_tokens: (r) => r.tokens.cache_write_1h,
  cache_read_tokens: (r) => r.tokens.cache_read,
  output_tokens: (r) => r.tokens.output,
  web_searches: (r) => r.server_tools.web_search,
  web_fetches: (r) => r.server_tools.web_fetch,
  code_executions: (r) => r.server_tools.code_execution,
  cost_usd: (r) => new Figure(r.cost_usd),
  settled_cost_usd: (r) => new Figure(r.settled_cost_usd),
  corrections: (r) => r.corrections,
  held_usd: (r) => new Figure(r.held_usd),
  estimated: (r) => r.estimated,
  estimate_method: (r) => r.estimate_method,
  cache_savings_usd: (r) => new Figure(r.cache_savings_usd),
  price_version: (r) => r.price_version,
  price_kind: (r) => r.price_kind,
  ttft_ms: (r) => r.ttft_ms,
  duration_ms: (r) => r.duration_ms,
  overhead_ms: (r) => r.overhead_ms,
  attempts: (r) => r.attempts,
  client_retry: (r) => r.client_retry,
  stop_reason: (r) => r.stop_reason,
  error_type: (r) => r.error_type,
  upstream_request_id: (r) => r.upstream_request_id,
  batch_id: (r) => r.batch_id,
  custom_id: (r) => r.custom_id,
  trace_id: (r) => r.trace_id,
};

const USAGE_COLUMNS: Readonly<Record<string, (row: UsageRow) => Cell>> = {
  requests: (r) => r.requests,
  attempts: (r) => r.attempts,
  refused: (r) => r.refused,
  errors: (r) => r.errors,
  input_tokens: (r) => r.tokens.input,
  cache_write_5m_tokens: (r) => r.tokens.cache_write_5m,
  cache_write_1h_tokens: (r) => r.tokens.cache_write_1h,
  cache_read_tokens: (r) => r.tokens.cache_read,
  output_tokens: (r) => r.tokens.output,
  web_searches: (r) => r.web_searches,
  cost_usd: (r) => new Figure(r.cost_usd),
  estimated_cost_usd: (r) => new Figure(r.estimated_cost_usd),
  cache_savings_usd: (r) => new Figure(r.cache_savings_usd),
  duration_p50_ms: (r) => r.duration_ms.p50,
  duration_p95_ms: (r) => r.duration_ms.p95,
  ttft_p50_ms: (r) => r.ttft_ms.p50,
  ttft_p95_ms: (r) => r.ttft_ms.p95,
};

const ACTION_COLUMNS: Readonly<Record<string, (row: ActionsRow) => Cell>> = {
  actions: (r) => r.actions,
  calls: (r) => r.calls,
  named_calls: (r) => r.named_calls,
  cost_usd: (r) => new Figure(r.cost_usd),
  per_action_p50_usd: (r) => r.per_action_usd.p50 === null ? null : new Figure(r.per_action_usd.p50),
  per_action_p95_usd: (r) => r.per_action_usd.p95 === null ? null : new Figure(r.per_action_usd.p95),
};

export function writeActions(groupBy: readonly ActionGrouping[], rows: readonly ActionsRow[], to: Writable): Promise<void> {
  const groups = Object.fromEntries(groupBy.map((name) => [name, (row: ActionsRow): Cell => row[name] ?? null]));
  return write({ ...groups, ...ACTION_COLUMNS }, rows, to);
}

const VERDICT_COLUMNS: Readonly<Record<string, (row: VerdictRow) => Cell>> = { policy: (r) => r.policy, verdict: (r) => r.verdict, calls: (r) => r.calls };

export function writeVerdicts({ group_by: groupBy, timezone, rows }: { readonly group_by: readonly VerdictGrouping[]; readonly timezone: string; readonly rows: readonly VerdictRow[] }, to: Writable): Promise<void> {
  const groups = Object.fromEntries(groupBy.map((name) => [name, (row: VerdictRow): Cell => inZone(name, row[name] ?? null, timezone)]));
  return write({ ...groups, ...VERDICT_COLUMNS }, rows, to);
}

const TIMES: ReadonlySet<string> = new Set(['hour', 'day', 'month'] satisfies Grouping[]);

/** A bucket of time begins at an instant, which is written as its own zone has it, with the offset: in UTC, many a day would be the one before. */
function inZone(name: string, value: Cell, zone: string): Cell {
  return TIMES.has(name) && typeof value === 'string' ? (DateTime.fromISO(value, { zone }).toISO() ?? value) : value;
}

const SAVING_COLUMNS: Readonly<Record<string, (row: SavingRow) => Cell>> = {
  id: (r) => r.id,
  lever: (r) => r.lever,
  title: (r) => r.title,
  workspace: (r) => r.workspace,
  workflow: (r) => r.workflow,
  models: (r) => r.models.join(' '),
  grade: (r) => r.grade,
  low_usd: (r) => new Figure(r.low_usd),
  high_usd: (r) => new Figure(r.high_usd),
  at_stake_usd: (r) => new Figure(r.at_stake_usd),
  calls: (r) => r.calls,
  state: (r) => r.state,
  reopened: (r) => r.reopened,
  owner: (r) => r.owner,
  reason: (r) => r.reason,
  decided_at: (r) => r.decided_at,
  decided_by: (r) => r.decided_by,
  effect_actions: (r) => r.effect?.actions ?? null,
  effect_before_usd: (r) => (r.effect === null ? null : new Figure(r.effect.before_usd)),
  effect_since_usd: (r) => (r.effect === null ? null : new Figure(r.effect.since_usd)),
  effect_saved_usd: (r) => (r.effect === null ? null : new Figure(r.effect.saved_usd)),
  why: (r) => r.why,
  fix: (r) => r.fix,
};

export const writeSavings = (rows: readonly SavingRow[], to: Writable): Promise<void> => write(SAVING_COLUMNS, rows, to);

const STATEMENT_COLUMNS: Readonly<Record<string, (row: StatementLine) => Cell>> = {
  workflow: (r) => r.workflow,
  model: (r) => r.model,
  kind: (r) => r.kind,
  factors: (r) => (r.factors.length === 0 ? null : r.factors.join(', ')),
  calls: (r) => r.calls,
  quantity: (r) => r.quantity,
  unit_price_usd: (r) => (r.unit_price_usd === null ? null : new Figure(r.unit_price_usd)),
  amount_usd: (r) => new Figure(r.amount_usd),
  amount_cents_usd: (r) => new Figure(r.amount_cents_usd),
};

export function writeStatement(answer: StatementAnswer, to: Writable): Promise<void> {
  return write({ workspace: () => answer.workspace, month: () => answer.month, ...STATEMENT_COLUMNS }, answer.lines, to);
}

const FOCUS_FIGURES: ReadonlySet<string> = new Set(['BilledCost', 'ContractedCost', 'EffectiveCost', 'ListCost', 'ContractedUnitPrice', 'ListUnitPrice']);

export function writeFocus(rows: AsyncIterable<FocusRow>, told: { readonly accountOf: (workspace: string) => string }, to: Writable): Promise<void> {
  const columns = Object.entries(FOCUS_COLUMNS).map(([name, cell]): [string, (row: FocusRow) => Cell] => [
    name,
    (row) => {
      const value = cell(row, told);
      return typeof value === 'string' && FOCUS_FIGURES.has(name) ? new Figure(value) : value;
    },
  ]);
  return write(Object.fromEntries(columns), rows, to);
}

export const writeRequests = (rows: AsyncIterable<RequestRow>, to: Writable): Promise<void> => write(REQUEST_COLUMNS, rows, to);

export function writeUsage({ group_by: groupBy, timezone, rows }: { readonly group_by: readonly Grouping[]; readonly timezone: string; readonly rows: readonly UsageRow[] }, to: Writable): Promise<void> {
  const groups = Object.fromEntries(groupBy.map((name) => [name, (row: UsageRow): Cell => inZone(name, row[name] ?? null, timezone)]));
  return write({ ...groups, ...USAGE_COLUMNS }, rows, to);
}

/** Writes as fast as the reader takes it. Rejects when either side fails; the body is then cut short, never ended as if it were whole. */
async function write<Row>(columns: Readonly<Record<string, (row: Row) => Cell>>, rows: AsyncIterable<Row> | Iterable<Row>, to: Writable): Promise<void> {
  const cells = Object.values(columns);
  async function* records(): AsyncGenerator<Cell[]> {
    yield Object.keys(columns);
    for await (const row of rows) yield cells.map((cell) => cell(row));
  }
  const csv = stringify({
    record_delimiter: '\r\n',
    // Half a delimiter ends the row in many a reader too.
    quoted_match: /[\r\n]/,
    // Text that a spreadsheet would run as a formula is written behind an apostrophe.
    escape_formulas: true,
    cast: {
      boolean: String,
      // NUL and line feed are left alone by the library; spreadsheets skip them and see what comes behind.
      string: (text) => (/^[\0\n]/.test(text) ? `'${text}` : text),
      object: (value) => (value instanceof Figure ? { value: value.text, escape_formulas: false } : ''),
    },
  });
  await pipeline(Readable.from(records()), csv, to);
}
