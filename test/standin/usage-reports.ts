// test/standin/usage-reports.ts: the organization's usage and cost reports of the Admin API, by UTC day, over what the test says was billed.

import { jsonAnswer, type Answer } from './answer.ts';
import { invalid } from './errors.ts';
import type { Visit, World } from './world.ts';

/** What one workspace used of one model on one day. */
export interface BilledRow {
  /** Null: the default workspace. */
  readonly workspace: string | null;
  readonly model: string;
  readonly uncachedInput: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly cacheRead: number;
  readonly output: number;
  readonly searches: number;
  /** A decimal text. */
  readonly cents: string;
}

/** `day`: its first instant, UTC. */
export type BilledOn = (day: number) => readonly BilledRow[] | Promise<readonly BilledRow[]>;

const DAY_MS = 86_400_000;

export const usageReport = (visit: Visit, world: World): Promise<Answer> =>
  report(visit, world, ['account_id', 'api_key_id', 'context_window', 'inference_geo', 'model', 'service_account_id', 'service_tier', 'speed', 'workspace_id'], (rows, by) => ({
    account_id: null, api_key_id: null, context_window: null, inference_geo: null, service_account_id: null, service_tier: null,
    model: by.has('model') ? rows[0]!.model : null,
    workspace_id: by.has('workspace_id') ? rows[0]!.workspace : null,
    uncached_input_tokens: sum(rows, (r) => r.uncachedInput),
    cache_creation: { ephemeral_1h_input_tokens: sum(rows, (r) => r.cacheWrite1h), ephemeral_5m_input_tokens: sum(rows, (r) => r.cacheWrite5m) },
    cache_read_input_tokens: sum(rows, (r) => r.cacheRead),
    output_tokens: sum(rows, (r) => r.output),
    server_tool_use: { web_search_requests: sum(rows, (r) => r.searches) },
  }));

export const costReport = (visit: Visit, world: World): Promise<Answer> =>
  report(visit, world, ['workspace_id', 'description'], (rows, by) => ({
    amount: addCents(rows.map(({ cents }) => cents)), currency: 'USD',
    workspace_id: by.has('workspace_id') ? rows[0]!.workspace : null,
    cost_type: null, description: null, model: null, token_type: null, service_tier: null, context_window: null, inference_geo: null,
  }));

async function report(visit: Visit, world: World, groupings: readonly string[], show: (rows: readonly BilledRow[], by: ReadonlySet<string>) => object): Promise<Answer> {
  const { query } = visit;
  const from = Date.parse(query.get('starting_at') ?? '');
  if (Number.isNaN(from)) throw invalid('starting_at: Field required');
  const to = query.has('ending_at') ? Date.parse(query.get('ending_at')!) : world.now();
  if (Number.isNaN(to) || to <= from) throw invalid('ending_at: Input should be after starting_at');
  if ((query.get('bucket_width') ?? '1d') !== '1d') throw invalid('bucket_width: only 1d is served here');
  const limit = Number(query.get('limit') ?? 7);
  if (!Number.isInteger(limit) || limit < 1 || limit > 31) throw invalid('limit: Input should be between 1 and 31');
  const by = new Set(query.getAll('group_by[]'));
  for (const one of by) if (!groupings.includes(one)) throw invalid(`group_by: Input should be one of ${groupings.join(', ')}`);
  const days: number[] = [];
  for (let day = Math.floor(from / DAY_MS) * DAY_MS; day < to; day += DAY_MS) days.push(day);
  const first = query.has('page') ? days.indexOf(Number(Buffer.from(query.get('page')!, 'base64url').toString())) : 0;
  if (first < 0) throw invalid('page: Invalid page token');
  const shown = days.slice(first, first + Math.min(limit, world.reports!.pageDays));
  const data = await Promise.all(shown.map(async (day) => ({ starting_at: iso(day), ending_at: iso(day + DAY_MS), results: grouped(await world.reports!.billedOn(day), by).map((rows) => show(rows, by)) })));
  const next = days[first + shown.length];
  return jsonAnswer({ data, has_more: next !== undefined, next_page: next === undefined ? null : Buffer.from(String(next)).toString('base64url') });
}

function grouped(rows: readonly BilledRow[], by: ReadonlySet<string>): BilledRow[][] {
  const groups = new Map<string, BilledRow[]>();
  for (const row of rows) {
    const name = JSON.stringify([by.has('workspace_id') ? row.workspace : '', by.has('model') || by.has('description') ? row.model : '']);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups.values()];
}

const sum = (rows: readonly BilledRow[], of: (row: BilledRow) => number): number => rows.reduce((total, row) => total + of(row), 0);
const iso = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');

/** Exact, with as many places as the longest has. */
function addCents(amounts: readonly string[]): string {
  const places = Math.max(0, ...amounts.map((text) => (text.split('.')[1] ?? '').length));
  const total = amounts.reduce((all, text) => all + BigInt(`${text.split('.')[0]}${(text.split('.')[1] ?? '').padEnd(places, '0')}`), 0n);
  const digits = total.toString().padStart(places + 1, '0');
  return places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
}
