// server/store/sqlite/advised-calls.ts: the calls of a time as the savings advisor reads them: a few columns of every answered call, in order.

import Database from 'better-sqlite3';
import type { PriceRow } from '../../domain/price.ts';
import type { Tokens } from '../../domain/usage.ts';
import { revivePrice, type StoredPrice } from './stored-price.ts';

/** Money in whole nano-dollars as numbers: exact up to nine million dollars a call. Times in milliseconds. */
export interface AdvisedCall {
  readonly n: number;
  readonly id: string;
  readonly at: number;
  /** When the first token was relayed or, where nobody measured that, when the answer had ended. */
  readonly answeredAt: number;
  readonly workspace: string;
  readonly workflow: string;
  readonly user: string;
  readonly session: string | null;
  readonly action: string | null;
  /** Served or, where the answer did not say, sent. */
  readonly model: string;
  readonly stream: boolean;
  readonly background: boolean;
  /** Booked from the results of a batch. */
  readonly batch: boolean;
  readonly endpoint: string;
  readonly outcome: string;
  readonly stopReason: string | null;
  readonly tokens: Tokens;
  readonly webSearches: number;
  /** Corrections included, as in `cacheSavings`. */
  readonly cost: number;
  readonly cacheSavings: number;
  readonly speed: string | null;
  readonly serviceTier: string | null;
  readonly inferenceGeo: string | null;
  /** Null for calls without a price. */
  readonly price: PriceRow | null;
  /** As `promptMarks` wrote it; null where none were taken. */
  readonly prompt: string | null;
}

/** Read at once; between two pages the writer can put the log back into the file. */
const PAGE = 5_000;

const SQL = `
  SELECT n, id, admitted_at, CASE WHEN ttft_us IS NULL THEN coalesce(ended_at, admitted_at) ELSE admitted_at + ttft_us / 1000 END, workspace, workflow, user, session, action, model,
    stream, background, batch IS NOT NULL AND custom_id IS NOT NULL, endpoint, outcome, stop_reason, input, cache_write_5m, cache_write_1h, cache_read, output, web_search,
    cost, cache_savings, speed, service_tier, inference_geo, price, prompt
  FROM call WHERE admitted_at >= ? AND admitted_at < ? AND (admitted_at > ? OR n > ?) AND outcome IS NOT NULL AND outcome <> 'refused'
  ORDER BY admitted_at, n LIMIT ${PAGE}`;

type Row = (string | number | null)[];

/** Answered calls admitted in [from, to), oldest first. @throws SqliteError when the file cannot be read */
export function* advisedCalls(file: string, { from, to }: { from: number; to: number }): Generator<AdvisedCall> {
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: 5_000 });
  try {
    db.pragma('query_only = ON');
    const page = db.prepare<[number, number, number, number], Row>(SQL).raw(true);
    const nameOf = remembered((id) => db.prepare<[number], string>('SELECT text FROM name WHERE id = ?').pluck().get(id) ?? '');
    const priceOf = remembered((id) => revivePrice(JSON.parse(db.prepare<[number], string>('SELECT content FROM price_version WHERE id = ?').pluck().get(id) ?? 'null') as StoredPrice));
    const corrected = new Map(db.prepare<[number], [number, number, number]>('SELECT call, sum(cost), sum(cache_savings) FROM correction WHERE call IN (SELECT n FROM call WHERE admitted_at >= ?) GROUP BY call').raw(true).all(from).map(([n, ...rest]) => [n, rest] as const));
    for (let at = from, after = 0; ; ) {
      const rows = page.all(at, to, at, after);
      for (const r of rows) {
        const [cost = 0, savings = 0] = corrected.get(r[0] as number) ?? [];
        const price = r[27] as number | null;
        yield {
          n: r[0] as number, id: r[1] as string, at: r[2] as number, answeredAt: r[3] as number,
          workspace: nameOf(r[4] as number), workflow: nameOf(r[5] as number), user: nameOf(r[6] as number), session: r[7] as string | null, action: r[8] as string | null, model: nameOf(r[9] as number),
          stream: r[10] === 1, background: r[11] === 1, batch: r[12] === 1, endpoint: r[13] as string, outcome: r[14] as string, stopReason: r[15] as string | null,
          tokens: { input: r[16] as number, cacheWrite5m: r[17] as number, cacheWrite1h: r[18] as number, cacheRead: r[19] as number, output: r[20] as number },
          webSearches: r[21] as number, cost: (r[22] as number) + cost, cacheSavings: (r[23] as number) + savings,
          speed: r[24] as string | null, serviceTier: r[25] as string | null, inferenceGeo: r[26] as string | null, price: price === null ? null : priceOf(price), prompt: r[28] as string | null,
        };
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      at = last[2] as number;
      after = last[0] as number;
    }
  } finally {
    db.close();
  }
}

function remembered<Value>(read: (id: number) => Value): (id: number) => Value {
  const known = new Map<number, Value>();
  return (id) => {
    const value = known.get(id) ?? read(id);
    known.set(id, value);
    return value;
  };
}
