// server/store/sqlite/reports-pieces.ts: cuts a range into what folds of one view hold and what only rows can tell, for what no roll-up knows.

import type { Filter } from '../../domain/reports.ts';
import { FOLD_VIEWS, type FoldView } from './fold-views.ts';
import { cover, inFolds, type FoldMatches } from './reports-folds.ts';
import type { Source, Wanted } from './reports-source.ts';
import { lastStart, nextStart } from './reports-time.ts';

export type Piece = { readonly grain: 'rows'; readonly from: number; readonly to: number } | Extract<ReturnType<typeof cover>[number], { grain: 'fold' }>;

/** Blocks and days where the range holds whole ones, then hours, then rows; rows alone where the view does not know what must match. */
export function piecesOf(source: Source, { from, to }: Pick<Filter, 'from' | 'to'>, matches: ReadonlyMap<string, Wanted>, view: FoldView, finest: 'hour' | 'day' | 'block'): { pieces: Piece[]; foldMatches: FoldMatches } {
  const rows = (a: number, b: number): Piece[] => (a < b ? [{ grain: 'rows', from: a, to: b }] : []);
  const known = [...matches.keys()].every((field) => (FOLD_VIEWS[view].dimensions as readonly string[]).includes(field));
  const foldMatches = known ? inFolds(source, matches) : null;
  if (foldMatches === null || from >= to) return { pieces: rows(from, to), foldMatches: new Map() };
  const inHours = (a: number, b: number): Piece[] => cover(source, { grain: 'rows', from: a, to: b }, [['hour', view]]).flatMap((piece) => (piece.grain === 'fold' ? [piece] : rows(piece.from, piece.to)));
  const [first, last] = [nextStart('day', from, source.zone), lastStart('day', to, source.zone)];
  if (finest === 'hour' || first >= last) return { pieces: inHours(from, to), foldMatches };
  const inDays = cover(source, { grain: 'day', from: first, to: last }, [...(finest === 'block' ? [['block', view] as const] : []), ['day', view]]);
  return { pieces: [...inHours(from, first), ...inDays.flatMap((piece) => (piece.grain === 'fold' ? [piece] : inHours(piece.from, piece.to))), ...inHours(last, to)], foldMatches };
}
