// server/reconcile/provider-reports.ts: reads the provider's usage and cost reports (Admin API), and adds them up by UTC day and workspace.

import { z } from 'zod';
import type { Provider } from '../domain/batch.ts';
import { DAY_MS } from '../domain/durations.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import { nanodollars, type Nanodollars } from '../domain/money.ts';
import type { Billed } from '../domain/reconciliation.ts';

/** Days in one answer at most. */
const MOST_DAYS = 31;
const MOST_PAGES = 50;
const MOST_BYTES = 16 * 1024 * 1024;
const TIMEOUT_MS = 30_000;
/** How the API calls the workspace that has no id. */
export const DEFAULT_PROVIDER_WORKSPACE = 'default';

/** What a report did not say, or said otherwise than documented; the message is for an operator and holds no secret. */
export class ReportUnreadable extends Error {
  override readonly name = 'ReportUnreadable';
}

const count = z.number().int().nonnegative().nullish().transform((n) => n ?? 0);
const bucket = <Row extends z.ZodType>(row: Row) => z.object({
  data: z.array(z.object({ starting_at: z.string(), results: z.array(row) })),
  has_more: z.boolean(),
  next_page: z.string().nullish(),
});
/** platform.claude.com/docs/en/manage-claude/usage-cost-api; fields that are not needed are passed over, so that new ones do no harm. */
const usagePage = bucket(z.object({
  workspace_id: z.string().nullish(),
  uncached_input_tokens: count,
  cache_creation: z.object({ ephemeral_1h_input_tokens: count, ephemeral_5m_input_tokens: count }).nullish(),
  cache_read_input_tokens: count,
  output_tokens: count,
  server_tool_use: z.object({ web_search_requests: count }).nullish(),
}));
const costPage = bucket(z.object({ workspace_id: z.string().nullish(), currency: z.string(), amount: z.string() }));

/** By the day's first instant, then by workspace. */
export type BilledByDay = ReadonlyMap<number, ReadonlyMap<string, Billed>>;

export interface ReportQuery {
  readonly provider: Provider;
  readonly adminKey: string;
  /** The first instants of UTC days; `to` is not in it. */
  readonly from: EpochMs;
  readonly to: EpochMs;
}

/** Both reports. @throws ReportUnreadable; rejects as the provider's client does when no answer came */
export async function readReports(query: ReportQuery): Promise<BilledByDay> {
  const days = new Map<number, Map<string, Billed>>();
  const add = (startingAt: string, workspace: string | null | undefined, more: Partial<Billed>): void => {
    const day = Date.parse(startingAt);
    if (Number.isNaN(day)) throw new ReportUnreadable('a day in the report is no time');
    const workspaces = days.get(day) ?? new Map<string, Billed>();
    days.set(day, workspaces);
    const name = workspace ?? DEFAULT_PROVIDER_WORKSPACE;
    workspaces.set(name, plus(workspaces.get(name) ?? NOTHING_BILLED, more));
  };
  for await (const { starting_at, results } of pages('/v1/organizations/usage_report/messages', usagePage, query)) {
    for (const row of results) {
      const tokens = {
        input: row.uncached_input_tokens, cacheRead: row.cache_read_input_tokens, output: row.output_tokens,
        cacheWrite5m: row.cache_creation?.ephemeral_5m_input_tokens ?? 0, cacheWrite1h: row.cache_creation?.ephemeral_1h_input_tokens ?? 0,
      };
      add(starting_at, row.workspace_id, { tokens, webSearches: row.server_tool_use?.web_search_requests ?? 0 });
    }
  }
  for await (const { starting_at, results } of pages('/v1/organizations/cost_report', costPage, query)) {
    for (const row of results) {
      if (row.currency !== 'USD') throw new ReportUnreadable(`the bill is in ${row.currency.slice(0, 8)}, and the ledger in USD`);
      add(starting_at, row.workspace_id, { cost: nanoFromCents(row.amount) });
    }
  }
  return days;
}

export const NOTHING_BILLED: Billed = { cost: nanodollars(0n), tokens: { input: 0, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0, output: 0 }, webSearches: 0 };

export function plus(one: Billed, { cost, tokens, webSearches = 0 }: Partial<Billed>): Billed {
  const t = tokens ?? NOTHING_BILLED.tokens;
  return {
    cost: nanodollars(one.cost + (cost ?? 0n)),
    tokens: {
      input: one.tokens.input + t.input, cacheWrite5m: one.tokens.cacheWrite5m + t.cacheWrite5m, cacheWrite1h: one.tokens.cacheWrite1h + t.cacheWrite1h,
      cacheRead: one.tokens.cacheRead + t.cacheRead, output: one.tokens.output + t.output,
    },
    webSearches: one.webSearches + webSearches,
  };
}

/** The report writes cents as a decimal text of any length; what is finer than a nano-dollar is cut, which over a day is nothing. */
export function nanoFromCents(cents: string): Nanodollars {
  const match = /^(-?)(\d{1,15})(?:\.(\d{1,40}))?$/.exec(cents);
  if (!match) throw new ReportUnreadable('an amount in the bill is no decimal number');
  const [, sign = '', whole = '', fraction = ''] = match;
  const nano = BigInt(`${whole}${fraction.padEnd(7, '0').slice(0, 7)}`);
  return nanodollars(sign === '-' ? -nano : nano);
}

async function* pages<Row>(path: string, schema: z.ZodType<{ data: { starting_at: string; results: Row[] }[]; has_more: boolean; next_page?: string | null | undefined }>, { provider, adminKey, from, to }: ReportQuery) {
  const query = new URLSearchParams({ starting_at: new Date(from).toISOString(), ending_at: new Date(to).toISOString(), bucket_width: '1d', 'group_by[]': 'workspace_id', limit: String(MOST_DAYS) });
  for (let page = 0; ; page++) {
    if (page === MOST_PAGES) throw new ReportUnreadable(`${path} has no end`);
    const { status, text } = await get(provider, `${path}?${query.toString()}`, adminKey);
    if (status !== 200) throw new ReportUnreadable(`${path} answered ${status}${status === 401 || status === 403 ? ': is it an Admin key (sk-ant-admin…)?' : ''}`);
    const parsed = schema.safeParse(jsonOf(text));
    if (!parsed.success) throw new ReportUnreadable(`${path} is not as documented at ${parsed.error.issues[0]?.path.join('.') ?? 'its top'}`);
    yield* parsed.data.data;
    if (!parsed.data.has_more || parsed.data.next_page == null) return;
    query.set('page', parsed.data.next_page);
  }
}

async function get(provider: Provider, path: string, adminKey: string): Promise<{ status: number; text: string }> {
  const { status, body } = await provider.get(path, [['x-api-key', adminKey], ['anthropic-version', '2023-06-01']], AbortSignal.timeout(TIMEOUT_MS));
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new ReportUnreadable('a report is longer than any could be');
    chunks.push(chunk);
  }
  return { status, text: Buffer.concat(chunks).toString('utf8') };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The first instant of the UTC day that `at` is in. */
export const utcDay = (at: number): EpochMs => epochMs(Math.floor(at / DAY_MS) * DAY_MS);
