// server/store/sqlite/reports-check.ts: roll-ups against the rows they were summed from, one local day at a time.

import { periodAt } from '../../domain/calendar.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import type { Drift } from '../../domain/verify.ts';
import { CACHE_SAVINGS_NOW, COST_NOW, ESTIMATED_NOW } from './corrections.ts';
import { NO_ERROR } from './fold-views.ts';
import { GRAIN } from './migrations.ts';
import { foldDrift } from './reports-check-folds.ts';
import { addTo, differences, FIGURES, type Sums } from './sums.ts';
import type { Columns, Source } from './reports-source.ts';
import { nextStart, periodStarts, QUARTER_MS } from './reports-time.ts';

const DIMENSIONS = ['workspace', 'workflow', 'key', 'user', 'model', 'model_sent', 'endpoint', 'outcome'] as const;
const STORED = FIGURES.map((figure) => (figure === 'refused' ? "iif(outcome = 'refused', calls, 0)" : figure === 'errors' ? `iif(outcome IN ${NO_ERROR}, 0, calls)` : figure));
const ROW_SUMS = `COUNT(*), SUM(attempts), SUM(input), SUM(cache_write_5m), SUM(cache_write_1h), SUM(cache_read), SUM(output), SUM(web_search),
  SUM(${COST_NOW}), SUM(CASE WHEN ${ESTIMATED_NOW} = 1 THEN ${COST_NOW} ELSE 0 END), SUM(${CACHE_SAVINGS_NOW}), SUM(outcome = 'refused'), SUM(outcome NOT IN ${NO_ERROR})`;

/** The first local day that retention has left whole, and the end of the last one with a row; null where there is no row. */
export function daysKept(source: Source, _question: null): { from: EpochMs; to: EpochMs } | null {
  const [range] = source.all('SELECT MIN(admitted_at), MAX(admitted_at) FROM call WHERE outcome IS NOT NULL', []);
  if (range === undefined || range[0] === null) return null;
  const [cut] = source.all("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'rows_from'", []);
  const first = periodAt('day', epochMs(Number(range[0])), source.zone).from;
  return { from: epochMs(cut === undefined ? first : Math.max(first, nextStart('day', Number(cut[0]), source.zone))), to: epochMs(nextStart('day', Number(range[1]) + 1, source.zone)) };
}

/** Every sum of the day that holds `day`, in every grain, that is not what its rows give. */
export function checkDay(source: Source, { day }: { day: number }): { to: EpochMs; drift: Drift[] } {
  const { from, to } = periodAt('day', epochMs(day), source.zone);
  const name = new Date(from).toISOString();
  const byUser = read(source, `SELECT ${DIMENSIONS.join(', ')}, ${ROW_SUMS} FROM call WHERE outcome IS NOT NULL AND admitted_at >= ? AND admitted_at < ? GROUP BY ${DIMENSIONS.join(', ')}`, [from, to]);
  const withoutUser: Sums = new Map();
  for (const [group, sums] of byUser) {
    const dimensions = JSON.parse(group) as string[];
    dimensions[DIMENSIONS.indexOf('user')] = '0';
    addTo(withoutUser, JSON.stringify(dimensions), sums);
  }
  const stored = (grain: number): Sums =>
    read(source, `SELECT ${DIMENSIONS.join(', ')}, ${STORED.join(', ')} FROM rollup WHERE grain = ${grain} AND bucket = ?`, [from]);
  const byHour = sumsByHour(source, from, to);
  const drift = [
    ...differences(`day ${name}`, withoutUser, stored(GRAIN.day)),
    ...differences(`day by user ${name}`, byUser, stored(GRAIN.userDay)),
    ...hourDrift(source, from, to, byHour),
    ...foldDrift(source, { from, to, byUser, byHour }),
  ];
  return { to, drift };
}

/** Sums of rows by hour, workspace, user, workflow and model. */
function sumsByHour(source: Source, from: number, to: number): Sums {
  const startOf = periodStarts('hour', source.zone);
  const sums: Sums = new Map();
  const quarters = `SELECT admitted_at / ${QUARTER_MS}, workspace, user, workflow, model, ${ROW_SUMS} FROM call WHERE outcome IS NOT NULL AND admitted_at >= ? AND admitted_at < ? GROUP BY 1, 2, 3, 4, 5`;
  for (const [quarter, workspace, user, workflow, model, ...figures] of source.each(quarters, [from, to])) addTo(sums, JSON.stringify([startOf(Number(quarter) * QUARTER_MS), workspace, user, workflow, model].map(String)), figures as bigint[]);
  return sums;
}

function hourDrift(source: Source, from: number, to: number, byHour: Sums): Drift[] {
  const expected: Sums = new Map();
  for (const [group, sums] of byHour) addTo(expected, (JSON.parse(group) as [string])[0], sums);
  const found: Sums = new Map();
  // A clock change can name an hour of this day before its first instant.
  const named = [...expected.keys()].map(Number).filter((hour) => hour < from || hour >= to);
  const buckets = `SELECT bucket, ${STORED.map((figure) => `SUM(${figure})`).join(', ')} FROM rollup WHERE grain = ${GRAIN.hour}
    AND ((bucket >= ? AND bucket < ?) OR bucket IN (SELECT value FROM json_each(?))) GROUP BY bucket`;
  for (const [bucket, ...sums] of source.each(buckets, [from, to, JSON.stringify(named)])) addTo(found, String(bucket), sums as bigint[]);
  return [...new Set([...expected.keys(), ...found.keys()])].flatMap((hour) =>
    differences(`hour ${new Date(Number(hour)).toISOString()}`, new Map([['', expected.get(hour) ?? []]]), new Map([['', found.get(hour) ?? []]])),
  );
}

function read(source: Source, sql: string, parameters: readonly number[]): Sums {
  const sums: Sums = new Map();
  for (const row of source.each(sql, parameters)) addTo(sums, JSON.stringify(row.slice(0, DIMENSIONS.length).map(String)), (row as Columns).slice(DIMENSIONS.length) as bigint[]);
  return sums;
}
