// server/store/sqlite/reports-requests.ts: the list of calls in pages, newest or oldest first, by whatever filter.

import { nanodollars } from '../../domain/money.ts';
import { epochMs } from '../../domain/ids.ts';
import type { Endpoint, Outcome } from '../../domain/call.ts';
import { HOUR_MS } from '../../domain/durations.ts';
import { BadQuery, type CallRow, type Filter, type Page } from '../../domain/reports.ts';
import { GRAIN, NO_NAME } from './migrations.ts';
import { correctionsIn, type StoredCorrection } from './reports-corrections.ts';
import { conditionOf, matchesOf, saidIn, withoutVerdicts, type Columns, type Condition, type Field, type Matches, type Source } from './reports-source.ts';
import { lastStart } from './reports-time.ts';
import { RULES } from './verdicts-table.ts';

/** The place of a row in the list: its time of admission, and `n` among calls of one millisecond. */
export interface Place {
  readonly at: number;
  readonly n: number;
}

type Order = 'newest' | 'oldest';

/** Newest first. @throws BadQuery for a cursor that is not one of ours */
export function requests(source: Source, query: { filter: Filter; limit: number; cursor: string | null }): Page<CallRow> {
  return pageOf(source, query, 'newest');
}

/** Oldest first: the pages of an export. @throws BadQuery for a cursor that is not one of ours */
export function requestsInOrder(source: Source, query: { filter: Filter; limit: number; cursor: string | null }): Page<CallRow> {
  return pageOf(source, query, 'oldest');
}

function pageOf(source: Source, { filter, limit, cursor }: { filter: Filter; limit: number; cursor: string | null }, order: Order): Page<CallRow> {
  const after = cursor === null ? null : placeOf(cursor);
  const matches = matchesOf(source, filter);
  if (matches === null) return { rows: [], nextCursor: null };
  const range = { from: filter.from, to: filter.to };
  if (after !== null && order === 'newest') range.to = epochMs(Math.min(range.to, after.at + 1));
  if (after !== null && order === 'oldest') range.from = epochMs(Math.max(range.from, after.at));
  // One more than asked for tells whether there is a next page.
  const found = find(source, { matches, ...range, after, order, limit: limit + 1 });
  const shown = found.slice(0, limit);
  const last = found.length > limit ? shown.at(-1) : undefined;
  const corrections = correctionsIn(source, shown);
  return { rows: shown.map((row) => callRow(source, row, corrections.get(row[0] as bigint))), nextCursor: last === undefined ? null : cursorOf(last) };
}

interface Search {
  readonly matches: Matches;
  readonly from: number;
  readonly to: number;
  /** Null at the list's beginning; else only what comes after it. */
  readonly after: Place | null;
  readonly order: Order;
  readonly limit: number;
}

/** Fields with an index that also orders by admission, the choosiest first. */
const DRIVERS = ['trace', 'action', 'session', 'user', 'key'] as const;
const LAST_DRIVER = 'workflow';
const DRIVEN_VALUES = 16;
/** Fields that roll-ups by hour and day tell apart. */
const ROLLED_UP = ['workspace', 'workflow', 'key', 'model', 'outcome'] as const;

/**
 * The first `limit` rows in order. A rare value in a long history must not cost a walk through all of it: where a field has an
 * index of its own, each of its values is walked and the walks are merged; else roll-ups tell which hours hold anything.
 */
function find(source: Source, search: Search): Columns[] {
  const { matches } = search;
  const drives = (field: Field): boolean => {
    const values = matches.get(field);
    return values !== undefined && values.length <= DRIVEN_VALUES && !((field === 'user' || field === 'key') && values.includes(NO_NAME));
  };
  const driver = DRIVERS.find(drives) ?? (saidIn(matches) !== null ? 'rule' : drives(LAST_DRIVER) ? LAST_DRIVER : undefined);
  if (driver === 'rule') return ofRules(source, search);
  if (driver !== undefined) {
    const walks = (matches.get(driver) ?? []).map((value) => {
      const one = new Map(matches).set(driver, [value]);
      return read(source, search, conditionOf(one, (field) => field !== driver));
    });
    return merged(walks, search);
  }
  const rolledUp = new Map([...matches].filter(([field]) => (ROLLED_UP as readonly Field[]).includes(field)));
  // Only refused calls have a reason, and they are few.
  if (matches.has('refusal') && !rolledUp.has('outcome')) rolledUp.set('outcome', ['refused']);
  const plain = conditionOf(matches, () => true);
  if (rolledUp.size === 0) return read(source, search, plain);
  // Roll-ups know nothing of calls in flight, which have an index of their own and are few.
  const inFlight = matches.has('outcome') || matches.has('refusal') ? [] : read(source, search, plain, 'call INDEXED BY call_open WHERE outcome IS NULL');
  const ended: Columns[] = [];
  for (const hours of busyHours(source, search, conditionOf(rolledUp))) {
    ended.push(...read(source, { ...search, ...hours, limit: search.limit - ended.length }, plain, 'call WHERE +outcome IS NOT NULL'));
    if (ended.length === search.limit) break;
  }
  return merged([inFlight, ended], search);
}

const CALLS = { at: 'admitted_at', n: 'n' } as const;
const VERDICTS = { at: 'verdict.at', n: 'verdict.call' } as const;

function read(source: Source, { from, to, after, order, limit }: Search, condition: Condition, table = 'call WHERE true', { at, n }: typeof CALLS | typeof VERDICTS = CALLS): Columns[] {
  const beyond = after === null ? '' : order === 'newest' ? ` AND (${at} < ? OR ${n} < ?)` : ` AND (${at} > ? OR ${n} > ?)`;
  const direction = order === 'newest' ? 'DESC' : 'ASC';
  const sql = `SELECT ${COLUMNS.join(', ')} FROM ${table} AND ${at} >= ? AND ${at} < ?${beyond}${condition.sql} ORDER BY ${at} ${direction}, ${n} ${direction} LIMIT ?`;
  return source.all(sql, [from, to, ...(after === null ? [] : [after.at, after.n]), ...condition.parameters, limit]);
}

/** Calls that rules spoke of, rule by rule: the table of what was said is ordered by rule and admission. */
function ofRules(source: Source, search: Search): Columns[] {
  const rest = conditionOf(withoutVerdicts(search.matches), () => true);
  const verdicts = search.matches.get('verdict');
  const said = verdicts === undefined ? '' : ` AND verdict.verdict IN (${verdicts.join(', ')})`;
  const rules = search.matches.get('policy') ?? source.all(`SELECT rule FROM ${RULES}`, []).map(([rule]) => Number(rule));
  return merged(rules.map((rule) => read(source, search, rest, `verdict CROSS JOIN call ON call.n = verdict.call WHERE verdict.rule = ${rule}${said}`, VERDICTS)), search);
}

/** Hours in which calls that match were admitted, in order and disjoint. Days are asked first, so that empty ones cost nothing. */
function* busyHours(source: Source, { from, to, order }: Search, condition: Condition): Generator<{ from: number; to: number }> {
  if (from >= to) return;
  const buckets = (grain: number, first: number, end: number): number[] =>
    source
      .all(
        `SELECT DISTINCT bucket FROM rollup WHERE grain = ${grain} AND bucket >= ? AND bucket < ?${condition.sql} ORDER BY bucket ${order === 'newest' ? 'DESC' : 'ASC'}`,
        [first, end, ...condition.parameters],
      )
      .map((row) => Number(row[0]));
  // Hours that overlap in name, where a clock changes by half an hour, are cut so that no row is read twice.
  let reached = order === 'newest' ? to : from;
  const days = buckets(GRAIN.day, lastStart('day', from, source.zone), to);
  for (const day of days) {
    // 26 hours hold any day; hours of the next one only come twice, and are cut.
    for (const hour of buckets(GRAIN.hour, Math.max(day, lastStart('hour', from, source.zone)), Math.min(day + 26 * HOUR_MS, to))) {
      const hours = order === 'newest' ? { from: Math.max(hour, from), to: Math.min(hour + HOUR_MS, reached) } : { from: Math.max(hour, reached), to: Math.min(hour + HOUR_MS, to) };
      if (hours.from >= hours.to) continue;
      reached = order === 'newest' ? hours.from : hours.to;
      yield hours;
    }
  }
}

function merged(walks: readonly (readonly Columns[])[], { order, limit }: Search): Columns[] {
  const sign = order === 'newest' ? -1 : 1;
  // Several rules may have spoken of one call; a call that ends between two walks cannot be: they read one instant.
  const calls = new Map(walks.flat().map((row) => [row[AT.n], row]));
  return [...calls.values()]
    .sort((a, b) => sign * (Number(a[AT.admitted_at]) - Number(b[AT.admitted_at]) || Number(a[AT.n]) - Number(b[AT.n])))
    .slice(0, limit);
}

/** Opaque to clients: the place after which the next page begins, with a version in front. */
export function cursorOf(row: Columns): string {
  return Buffer.from(`1.${row[AT.admitted_at]}.${row[AT.n]}`).toString('base64url');
}

export function placeOf(cursor: string): Place {
  const match = /^1\.(\d{1,15})\.(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (match === null) throw new BadQuery('the cursor is not one that this list gave');
  return { at: Number(match[1]), n: Number(match[2]) };
}

const COLUMNS = [
  'n', 'id', 'admitted_at', 'ended_at', 'workspace', 'workflow', 'user', 'session', 'action', 'tags', 'key', 'endpoint', 'stream',
  'model_requested', 'model_sent', 'model_served', 'outcome', 'status', 'refusal', 'input', 'cache_write_5m', 'cache_write_1h',
  'cache_read', 'output', 'web_search', 'web_fetch', 'code_execution', 'cost', 'held', 'estimated', 'estimate_method', 'cache_savings',
  'price', 'ttft_us', 'duration_us', 'overhead_us', 'attempts', 'client_retry', 'stop_reason', 'error_type', 'upstream_request_id', 'batch', 'custom_id', 'trace',
] as const;
type Column = (typeof COLUMNS)[number];
const AT = Object.fromEntries(COLUMNS.map((column, at) => [column, at])) as Readonly<Record<Column, number>>;

/** The columns of a call that `callRow` reads, in its order. */
export const CALL_COLUMNS: readonly string[] = COLUMNS;

/** A row of `call` as it is read back. @param row begins with `CALL_COLUMNS` @param corrections of this call, oldest first */
export function callRow(source: Source, row: Columns, corrections: readonly StoredCorrection[] = []): CallRow {
  const text = (column: Column): string | null => row[AT[column]] as string | null;
  const whole = (column: Column): number => Number(row[AT[column]]);
  const wholeOrNull = (column: Column): number | null => (row[AT[column]] === null ? null : whole(column));
  const ms = (column: Column): number | null => (row[AT[column]] === null ? null : whole(column) / 1000);
  const name = (column: Column): string | null => source.nameOf(row[AT[column]] as bigint);
  const money = (column: Column) => nanodollars(row[AT[column]] as bigint);
  const endedAt = wholeOrNull('ended_at');
  const latest = corrections.at(-1);
  const price = latest?.price ?? (row[AT.price] as bigint | null);
  return {
    id: text('id') as string,
    admittedAt: epochMs(whole('admitted_at')),
    endedAt: endedAt === null ? null : epochMs(endedAt),
    workspace: name('workspace') ?? '',
    workflow: name('workflow') ?? '',
    user: name('user'),
    session: text('session'),
    action: text('action'),
    tags: JSON.parse(text('tags') ?? '{}') as Readonly<Record<string, string>>,
    key: name('key'),
    endpoint: text('endpoint') as Endpoint,
    stream: whole('stream') === 1,
    modelRequested: text('model_requested') ?? name('model_sent'),
    modelSent: name('model_sent'),
    modelServed: name('model_served'),
    outcome: text('outcome') as Outcome | null,
    status: wholeOrNull('status'),
    refusal: text('refusal'),
    tokens: {
      input: whole('input'),
      cacheWrite5m: whole('cache_write_5m'),
      cacheWrite1h: whole('cache_write_1h'),
      cacheRead: whole('cache_read'),
      output: whole('output'),
    },
    serverTools: { webSearch: whole('web_search'), webFetch: whole('web_fetch'), codeExecution: whole('code_execution') },
    cost: latest?.cost ?? money('cost'),
    settledCost: money('cost'),
    corrections: corrections.length,
    held: money('held'),
    estimated: latest?.estimated ?? whole('estimated') === 1,
    estimateMethod: latest === undefined ? text('estimate_method') : latest.estimateMethod,
    cacheSavings: latest?.cacheSavings ?? money('cache_savings'),
    priceVersion: price === null ? null : source.priceVersionOf(price),
    timeToFirstTokenMs: ms('ttft_us'),
    durationMs: ms('duration_us'),
    overheadMs: ms('overhead_us'),
    attempts: whole('attempts'),
    clientRetry: wholeOrNull('client_retry'),
    stopReason: text('stop_reason'),
    errorType: text('error_type'),
    upstreamRequestId: text('upstream_request_id'),
    batchId: row[AT.batch] === null ? null : source.batchIdOf(row[AT.batch] as bigint),
    customId: text('custom_id'),
    traceId: (row[AT.trace] as Buffer | null)?.toString('hex') ?? null,
  };
}
