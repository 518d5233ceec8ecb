// web/pages/limits/figures.ts: what room is left, and on whose side failures lie.

import type { LimitsAnswer, ReasonRow } from '../../../server/http/admin/wire.ts';
import { rowsBy } from '../../figures.ts';

/** What is limited, in words. */
export const DIMENSIONS = { requests: 'Requests', tokens: 'Tokens', input_tokens: 'Input tokens', output_tokens: 'Output tokens', concurrent: 'At once' } as const;

type Seen = LimitsAnswer['provider'][number];

export interface Headroom {
  readonly credential: string;
  readonly modelClass: string;
  readonly seenAt: number;
  /** By dimension: the share left, full again where the reset has passed since. */
  readonly left: Readonly<Partial<Record<Seen['dimension'], { readonly share: number; readonly limit: number; readonly remaining: number; readonly resetAt: number | null }>>>;
  readonly lowest: number;
}

/** One entry per provider key and class of models, the tightest first. */
export function headroomOf(provider: readonly Seen[], now: number): Headroom[] {
  return [...rowsBy(provider, (one) => `${one.credential}\n${one.model_class}`).values()]
    .map((rows) => {
      const left = Object.fromEntries(rows.map((one) => {
        const resetAt = one.reset_at === null ? null : Date.parse(one.reset_at);
        const share = one.limit === 0 ? 0 : resetAt !== null && resetAt <= now ? 1 : one.remaining / one.limit;
        return [one.dimension, { share, limit: one.limit, remaining: one.remaining, resetAt }];
      })) as Headroom['left'];
      return { credential: rows[0]!.credential, modelClass: rows[0]!.model_class, seenAt: Math.max(...rows.map((one) => Date.parse(one.seen_at))), left, lowest: Math.min(...Object.values(left).map((one) => one!.share)) };
    })
    .toSorted((a, b) => a.lowest - b.lowest);
}

export interface Side {
  readonly name: string;
  readonly outcomes: readonly string[];
}
/** Whose failures they are. A refusal is ours; a client that leaves or asks wrongly is the caller's. */
export const SIDES: readonly Side[] = [
  { name: 'The provider', outcomes: ['upstream_error', 'connect_failed', 'upstream_reset', 'upstream_timeout', 'upstream_protocol'] },
  { name: 'Refused by us', outcomes: ['refused'] },
  { name: 'The caller', outcomes: ['client_error', 'client_abort'] },
  { name: 'The gateway', outcomes: ['drained', 'crashed'] },
];
const sideOf = (outcome: string | null): Side | null => SIDES.find((side) => side.outcomes.includes(outcome ?? '')) ?? null;

export interface Failure {
  readonly status: number | null;
  readonly type: string;
  readonly side: string;
  readonly outcome: string;
  readonly count: number;
}

/** What calls failed of, the most frequent first. */
export const failuresOf = (rows: readonly ReasonRow[]): Failure[] =>
  rows.map((row) => ({ status: row.status, type: row.reason ?? '', side: sideOf(row.outcome)?.name ?? '', outcome: row.outcome, count: row.calls })).toSorted((a, b) => b.count - a.count);

type Series = LimitsAnswer['course']['series'][number];

/** One line per provider key and class of models: in each minute the tightest of its dimensions. The tightest first. */
export function poolsOf(series: readonly Series[]): { name: string; lowest: (number | null)[]; least: number }[] {
  const keys = new Set(series.map((one) => one.credential));
  return [...rowsBy(series, (one) => `${one.credential}\n${one.model_class}`).values()]
    .map((some) => {
      const lowest = some[0]!.lowest.map((_, at) => {
        const known = some.flatMap((one) => one.lowest[at] ?? []);
        return known.length > 0 ? Math.min(...known) : null;
      });
      return { name: keys.size > 1 ? `${some[0]!.model_class}, ${some[0]!.credential}` : some[0]!.model_class, lowest, least: Math.min(1, ...lowest.flatMap((value) => value ?? [])) };
    })
    .toSorted((a, b) => a.least - b.least);
}
