// server/store/sqlite/rollups.ts: the sums per hour and day, gathered per transaction and written before it commits.

import type { Database } from 'better-sqlite3';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import type { Buckets } from './buckets.ts';
import type { Folded } from './folded.ts';
import { GRAIN, NO_NAME } from './migrations.ts';
import { encodeValues, mergeEncoded } from './sketch.ts';

/** Where a call stands in the roll-ups; names are ids. */
export interface CallDimensions {
  readonly admittedAt: number;
  readonly workspace: number;
  readonly workflow: number;
  readonly key: number;
  readonly user: number;
  readonly model: number;
  readonly modelSent: number;
  readonly endpoint: string;
  readonly outcome: string;
}

/** An ended call as far as roll-ups go; durations in microseconds. */
export interface EndedCall extends CallDimensions {
  readonly attempts: number;
  readonly input: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly cacheRead: number;
  readonly output: number;
  readonly webSearch: number;
  readonly cost: bigint;
  readonly estimated: boolean;
  readonly cacheSavings: bigint;
  readonly durationUs: number | null;
  readonly ttftUs: number | null;
}

interface Group {
  readonly dimensions: readonly (string | number)[];
  /** Calls, attempts, the five kinds of tokens, web searches. */
  readonly counts: [number, number, number, number, number, number, number, number];
  cost: bigint;
  estimatedCost: bigint;
  cacheSavings: bigint;
  /** Microseconds. */
  readonly durations: number[];
  readonly ttfts: number[];
}

/** What a correction changes in the sums that hold its call. */
export interface Differences {
  readonly cost: bigint;
  readonly estimatedCost: bigint;
  readonly cacheSavings: bigint;
}

export interface Rollups {
  /** Counts a call in memory; it reaches the tables with `flush`. */
  add(call: EndedCall): void;
  /** Changes the sums of a call that was counted before. */
  correct(call: CallDimensions, differences: Differences): void;
  /** Writes what was added. Call it last in the transaction. */
  flush(): void;
  /** After a rollback: what was added did not happen. */
  forget(): void;
}

const MEASURES = ['calls', 'attempts', 'input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search', 'cost', 'estimated_cost', 'cache_savings'];
const UPSERT = `
  INSERT INTO rollup (grain, bucket, workspace, workflow, key, user, model, model_sent, endpoint, outcome, ${MEASURES.join(', ')}, duration, ttft)
  VALUES (${Array.from({ length: 10 + MEASURES.length + 2 }, () => '?').join(', ')})
  ON CONFLICT DO UPDATE SET ${MEASURES.map((m) => `${m} = ${m} + excluded.${m}`).join(', ')},
    duration = merge_sketches(duration, excluded.duration), ttft = merge_sketches(ttft, excluded.ttft)`;

/** @param folded is told of the hours and days whose sums change */
export function rollupsOf(db: Database, bucketsAt: (at: EpochMs) => Buckets, folded: Folded): Rollups {
  db.function('merge_sketches', { deterministic: true }, (a: unknown, b: unknown) => mergeEncoded(a as Uint8Array, b as Uint8Array));
  const upsert = db.prepare(UPSERT);
  const groups = new Map<string, Group>();

  const groupOf = (dimensions: (string | number)[]): Group => {
    const name = dimensions.join('\n');
    let group = groups.get(name);
    if (group === undefined) {
      group = { dimensions, counts: [0, 0, 0, 0, 0, 0, 0, 0], cost: 0n, estimatedCost: 0n, cacheSavings: 0n, durations: [], ttfts: [] };
      groups.set(name, group);
    }
    return group;
  };

  /** One group per grain. */
  const groupsOf = (call: CallDimensions): Group[] => {
    const { hour, day } = bucketsAt(epochMs(call.admittedAt));
    const rest = [call.model, call.modelSent, call.endpoint, call.outcome];
    return [
      groupOf([GRAIN.hour, hour, call.workspace, call.workflow, call.key, NO_NAME, ...rest]),
      groupOf([GRAIN.day, day, call.workspace, call.workflow, call.key, NO_NAME, ...rest]),
      groupOf([GRAIN.userDay, day, call.workspace, call.workflow, call.key, call.user, ...rest]),
    ];
  };

  const addTo = (group: Group, call: EndedCall): void => {
    const { counts } = group;
    counts[0] += 1;
    counts[1] += call.attempts;
    counts[2] += call.input;
    counts[3] += call.cacheWrite5m;
    counts[4] += call.cacheWrite1h;
    counts[5] += call.cacheRead;
    counts[6] += call.output;
    counts[7] += call.webSearch;
    group.cost += call.cost;
    if (call.estimated) group.estimatedCost += call.cost;
    group.cacheSavings += call.cacheSavings;
    // A refusal takes no time worth knowing, and would make the served calls look fast.
    if (call.outcome === 'refused') return;
    if (call.durationUs !== null) group.durations.push(call.durationUs);
    if (call.ttftUs !== null) group.ttfts.push(call.ttftUs);
  };

  return {
    add(call) {
      for (const group of groupsOf(call)) addTo(group, call);
    },
    correct(call, { cost, estimatedCost, cacheSavings }) {
      for (const group of groupsOf(call)) {
        group.cost += cost;
        group.estimatedCost += estimatedCost;
        group.cacheSavings += cacheSavings;
      }
    },
    flush() {
      for (const g of groups.values()) {
        const [grain, bucket] = g.dimensions as readonly [number, number];
        if (grain !== GRAIN.userDay) folded.change(grain === GRAIN.hour ? 'hour' : 'day', bucket);
        upsert.run(...g.dimensions, ...g.counts, g.cost, g.estimatedCost, g.cacheSavings, encodeValues(g.durations), encodeValues(g.ttfts));
      }
      groups.clear();
    },
    forget() {
      groups.clear();
      folded.forget();
    },
  };
}
