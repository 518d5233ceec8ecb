// server/store/sqlite/reports-source.ts: what every report reads through: a read-only connection, its prepared statements, and the names behind the ids.

import Database from 'better-sqlite3';
import type { CountedVerdict } from '../../domain/call.ts';
import type { Filter } from '../../domain/reports.ts';
import { ESTIMATED_NOW } from './corrections.ts';
import { NO_NAME } from './migrations.ts';
import { RULES, VERDICT_CODES } from './verdicts-table.ts';

type Parameter = string | number | bigint | Buffer;
/** A row as an array in the order of the columns; every integer is a bigint, so that money is never rounded. */
export type Columns = readonly (bigint | string | Buffer | null)[];

export interface Source {
  /** IANA zone of the config; cuts hours, days and months. */
  readonly zone: string;
  all(sql: string, parameters: readonly Parameter[]): Columns[];
  each(sql: string, parameters: readonly Parameter[]): IterableIterator<Columns>;
  /** Runs `read` in one transaction, so that all that it reads stands at one instant. */
  atOnce<T>(read: () => T): T;
  /** The id of a name; null when no row was ever written with it. */
  idOf(text: string): number | null;
  /** Null for the id of "none". */
  nameOf(id: bigint): string | null;
  /** @throws Error for an id that no price has */
  priceVersionOf(id: bigint): string;
  /** The provider's id of a batch; null when it is past retention. */
  batchIdOf(n: bigint): string | null;
  close(): void;
}

const NO_ID = BigInt(NO_NAME);
const STATEMENTS_KEPT = 200;
const NAMES_KEPT = 50_000;

/** @throws SqliteError when the file is missing or is no database */
export function openSource(file: string, zone: string): Source {
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 5_000 });
  db.pragma('query_only = ON');
  // Pages of roll-ups are read again by the next chart; 32 MB hold those of a year or so.
  db.pragma('cache_size = -32768');

  const statements = new Map<string, Database.Statement<Parameter[], Columns>>();
  function statement(sql: string): Database.Statement<Parameter[], Columns> {
    const kept = statements.get(sql);
    if (kept) return kept;
    // The texts differ by the filters and groups that are in use; the oldest makes way, so that odd queries cannot pile up.
    const oldest = statements.size < STATEMENTS_KEPT ? undefined : statements.keys().next().value;
    if (oldest !== undefined) statements.delete(oldest);
    const made = db.prepare<Parameter[], Columns>(sql).raw(true).safeIntegers(true);
    statements.set(sql, made);
    return made;
  }

  // Names are never changed and ids never used again, so what was read once stays true.
  const names = new Map<bigint, string>();
  const priceVersions = new Map<bigint, string>();

  return {
    zone,
    all: (sql, parameters) => statement(sql).all(...parameters),
    each: (sql, parameters) => statement(sql).iterate(...parameters),
    atOnce: (read) => db.transaction(read).deferred(),
    idOf(text) {
      const row = statement('SELECT id FROM name WHERE text = ?').get(text);
      return row === undefined ? null : Number(row[0]);
    },
    nameOf(id) {
      if (id === NO_ID) return null;
      const known = names.get(id);
      if (known !== undefined) return known;
      const text = statement('SELECT text FROM name WHERE id = ?').get(id)?.[0];
      if (typeof text !== 'string') throw new Error(`no name has the id ${id}`);
      if (names.size >= NAMES_KEPT) names.clear();
      names.set(id, text);
      return text;
    },
    priceVersionOf(id) {
      const known = priceVersions.get(id);
      if (known !== undefined) return known;
      const version = statement('SELECT version FROM price_version WHERE id = ?').get(id)?.[0];
      if (typeof version !== 'string') throw new Error(`no price version has the id ${id}`);
      priceVersions.set(id, version);
      return version;
    },
    batchIdOf: (n) => (statement('SELECT id FROM batch WHERE n = ?').get(n)?.[0] as string | undefined) ?? null,
    close: () => db.close(),
  };
}

/** Fields of a filter whose columns hold ids of names, in roll-ups as in rows. */
export const NAME_FIELDS = ['workspace', 'workflow', 'key', 'user', 'model'] as const;
/** Fields whose columns hold text. */
const TEXT_FIELDS = ['outcome', 'session', 'action'] as const;
/** What no index and no roll-up knows, as SQL over a row of `call`. */
const ROW_FIELDS = {
  trace: 'trace',
  prefix: (places: string) => `(${places.split(', ').map((place) => `instr(call.prompt, ':' || ${place}) > 0`).join(' OR ')})`,
  refusal: 'refusal',
  error: 'error_type',
  tag: (places: string) => `EXISTS (SELECT 1 FROM json_each(call.tags) AS t WHERE t.key || '=' || t.value IN (${places}))`,
  estimated: ESTIMATED_NOW,
} as const;
/** What a table of its own knows. Where both are asked for, one rule must have said one of the verdicts. */
const VERDICT_FIELDS = ['policy', 'verdict'] as const;
const NO_ROLLUP = ['session', 'action', 'trace', 'prefix', 'refusal', 'error', 'tag', 'estimated', ...VERDICT_FIELDS] as const;
export type Field = (typeof NAME_FIELDS)[number] | (typeof TEXT_FIELDS)[number] | keyof typeof ROW_FIELDS | (typeof VERDICT_FIELDS)[number];

/** True where only rows can tell what matches. */
export const needsRows = (matches: Matches): boolean => NO_ROLLUP.some((field) => matches.has(field));

/** What a column must be, one of; values as they are stored. A field without a condition is absent. */
export type Matches = ReadonlyMap<Field, Wanted>;
/** Any of them. */
export type Wanted = readonly Parameter[];

/** The filter in terms of stored values; null when it names something that no row was ever written with, so that nothing can match. */
export function matchesOf(source: Source, filter: Filter): Matches | null {
  const matches = new Map<Field, readonly Parameter[]>();
  for (const field of NAME_FIELDS) {
    if (filter[field].length === 0) continue;
    const ids = [...new Set(filter[field])].map((text) => source.idOf(text)).filter((id) => id !== null);
    if (ids.length === 0) return null;
    matches.set(field, ids);
  }
  for (const field of TEXT_FIELDS) if (filter[field].length > 0) matches.set(field, [...new Set(filter[field])]);
  for (const field of ['prefix', 'refusal', 'error', 'tag'] as const) if (filter[field]?.length) matches.set(field, [...new Set(filter[field])]);
  if (filter.trace?.length) matches.set('trace', [...new Set(filter.trace)].map((hex) => Buffer.from(hex, 'hex')));
  if (filter.policy?.length) {
    const rules = [...new Set(filter.policy)].map((text) => source.idOf(text)).filter((id) => id !== null);
    if (rules.length === 0) return null;
    matches.set('policy', rules);
  }
  if (filter.verdict?.length) matches.set('verdict', [...new Set(filter.verdict)].map((verdict) => VERDICT_CODES[verdict as CountedVerdict] ?? 0));
  if (filter.estimated !== undefined) matches.set('estimated', [filter.estimated ? 1 : 0]);
  return matches;
}

export interface Condition {
  /** Begins with ` AND `; empty when there is none. */
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

/**
 * The matches as SQL. Made of column names of ours and of placeholders only; every value is bound.
 * @param unindexed fields that the planner must not choose an index for: a `+` before a column takes it out of the choice
 */
export function conditionOf(matches: Matches, unindexed: (field: Field) => boolean = () => false): Condition {
  let sql = '';
  const parameters: Parameter[] = [];
  for (const [field, values] of matches) {
    if (isOfVerdicts(field)) continue;
    const plus = unindexed(field) ? '+' : '';
    const places = values.map(() => '?').join(', ');
    const column = field in ROW_FIELDS ? ROW_FIELDS[field as keyof typeof ROW_FIELDS] : field;
    if (typeof column === 'function') sql += ` AND ${column(places)}`;
    else sql += values.length === 1 ? ` AND ${plus}${column} = ?` : ` AND ${plus}${column} IN (${places})`;
    parameters.push(...values);
    // What partial indexes leave out must be left out by the query in so many words, or the planner cannot use them.
    if (plus === '' && (field === 'user' || field === 'key') && !values.includes(NO_NAME)) sql += ` AND ${field} <> 0`;
    if (plus === '' && field === 'outcome' && !values.includes('ok')) sql += ` AND outcome <> 'ok'`;
  }
  const said = saidIn(matches);
  if (said === null) return { sql, parameters };
  return { sql: `${sql} AND EXISTS (SELECT 1 FROM verdict WHERE at = call.admitted_at AND call = call.n AND ${said.sql})`, parameters: [...parameters, ...said.parameters] };
}

const isOfVerdicts = (field: Field): boolean => (VERDICT_FIELDS as readonly Field[]).includes(field);

/** The matches without what rules said. */
export const withoutVerdicts = (matches: Matches): Matches => new Map([...matches].filter(([field]) => !isOfVerdicts(field)));

/** What rows of `verdict` must be, without ` AND ` in front; null where nothing is asked of them. */
export function saidIn(matches: Matches): Condition | null {
  const [rules, verdicts] = [matches.get('policy'), matches.get('verdict')];
  if (rules === undefined && verdicts === undefined) return null;
  const among = (values: readonly Parameter[]): string => `(${values.map(() => '?').join(', ')})`;
  return { sql: `rule IN ${rules === undefined ? RULES : among(rules)}${verdicts === undefined ? '' : ` AND verdict IN ${among(verdicts)}`}`, parameters: [...(rules ?? []), ...(verdicts ?? [])] };
}
