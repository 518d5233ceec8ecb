// web/pages/models/figures.ts: what each model is used for, costs and takes.

import type { PriceRowAnswer, ShapesAnswer, UsageRow } from '../../../server/http/admin/wire.ts';
import { cacheShare, costOf, perCall } from '../../figures.ts';

export interface ModelFigures {
  /** Null: calls that were refused before they had a model. */
  readonly model: string | null;
  readonly cost: bigint;
  readonly requests: number;
  readonly spendShare: number;
  readonly requestShare: number;
  /** Nano-dollars per 1,000 answers that came whole; null without one. */
  readonly perThousandGood: bigint | null;
  readonly ttft: UsageRow['ttft_ms'];
  readonly duration: UsageRow['duration_ms'];
  readonly outputEach: number;
  readonly cached: number | null;
  /** The row in force; null for a model the price book does not know. */
  readonly price: PriceRowAnswer | null;
}

/** The price row in force for a model as it was served: by its id, or its id without one trailing date. */
export function priceOf(prices: readonly PriceRowAnswer[], model: string): PriceRowAnswer | null {
  const undated = model.replace(/-\d{8}$/, '');
  const inForce = prices.filter((row) => row.in_force);
  const of = (wanted: string) => inForce.find((row) => row.model === wanted && row.kind === 'contract') ?? inForce.find((row) => row.model === wanted);
  return of(model) ?? of(undated) ?? inForce.find((row) => row.model.replace(/-\d{8}$/, '') === undated) ?? null;
}

/**
 * @param rows usage by model
 * @param outcomes usage by model and outcome
 */
export function modelsOf(rows: readonly UsageRow[], outcomes: readonly UsageRow[], prices: readonly PriceRowAnswer[], total: { cost: bigint; requests: number }): ModelFigures[] {
  const good = new Map(outcomes.filter((row) => row.outcome === 'ok').map((row) => [row.model ?? null, row.requests]));
  return rows
    .map((row) => {
      const model = row.model ?? null;
      const cost = costOf(row);
      return {
        model, cost, requests: row.requests, spendShare: total.cost > 0n ? Number(cost) / Number(total.cost) : 0, requestShare: total.requests > 0 ? row.requests / total.requests : 0,
        perThousandGood: perCall(cost * 1000n, good.get(model) ?? 0), ttft: row.ttft_ms, duration: row.duration_ms, outputEach: row.requests ? row.tokens.output / row.requests : 0, cached: cacheShare(row.tokens),
        price: model === null ? null : priceOf(prices, model),
      };
    })
    .toSorted((a, b) => (b.cost > a.cost ? 1 : b.cost < a.cost ? -1 : 0));
}

export interface Speed {
  /** Output tokens a second, from the first token to the last. */
  readonly p50: number;
  readonly p95: number;
}

/** Fewer answers than this say little. */
const FEW = 5;

/** How fast each model wrote; models with too few answers are absent. The p95 is what one answer in twenty was slower than. */
export const speedsOf = (speeds: ShapesAnswer['speeds']): ReadonlyMap<string, Speed> =>
  new Map(speeds.flatMap(({ model, answers, tokens_per_second: { p50, p5 } }) => (model === null || answers < FEW ? [] : [[model, { p50, p95: p5 }] as const])));
