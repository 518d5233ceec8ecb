// server/store/sqlite/reports-detail.ts: one call with all that is known of it: tries, decisions, usage parts and the prices of its day.

import type { Attempt, Decision, Outcome } from '../../domain/call.ts';
import { epochMs } from '../../domain/ids.ts';
import type { PriceRow } from '../../domain/price.ts';
import type { CallDetail } from '../../domain/reports.ts';
import type { UsagePart } from '../../domain/usage.ts';
import { CALL_COLUMNS, callRow } from './reports-requests.ts';
import type { Columns, Source } from './reports-source.ts';
import { revivePrice, type StoredPrice } from './stored-price.ts';

const MORE_COLUMNS = ['price', 'more_prices', 'parts', 'decisions', 'speed', 'service_tier', 'inference_geo'];

/** Null: no such call, or its row is past retention. Tries that have not ended are not told yet. */
export function request(source: Source, id: string): CallDetail | null {
  const [row] = source.all(`SELECT ${[...CALL_COLUMNS, ...MORE_COLUMNS].join(', ')} FROM call WHERE id = ?`, [id]);
  if (row === undefined) return null;
  const [price, morePrices, parts, decisions, speed, serviceTier, inferenceGeo] = row.slice(CALL_COLUMNS.length) as [bigint | null, ...(string | null)[]];
  const attempts = source.all(
    `SELECT number, started_at, status, outcome, upstream_request_id, headers_us, duration_us, error_type
     FROM attempt WHERE call = ? AND outcome IS NOT NULL ORDER BY number`,
    [row[0] as bigint],
  );
  const prices = [...(price === null ? [] : [price]), ...(JSON.parse(morePrices ?? '[]') as number[])];
  return {
    row: callRow(source, row),
    attempts: attempts.map(attemptOf),
    decisions: (JSON.parse(decisions ?? '[]') as CompactDecision[]).map(([rule, verdict, detail]) => ({ rule, verdict, detail: detail ?? null })),
    parts: JSON.parse(parts ?? '[]') as UsagePart[],
    speed: speed ?? null,
    serviceTier: serviceTier ?? null,
    inferenceGeo: inferenceGeo ?? null,
    prices: prices.map((price) => priceOf(source, price)),
  };
}

type CompactDecision = [rule: string, verdict: Decision['verdict'], detail?: string];

function attemptOf([number, startedAt, status, outcome, upstreamRequestId, headersUs, durationUs, errorType]: Columns): Attempt {
  return {
    number: Number(number),
    startedAt: epochMs(Number(startedAt)),
    status: status === null ? null : Number(status),
    outcome: outcome as Outcome,
    upstreamRequestId: upstreamRequestId as string | null,
    headersMs: headersUs === null ? null : Number(headersUs) / 1000,
    // A crash took the end of a try with it.
    durationMs: Number(durationUs ?? 0) / 1000,
    errorType: errorType as string | null,
  };
}

function priceOf(source: Source, id: number | bigint): PriceRow {
  const [row] = source.all('SELECT content FROM price_version WHERE id = ?', [id]);
  if (row === undefined) throw new Error(`no price version has the id ${id}`);
  return revivePrice(JSON.parse(row[0] as string) as StoredPrice);
}
