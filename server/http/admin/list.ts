// server/http/admin/list.ts: lists that are held in memory: what filters leave of one, and a page of that.

import { badQuery } from './errors.ts';
import { LIMITS } from './wire.ts';

/** What a row is about, by name; null: its scope names none. */
export interface Subject {
  readonly workspace: string | null;
  readonly workflow: string | null;
  readonly user: string | null;
  readonly model: string | null;
  readonly key: string | null;
}

export const NO_SUBJECT: Subject = { workspace: null, workflow: null, user: null, model: null, key: null };
const NAMES = ['workspace', 'workflow', 'user', 'model', 'key'] as const satisfies readonly (keyof Subject)[];

export type SubjectQuery = { readonly [Name in keyof Subject]?: readonly string[] | undefined };

const isSame = (named: string, asked: string): boolean => named === asked;

/**
 * Whether a row is left by every filter that is given: its scope names one of the filter's values, or none where one of them is empty.
 * @param sameModel whether the model that a scope names, which may be a class or a pattern, is the one that was asked for; equality unless told
 */
export const isAsked = (subject: Subject, query: SubjectQuery, sameModel = isSame): boolean =>
  NAMES.every((name) => {
    const asked = query[name] ?? [];
    const named = subject[name];
    return asked.length === 0 || asked.some((value) => (named === null || value === '' ? named === null && value === '' : name === 'model' ? sameModel(named, value) : named === value));
  });

export interface PageQuery {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/**
 * A page of a list. Where neither a limit nor a cursor is given it is the whole list, in its own order. Else the rows come by id, and
 * a cursor says after which one to go on: whatever a reload adds, takes away or moves in between, no row comes twice, and none that stays is left out.
 * @param list its name, so that the cursor of another one is told apart
 * @param idOf differs between any two rows
 * @throws AdminError 400 for a cursor that is not one of this list's
 */
export function pageOf<Row>(list: string, rows: readonly Row[], idOf: (row: Row) => string, { limit, cursor }: PageQuery): { readonly rows: readonly Row[]; readonly nextCursor: string | null } {
  if (limit === undefined && cursor === undefined) return { rows, nextCursor: null };
  const after = cursor === undefined ? null : idIn(list, cursor);
  const rest = rows
    .map((row) => ({ id: idOf(row), row }))
    .filter(({ id }) => after === null || id > after)
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const page = rest.slice(0, limit ?? LIMITS.lists);
  const last = page.at(-1);
  return { rows: page.map(({ row }) => row), nextCursor: last !== undefined && page.length < rest.length ? Buffer.from(`${list}.1.${last.id}`).toString('base64url') : null };
}

function idIn(list: string, cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString();
  const before = `${list}.1.`;
  if (!text.startsWith(before)) throw badQuery('cursor: expected the next_cursor of the page before');
  return text.slice(before.length);
}
