// server/store/sqlite/reports-verdicts.ts: what rules said of calls: refused, changed, or would have, by rule and over time.

import { COUNTED_VERDICTS, type CountedVerdict } from '../../domain/call.ts';
import type { Filter, VerdictGrouping, VerdictsReport } from '../../domain/reports.ts';
import { gathering, isTime } from './reports-folds.ts';
import { piecesOf } from './reports-pieces.ts';
import { conditionOf, matchesOf, saidIn, withoutVerdicts, type Source } from './reports-source.ts';
import { periodStarts, QUARTER_MS } from './reports-time.ts';
import { RULES, VERDICT_CODES, VERDICTS_OF_CALLS } from './verdicts-table.ts';

const VERDICT_OF = new Map(COUNTED_VERDICTS.map((verdict) => [VERDICT_CODES[verdict] as number, verdict]));

/** Of calls that have ended, the most frequent first. A call that several rules spoke of counts once for each. */
export function verdicts(source: Source, { filter, groupBy }: { filter: Filter; groupBy: readonly VerdictGrouping[] }): VerdictsReport {
  const matches = matchesOf(source, filter);
  const found = new Map<string, { policy: string | null; verdict: CountedVerdict; group: Record<string, string | number>; calls: number }>();
  if (matches === null) return { rows: [], total: 0 };
  const timed = groupBy.filter(isTime);
  const named = groupBy.filter((grouping) => !isTime(grouping));
  const add = (rule: bigint, code: number, group: readonly (string | number)[], calls: number): void => {
    const key = JSON.stringify([String(rule), code, ...group]);
    const known = found.get(key);
    if (known !== undefined) known.calls += calls;
    else found.set(key, { policy: source.nameOf(rule), verdict: VERDICT_OF.get(code) as CountedVerdict, group: Object.fromEntries([...named, ...timed].map((grouping, at) => [grouping, group[at] ?? ''])), calls });
  };
  const nameOf = (id: number | bigint): string => source.nameOf(BigInt(id)) ?? '';

  const { pieces, foldMatches } = piecesOf(source, filter, matches, 'verdicts', timed.includes('hour') ? 'hour' : timed.length > 0 ? 'day' : 'block');
  const gathered = gathering(source, ['policy', 'verdict', ...named, ...timed], foldMatches, false);
  const said = saidIn(matches) ?? { sql: `rule IN ${RULES}`, parameters: [] };
  const rest = conditionOf(withoutVerdicts(matches), () => true);
  const columns = ['rule', 'verdict', ...named, ...(timed.length > 0 ? [`at / ${QUARTER_MS}`] : [])];
  const sql = `SELECT ${columns.join(', ')}, COUNT(*) ${VERDICTS_OF_CALLS} WHERE ${said.sql} AND at >= ? AND at < ? AND outcome IS NOT NULL${rest.sql} GROUP BY ${columns.map((_, at) => at + 1).join(', ')}`;
  const startsOf = timed.map((grouping) => periodStarts(grouping, source.zone));
  for (const piece of pieces) {
    if (piece.grain === 'fold') {
      gathered.add(piece);
      continue;
    }
    for (const row of source.each(sql, [...said.parameters, piece.from, piece.to, ...rest.parameters])) {
      const [rule, code, ...values] = row as readonly bigint[] as readonly [bigint, bigint, ...bigint[]];
      const names = named.map((_, at) => nameOf(values[at] as bigint));
      add(rule, Number(code), [...names, ...startsOf.map((startOf) => startOf(Number(values[named.length]) * QUARTER_MS))], Number(row.at(-1)));
    }
  }
  for (const { values: [rule = 0, code = 0, ...rest], counts } of gathered.groups()) add(BigInt(rule), code, rest.map((value, at) => (at < named.length ? nameOf(value) : value)), counts[0] ?? 0);
  const rows = [...found.values()].sort((a, b) => b.calls - a.calls);
  return { rows, total: rows.reduce((sum, row) => sum + row.calls, 0) };
}
