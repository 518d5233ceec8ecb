// server/store/sqlite/fold-source.ts: what folds are made from: roll-ups and rows of calls, read a page at a time.

import type { Database } from 'better-sqlite3';
import { OUTCOMES } from '../../domain/call.ts';
import { CACHE_SAVINGS_NOW, COST_NOW, ESTIMATED_NOW } from './corrections.ts';
import { actionNumber, actionSums, type HourAction } from './fold-actions.ts';
import { foldBuilder, SUMS, type FoldBuilder } from './fold-format.ts';
import { callsAsSums, FAILED, FOLD_VIEWS, money, REASON, ROLLUP_AS_SUMS, ROLLUP_GROUP_AS_SUMS, SERVED, SHAPES, type FoldView } from './fold-views.ts';
import { GRAIN } from './migrations.ts';
import type { Names } from './names.ts';
import { EMPTY_SKETCH, encodeValues } from './sketch.ts';
import { RULES, spokenOf, VERDICTS_OF_CALLS } from './verdicts-table.ts';

/** What one step reads, of roll-ups and of calls, which SQLite sums itself: a few milliseconds. */
const ROWS_AT_ONCE = 400;
const CALLS_AT_ONCE = 2_000;

/** Views of what no roll-up holds. */
export const FACTS = ['outputs', 'overheads', 'reasons', 'verdicts', 'spokenOf'] as const satisfies readonly FoldView[];

type Row = readonly (number | string | Uint8Array | null)[];

/** What a fold's builder takes beside the dimensions: a row, where its sums begin, and its two sketches. */
type Figures = readonly [values: Row, at: number, first: Uint8Array, second: Uint8Array];

/** Names and outcomes are ids. */
export interface RollupDimensions {
  readonly workspace: number;
  readonly workflow: number;
  readonly key: number;
  readonly user: number;
  readonly model: number;
  readonly modelSent: number;
  readonly outcome: number;
}

/** Some calls, one after the other in time; each method reads them. */
export interface CallsPage {
  byUser(add: (user: number, workspace: number, ...figures: Figures) => void): void;
  actions(): Generator<HourAction>;
  /** Adds what no roll-up holds. */
  facts(to: Readonly<Record<(typeof FACTS)[number], FoldBuilder>>): void;
}

export interface FoldSource {
  /** The rows of a roll-up's bucket, a page per step. */
  rollup(grain: number, bucket: number, add: (dimensions: RollupDimensions, ...figures: Figures) => void): Generator<undefined>;
  /** An hour by workspace, workflow and model. */
  hour(bucket: number, add: (workspace: number, workflow: number, model: number, ...figures: Figures) => void): void;
  /** The calls of [from, until), a page per step. */
  calls(from: number, until: number, look: (page: CallsPage) => void): Generator<undefined>;
  /** Gives outcomes their ids. Inside a transaction, and before anything is read. */
  prepare(): void;
  /** After a rollback: ids may be gone. */
  forget(): void;
}

/** Builders of what no roll-up holds. */
export const factBuilders = (): Record<(typeof FACTS)[number], FoldBuilder> =>
  Object.fromEntries(FACTS.map((view) => [view, foldBuilder(FOLD_VIEWS[view].dimensions.length)])) as Record<(typeof FACTS)[number], FoldBuilder>;

export function foldSourceOf(db: Database, names: Names): FoldSource {
  const KEY = 'workspace, workflow, key, user, model, model_sent, endpoint, outcome';
  const rollupPage = db.prepare<unknown[], Row>(`SELECT ${KEY}, ${ROLLUP_AS_SUMS} FROM rollup WHERE grain = ? AND bucket = ? AND (${KEY}) > (?, ?, ?, ?, ?, ?, ?, ?) ORDER BY ${KEY} LIMIT ${ROWS_AT_ONCE}`).raw();
  const rollupHour = db.prepare<unknown[], Row>(`SELECT workspace, workflow, model, ${ROLLUP_GROUP_AS_SUMS} FROM rollup WHERE grain = ${GRAIN.hour} AND bucket = ? GROUP BY workspace, workflow, model`).raw();
  const PAGE = 'admitted_at >= ? AND admitted_at <= ? AND (admitted_at, n) > (?, ?) AND (admitted_at, n) <= (?, ?)';
  const callPage = (sums: string) => db.prepare<unknown[], Row>(`SELECT user, workspace, ${sums} FROM call WHERE ${PAGE} AND outcome IS NOT NULL GROUP BY user, workspace`).raw();
  const actionPage = (cost: string) => ({
    named: db.prepare<unknown[], Row>(`SELECT workspace, workflow, action, COUNT(*), ${money(cost)}, MIN(n) FROM call WHERE ${PAGE} AND ${SERVED} AND +action IS NOT NULL GROUP BY workspace, workflow, action`).raw(),
    unnamed: db.prepare<unknown[], Row>(`SELECT workspace, workflow, group_concat(${cost}), COUNT(*), ${money(cost)} FROM call WHERE ${PAGE} AND ${SERVED} AND +action IS NULL GROUP BY workspace, workflow`).raw(),
  });
  const pageEnd = db.prepare<unknown[], Row>(`SELECT admitted_at, n FROM call WHERE admitted_at >= ? AND admitted_at < ? AND (admitted_at, n) > (?, ?) ORDER BY admitted_at, n LIMIT 1 OFFSET ${CALLS_AT_ONCE - 1}`).raw();
  const SAID_PAGE = 'at >= ? AND at <= ? AND (at, call) > (?, ?) AND (at, call) <= (?, ?)';
  const verdictPage = (sums: string) => db.prepare<unknown[], Row>(`SELECT rule, verdict, workspace, workflow, key, model, outcome, ${sums} ${VERDICTS_OF_CALLS} WHERE rule IN ${RULES} AND ${SAID_PAGE} AND outcome IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7`).raw();
  const spokenOfPage = (sums: string) => db.prepare<unknown[], Row>(`SELECT said, workspace, workflow, key, model, outcome, ${sums} ${spokenOf(SAID_PAGE)} WHERE outcome IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6`).raw();
  const pagesOf = (sums: string, cost: string) => ({ users: callPage(sums), verdicts: verdictPage(sums), spokenOf: spokenOfPage(sums), ...actionPage(cost) });
  const plain = pagesOf(callsAsSums('cost', 'estimated', 'cache_savings'), 'cost');
  const corrected = pagesOf(callsAsSums(COST_NOW, ESTIMATED_NOW, CACHE_SAVINGS_NOW), COST_NOW);
  const shapesPage = db.prepare<unknown[], Row>(`SELECT workspace, workflow, key, model, ${SHAPES} FROM call WHERE ${PAGE} AND ${SERVED} GROUP BY workspace, workflow, key, model`).raw();
  const reasonsPage = db.prepare<unknown[], Row>(`SELECT outcome, coalesce(status, 0), ${REASON}, workspace, workflow, key, model, COUNT(*) FROM call WHERE ${PAGE} AND ${FAILED} GROUP BY outcome, 2, 3, workspace, workflow, key, model`).raw();
  const anyCorrection = db.prepare('SELECT 1 FROM correction LIMIT 1').pluck();

  const outcomeIds = new Map<string, number>();
  const outcomeId = (outcome: unknown): number => outcomeIds.get(outcome as string) as number;

  /** @param pages the statements that hold by now @param place the page, as their parameters */
  const pageOf = (pages: typeof plain, place: readonly unknown[]): CallsPage => ({
    byUser(add) {
      for (const row of pages.users.all(...place)) add(row[0] as number, row[1] as number, ...summed(row, 2));
    },
    *actions() {
      for (const row of pages.named.all(...place)) {
        const [workspace, workflow, name, calls, costLow, costHigh, first] = row as readonly [number, number, string, number, number, number, number];
        yield { action: actionNumber(workspace, workflow, name), first, workspace, workflow, calls, costLow, costHigh, costs: EMPTY_SKETCH };
      }
      for (const row of pages.unnamed.all(...place)) {
        const [workspace, workflow, costs, calls, costLow, costHigh] = row as readonly [number, number, string, number, number, number];
        yield { action: 0, first: 0, workspace, workflow, calls, costLow, costHigh, costs: sketchOf(costs) };
      }
    },
    facts(to) {
      for (const row of shapesPage.all(...place)) {
        const [workspace, workflow, key, model, calls, tokens, speeds, overhead] = row as readonly [number, number, number, number, number, ...(string | null)[]];
        const dimensions = [workspace, workflow, key, model];
        to.outputs.add(dimensions, actionSums(calls, 0, 0, 0), 0, sketchOf(tokens ?? null), sketchOf(speeds ?? null));
        to.overheads.add(dimensions, actionSums(calls, 0, 0, 0), 0, sketchOf(overhead ?? null), EMPTY_SKETCH);
      }
      for (const row of reasonsPage.all(...place)) {
        const [outcome, status, reason, workspace, workflow, key, model, calls] = row as readonly [string, number, string, number, number, number, number, number];
        to.reasons.add([outcomeId(outcome), status, names.id(reason), workspace, workflow, key, model], actionSums(calls, 0, 0, 0), 0, EMPTY_SKETCH, EMPTY_SKETCH);
      }
      for (const row of pages.verdicts.all(...place)) {
        const [policy, verdict, workspace, workflow, key, model, outcome] = row as readonly [number, number, number, number, number, number, string];
        to.verdicts.add([policy, verdict, workspace, workflow, key, model, outcomeId(outcome)], ...summed(row, 7));
      }
      for (const row of pages.spokenOf.all(...place)) {
        const [said, workspace, workflow, key, model, outcome] = row as readonly [number, number, number, number, number, string];
        to.spokenOf.add([said, workspace, workflow, key, model, outcomeId(outcome)], ...summed(row, 6));
      }
    },
  });

  return {
    *rollup(grain, bucket, add) {
      let after: Row = [-1, -1, -1, -1, -1, -1, '', ''];
      for (;;) {
        const page = rollupPage.all(grain, bucket, ...after);
        for (const row of page) {
          const [workspace, workflow, key, user, model, modelSent] = row as readonly number[] as [number, number, number, number, number, number];
          add({ workspace, workflow, key, user, model, modelSent, outcome: outcomeId(row[7]) }, row, 8, row[8 + SUMS] as Uint8Array, row[9 + SUMS] as Uint8Array);
        }
        if (page.length < ROWS_AT_ONCE) return;
        after = (page.at(-1) as Row).slice(0, 8);
        yield;
      }
    },
    hour(bucket, add) {
      for (const row of rollupHour.all(bucket)) {
        const [workspace, workflow, model] = row as readonly number[] as [number, number, number];
        add(workspace, workflow, model, row, 3, row[3 + SUMS] as Uint8Array, row[4 + SUMS] as Uint8Array);
      }
    },
    *calls(from, until, look) {
      for (let after: Row = [from, -1]; ; ) {
        const end = pageEnd.get(from, until, ...after);
        const last = end ?? [until - 1, Number.MAX_SAFE_INTEGER];
        look(pageOf(anyCorrection.get() === undefined ? plain : corrected, [after[0], last[0], ...after, ...last]));
        if (end === undefined) return;
        after = end;
        yield;
      }
    },
    prepare() {
      if (outcomeIds.size === 0) OUTCOMES.forEach((outcome) => outcomeIds.set(outcome, names.id(outcome)));
    },
    forget: () => outcomeIds.clear(),
  };
}

/** The sums of a row that begin at a place, with the durations of its calls behind them. */
const summed = (row: Row, at: number): Figures => [row, at, sketchOf(row[at + SUMS] as string | null), sketchOf(row[at + 1 + SUMS] as string | null)];

/** @param list microseconds between commas; null where there are none */
const sketchOf = (list: string | null): Uint8Array => (list === null ? EMPTY_SKETCH : encodeValues(list.split(',').map(Number)));
