// server/store/sqlite/reports-detail.ts: one call with all that is known of it: tries, decisions, usage parts and the prices of its day.

import type { Attempt, Decision, Outcome } from '../../domain/call.ts';
import { epochMs } from '../../domain/ids.ts';
import type { PriceRow } from '../../domain/price.ts';
import type { BilledCall, CallDetail, Page } from '../../domain/reports.ts';
import type { UsagePart } from '../../domain/usage.ts';
import { limitsOf } from './limits-text.ts';
import { correctionsIn } from './reports-corrections.ts';
import { CALL_COLUMNS, callRow, cursorOf, placeOf } from './reports-requests.ts';
import type { Columns, Source } from './reports-source.ts';
import { revivePrice, type StoredPrice } from './stored-price.ts';

const BILL_COLUMNS = [...CALL_COLUMNS, 'price', 'more_prices', 'parts', 'speed', 'service_tier', 'inference_geo'];

/** Null: no such call, or its row is past retention. Tries that have not ended are not told yet. */
export function request(source: Source, id: string): CallDetail | null {
  const [row] = source.all(`SELECT ${BILL_COLUMNS.join(', ')}, decisions FROM call WHERE id = ?`, [id]);
  if (row === undefined) return null;
  const attempts = source.all(
    `SELECT number, started_at, status, outcome, upstream_request_id, headers_us, duration_us, error_type, failover, limits, client_wait_us
     FROM attempt WHERE call = ? AND outcome IS NOT NULL ORDER BY number`,
    [row[0] as bigint],
  );
  const decisions = JSON.parse((row[BILL_COLUMNS.length] as string | null) ?? '[]') as CompactDecision[];
  return {
    ...billedOf(source, [row])[0]!,
    attempts: attempts.map(attemptOf),
    decisions: decisions.map(([rule, verdict, detail]) => ({ rule, verdict, detail: detail ?? null })),
  };
}

/** Ended calls that had a price, oldest first, in pages. @throws BadQuery for a cursor that is not one of ours */
export function bills(source: Source, { from, to, limit, cursor, workspace }: { from: number; to: number; limit: number; cursor: string | null; workspace?: string }): Page<BilledCall> {
  const after = cursor === null ? null : placeOf(cursor);
  const beyond = after === null ? '' : ' AND (admitted_at > ? OR n > ?)';
  const of = workspace === undefined ? null : source.idOf(workspace);
  if (workspace !== undefined && of === null) return { rows: [], nextCursor: null };
  const rows = source.all(
    `SELECT ${BILL_COLUMNS.join(', ')} FROM call WHERE admitted_at >= ? AND admitted_at < ?${beyond}${of === null ? '' : ' AND workspace = ?'} AND outcome IS NOT NULL AND price IS NOT NULL ORDER BY admitted_at, n LIMIT ?`,
    [Math.max(from, after?.at ?? 0), to, ...(after === null ? [] : [after.at, after.n]), ...(of === null ? [] : [of]), limit + 1],
  );
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return { rows: billedOf(source, shown), nextCursor: last === undefined ? null : cursorOf(last) };
}

function billedOf(source: Source, rows: readonly Columns[]): BilledCall[] {
  const corrected = correctionsIn(source, rows);
  const prices = new Map<string, PriceRow>();
  const priceAt = (id: number | bigint): PriceRow => {
    const known = prices.get(String(id)) ?? priceOf(source, id);
    prices.set(String(id), known);
    return known;
  };
  return rows.map((row) => {
    const [price, morePrices, parts, speed, serviceTier, inferenceGeo] = row.slice(CALL_COLUMNS.length) as [bigint | null, ...(string | null)[]];
    const corrections = corrected.get(row[0] as bigint) ?? [];
    const latest = corrections.at(-1);
    const priced = latest ? [latest.price, ...latest.morePrices] : [...(price === null ? [] : [price]), ...(JSON.parse(morePrices ?? '[]') as number[])];
    return {
      row: callRow(source, row, corrections),
      parts: JSON.parse(parts ?? '[]') as UsagePart[],
      speed: speed ?? null,
      serviceTier: serviceTier ?? null,
      inferenceGeo: inferenceGeo ?? null,
      prices: priced.map(priceAt),
      corrections: corrections.map(({ price, morePrices: _more, cacheSavings: _savings, ...told }) => ({ ...told, priceVersion: source.priceVersionOf(price) })),
    };
  });
}

type CompactDecision = [rule: string, verdict: Decision['verdict'], detail?: string];

function attemptOf([number, startedAt, status, outcome, upstreamRequestId, headersUs, durationUs, errorType, failover, limits, clientWaitUs]: Columns): Attempt {
  const began = epochMs(Number(startedAt));
  return {
    number: Number(number),
    startedAt: began,
    status: status === null ? null : Number(status),
    outcome: outcome as Outcome,
    upstreamRequestId: upstreamRequestId as string | null,
    headersMs: headersUs === null ? null : Number(headersUs) / 1000,
    // A crash took the end of a try with it.
    durationMs: Number(durationUs ?? 0) / 1000,
    clientWaitMs: clientWaitUs === null ? null : Number(clientWaitUs) / 1000,
    errorType: errorType as string | null,
    failover: failover as string | null,
    limits: limitsOf(limits as string | null, began),
  };
}

function priceOf(source: Source, id: number | bigint): PriceRow {
  const [row] = source.all('SELECT content FROM price_version WHERE id = ?', [id]);
  if (row === undefined) throw new Error(`no price version has the id ${id}`);
  return revivePrice(JSON.parse(row[0] as string) as StoredPrice);
}
