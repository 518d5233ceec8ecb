// server/price/reprice-run.ts: prices the settled calls of a time again, page by page, and writes a correction for each that comes out otherwise.

import type { CallId, Clock, EpochMs } from '../domain/ids.ts';
import type { Correction } from '../domain/ledger.ts';
import { nanodollars } from '../domain/money.ts';
import type { RepricedModel, Reprice } from '../domain/reprice.ts';
import type { BilledCall, Reports } from '../domain/reports.ts';
import type { PriceBook } from './book.ts';
import { repriced } from './reprice.ts';

/** Calls per page: few enough that pricing them holds no stream up. */
const PAGE = 200;

export interface RepriceOptions {
  readonly run: string;
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** Says what would change, and changes nothing. */
  readonly dryRun: boolean;
  readonly actor: string;
}

export interface RepriceServices {
  readonly reports: Pick<Reports, 'bills'>;
  readonly book: PriceBook;
  readonly clock: Clock;
  /** Writes corrections, and tells everyone whose sums they change. Rejects when one could not be written. */
  correct(corrections: readonly { readonly correction: Correction; readonly call: BilledCall }[]): Promise<void>;
}

export interface RunningReprice {
  /** How it stands. */
  now(): Reprice;
  /** Resolves when it is over, also when it failed. */
  readonly ended: Promise<Reprice>;
}

/** Begins a run. One at a time: a second one beside it would find calls that cost something else than it read. */
export function startReprice(options: RepriceOptions, services: RepriceServices): RunningReprice {
  const { run, from, to, dryRun } = options;
  const { clock } = services;
  const models = new Map<string, { -readonly [Field in keyof RepricedModel]: RepricedModel[Field] } & { versions: Set<string> }>();
  let state: Reprice = {
    run, state: 'running', dryRun, from, to, startedAt: clock.now(), endedAt: null, reachedAt: from, calls: 0, changed: 0, unpriced: 0, unexplained: 0,
    before: nanodollars(0n), after: nanodollars(0n), models: [], error: null,
  };

  const look = (call: BilledCall): { correction: Correction; call: BilledCall } | null => {
    const result = repriced(call, services.book);
    const { row } = call;
    const name = row.modelSent ?? row.modelRequested ?? '';
    const model = models.get(name) ?? { model: name, calls: 0, changed: 0, before: nanodollars(0n), after: nanodollars(0n), priceVersions: [], versions: new Set() };
    models.set(name, model);
    const after = result.kind === 'changed' ? result.cost.total : row.cost;
    model.calls += 1;
    model.before = nanodollars(model.before + row.cost);
    model.after = nanodollars(model.after + after);
    state = {
      ...state,
      calls: state.calls + 1,
      changed: state.changed + (result.kind === 'changed' ? 1 : 0),
      unpriced: state.unpriced + ('unpriced' in result && result.unpriced ? 1 : 0),
      unexplained: state.unexplained + (result.kind === 'unexplained' ? 1 : 0),
      before: nanodollars(state.before + row.cost),
      after: nanodollars(state.after + after),
    };
    if (result.kind !== 'changed') return null;
    model.changed += 1;
    for (const price of result.cost.prices) model.versions.add(price.version);
    const { total: cost, ...rest } = result.cost;
    return { call, correction: { call: row.id as CallId, at: clock.now(), run, reason: 'reprice', actor: options.actor, before: row.cost, cost, ...rest } };
  };

  const walk = async (): Promise<void> => {
    for (let cursor: string | null = null; ; ) {
      const page: Awaited<ReturnType<Reports['bills']>> = await services.reports.bills({ from, to, limit: PAGE, cursor });
      const changes = page.rows.map(look).filter((change) => change !== null);
      if (!dryRun && changes.length > 0) await services.correct(changes);
      state = { ...state, reachedAt: page.rows.at(-1)?.row.admittedAt ?? to };
      cursor = page.nextCursor;
      if (cursor === null) return;
    }
  };

  const now = (): Reprice => ({ ...state, models: [...models.values()].map(({ versions, ...model }) => ({ ...model, priceVersions: [...versions] })).sort(mostChanged) });
  const ended = walk().then(
    () => void (state = { ...state, state: 'done', reachedAt: to, endedAt: clock.now() }),
    (error: unknown) => void (state = { ...state, state: 'failed', endedAt: clock.now(), error: error instanceof Error ? error.message : String(error) }),
  );
  return { now, ended: ended.then(now) };
}

function mostChanged(a: RepricedModel, b: RepricedModel): number {
  const by = ({ before, after }: RepricedModel): bigint => (after > before ? after - before : before - after);
  return by(a) === by(b) ? (a.model < b.model ? -1 : 1) : by(a) > by(b) ? -1 : 1;
}
