// server/http/admin/query.ts: query strings and bodies parsed by their schema; what is wrong is named, with what was expected and what was found.

import { DateTime } from 'luxon';
import type { z } from 'zod';
import { DAY_MS } from '../../domain/durations.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import { ACTION_GROUPINGS, REASON_GROUPINGS, GROUPINGS, VERDICT_GROUPINGS, type ActionGrouping, type Filter, type ReasonGrouping, type Grouping, type VerdictGrouping } from '../../domain/reports.ts';
import { oneOf } from '../../settings/fields.ts';
import { nearest } from '../../settings/mistakes.ts';
import { badBody, badQuery } from './errors.ts';

/** @throws AdminError 400 for an unknown parameter, one given twice that takes one value, or a value outside its schema */
export function parseQuery<Schema extends z.ZodObject>(schema: Schema, search: URLSearchParams): z.output<Schema> {
  const given: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (const name of new Set(search.keys())) {
    const field: z.ZodType | undefined = Object.hasOwn(schema.shape, name) ? (schema.shape[name] as z.ZodType) : undefined;
    if (field === undefined) throw badQuery(unknownName('parameter', name, Object.keys(schema.shape)));
    const values = search.getAll(name);
    if (takesMany(field)) given[name] = values;
    else if (values.length === 1) given[name] = values[0] ?? '';
    else throw badQuery(`${name}: expected one value, found ${values.length}`);
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw badQuery(explain(parsed.error, given, 'parameter'));
}

/** @throws AdminError 400 with the path of the first field that is wrong */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  throw badBody(explain(parsed.error, body, 'field'));
}

const takesMany = (field: z.ZodType): boolean => {
  let inner: z.ZodType = field;
  while ('unwrap' in inner && inner.type === 'optional') inner = (inner as z.ZodOptional<z.ZodType>).unwrap();
  return inner.type === 'array';
};

/** The first mistake, in words. Of a parameter that is given several times, the value that is wrong tells which. */
function explain(error: z.ZodError, given: unknown, of: 'parameter' | 'field'): string {
  const issue = error.issues[0];
  if (!issue) return 'not valid';
  if (issue.code === 'unrecognized_keys') return `unknown field: ${shown(issue.keys[0])}`;
  const value = issue.path.reduce<unknown>((at, key) => (typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as Record<PropertyKey, unknown>)[key] : undefined), given);
  const where = (of === 'parameter' ? issue.path.slice(0, 1) : issue.path).map(String).join('.') || 'body';
  // A token is a secret: what was found in its place is not repeated.
  const found = where === 'token' ? '' : `, found ${value === undefined ? 'nothing' : shown(value)}`;
  if (issue.code !== 'invalid_value') return `${where}: ${issue.message}${found}`;
  const names = issue.values.map(String);
  const near = typeof value === 'string' ? nearest(value, names) : null;
  return `${where}: expected ${oneOf(names)}${found}${near === null ? '' : `; did you mean ${near}?`}`;
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 80);

function unknownName(what: string, name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return `unknown ${what} ${shown(name)}${near === null ? '' : `; did you mean ${near}?`}${known.length === 0 ? ` (no ${what}s are taken here)` : ` (known: ${known.join(', ')})`}`;
}

/** That a name is none, with the one that may be meant, or what there is. `place` follows both, e.g. ` in the config`. */
export function noSuch(what: string, name: string, known: readonly string[], place = ''): string {
  const near = nearest(name, known);
  if (near !== null) return `There is no ${what} ${shown(name)}${place}; did you mean ${near}?`;
  const more = known.length > MOST_LISTED ? ` and ${known.length - MOST_LISTED} more` : '';
  return `There is no ${what} ${shown(name)}${place}; ${known.length === 0 ? 'there are none' : `there is ${known.slice(0, MOST_LISTED).join(', ')}${more}`}.`;
}
const MOST_LISTED = 20;

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
/** Past it instants have no ISO form of four-digit years. */
const LAST_INSTANT = Date.UTC(9999, 11, 31);

/**
 * An instant from a query: ISO 8601 (in the reporting zone where it names no offset), milliseconds since the epoch, `now`, `now-7d`.
 * @throws AdminError 400
 */
export function instantAt(name: string, text: string, now: EpochMs, zone: string): EpochMs {
  const relative = /^now(?:([+-])(\d{1,6})([smhdw]))?$/.exec(text);
  // A plus in a query string is a blank unless it was escaped.
  const value = relative
    ? now + (relative[1] === '-' ? -1 : 1) * Number(relative[2] ?? 0) * (UNIT_MS[relative[3] ?? 's'] ?? 0)
    : /^\d{1,16}$/.test(text) && text.length !== 4
      ? Number(text)
      : DateTime.fromISO(text.replace(' ', '+'), { zone }).toMillis();
  if (!Number.isFinite(value) || value < 0 || value > LAST_INSTANT) {
    throw badQuery(`${name}: expected ISO 8601, milliseconds since the epoch, now or now-7d (units s m h d w), found ${shown(text)}`);
  }
  return epochMs(value);
}

/** The same, and how long before now, e.g. `30d`. @throws AdminError 400 */
export const sinceAt = (name: string, text: string, now: EpochMs, zone: string): EpochMs => instantAt(name, /^\d+[smhdw]$/.test(text) ? `now-${text}` : text, now, zone);

interface RangeQuery {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Seven days up to now, unless told. @throws AdminError 400 for a range that is empty or turned around */
export function rangeOf(query: RangeQuery, now: EpochMs, zone: string): { from: EpochMs; to: EpochMs } {
  const to = query.to === undefined ? now : instantAt('to', query.to, now, zone);
  const from = query.from === undefined ? epochMs(Math.max(0, to - 7 * DAY_MS)) : instantAt('from', query.from, now, zone);
  if (from >= to) throw badQuery(`from: expected an instant before to (${new Date(to).toISOString()}), found ${new Date(from).toISOString()}`);
  return { from, to };
}

type FilterName = Exclude<keyof Filter, 'from' | 'to' | 'estimated'>;
type FilterQuery = RangeQuery & { readonly [Name in FilterName]?: readonly string[] | undefined } & { readonly estimated?: 'true' | 'false' | undefined };

export function filterOf(query: FilterQuery, now: EpochMs, zone: string): Filter {
  return {
    ...rangeOf(query, now, zone),
    workspace: query.workspace ?? [],
    workflow: query.workflow ?? [],
    user: query.user ?? [],
    model: query.model ?? [],
    key: query.key ?? [],
    outcome: query.outcome ?? [],
    session: query.session ?? [],
    action: query.action ?? [],
    trace: query.trace ?? [],
    prefix: query.prefix ?? [],
    refusal: query.refusal ?? [],
    error: query.error ?? [],
    tag: query.tag ?? [],
    policy: query.policy ?? [],
    verdict: query.verdict ?? [],
    ...(query.estimated === undefined ? {} : { estimated: query.estimated === 'true' }),
  };
}

/** @throws AdminError 400 for a grouping that is unknown or named twice */
export const groupingsOf = (text: string | undefined): Grouping[] => namesIn(text, GROUPINGS);
/** @throws AdminError 400 likewise */
export const actionGroupingsOf = (text: string | undefined): ActionGrouping[] => namesIn(text, ACTION_GROUPINGS);
/** @throws AdminError 400 likewise */
export const reasonGroupingsOf = (text: string | undefined): ReasonGrouping[] => namesIn(text, REASON_GROUPINGS);
/** @throws AdminError 400 likewise */
export const verdictGroupingsOf = (text: string | undefined): VerdictGrouping[] => namesIn(text, VERDICT_GROUPINGS);

function namesIn<Name extends string>(text: string | undefined, names: readonly Name[]): Name[] {
  const given = (text ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '');
  return given.map((name, at) => {
    if (given.indexOf(name) !== at) throw badQuery(`group_by: ${shown(name)} is named twice`);
    const known = names.find((grouping) => grouping === name);
    if (known === undefined) throw badQuery(`group_by: ${unknownName('grouping', name, names)}`);
    return known;
  });
}
