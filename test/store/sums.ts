// test/store/sums.ts: what the roll-ups must say, worked out again from the rows alone.

import { periodAt, type Period } from '../../server/domain/calendar.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Scratch } from './scratch.ts';

const MEASURES = ['calls', 'attempts', 'input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search', 'cost', 'estimated_cost', 'cache_savings'] as const;
type Sums = Record<(typeof MEASURES)[number], number>;

const DIMENSIONS = ['workspace', 'workflow', 'key', 'user', 'model', 'model_sent', 'endpoint', 'outcome'] as const;
type Row = Record<(typeof DIMENSIONS)[number], string | number> & Omit<Sums, 'calls' | 'estimated_cost'> & { n: number; admitted_at: number; estimated: number };

/** Every roll-up group by name, with its sums, from the roll-ups themselves. */
export function storedSums(place: Scratch): Map<string, Sums> {
  const rows = place.read<Sums & { name: string }>(`SELECT grain || ' ' || bucket || ' ' || ${DIMENSIONS.join(" || ' ' || ")} AS name, ${MEASURES.join(', ')} FROM rollup`);
  return new Map(rows.map(({ name, ...sums }) => [name, sums]));
}

/** The same, from the rows, cut on the hours and days of a zone. */
export function recomputedSums(place: Scratch, zone: string): Map<string, Sums> {
  const sums = new Map<string, Sums>();
  // The calendar takes longer than all the rest; rows that stand together are mostly of one hour and one day.
  const latest: { hour?: Period; day?: Period } = {};
  const periodOf = (kind: 'hour' | 'day', at: number): Period => {
    const known = latest[kind];
    return known && known.from <= at && at < known.to ? known : (latest[kind] = periodAt(kind, epochMs(at), zone));
  };
  const corrections = place.read<{ call: number; cost: number; cache_savings: number; estimated: number }>('SELECT call, cost, cache_savings, estimated FROM correction ORDER BY id');
  for (const row of place.read<Row>('SELECT * FROM call WHERE outcome IS NOT NULL')) {
    for (const correction of corrections.filter(({ call }) => call === row.n)) {
      row.cost += correction.cost;
      row.cache_savings += correction.cache_savings;
      row.estimated = correction.estimated;
    }
    const hour = periodOf('hour', row.admitted_at).from;
    const day = periodOf('day', row.admitted_at).from;
    for (const [grain, bucket, user] of [[1, hour, 0], [2, day, 0], [3, day, row.user]] as const) {
      const name = [grain, bucket, ...DIMENSIONS.map((d) => (d === 'user' ? user : row[d]))].join(' ');
      const group = sums.get(name) ?? (Object.fromEntries(MEASURES.map((m) => [m, 0])) as Sums);
      const measured: Sums = { ...row, calls: 1, estimated_cost: row.estimated === 1 ? row.cost : 0 };
      for (const measure of MEASURES) group[measure] += measured[measure];
      sums.set(name, group);
    }
  }
  return sums;
}
