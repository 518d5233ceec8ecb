// test/standin/paging.ts: lists cut by `limit`, `after_id` and `before_id`, as models and batches have them.

import { invalid } from './errors.ts';

export interface Page<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly first_id: string | null;
  readonly last_id: string | null;
}

/** @throws ApiError for a limit outside 1 to 1,000 */
export function paged<T extends { readonly id: string }>(all: readonly T[], query: URLSearchParams, standard: number): Page<T> {
  const limit = limitOf(query, standard);
  const after = query.get('after_id');
  const before = query.get('before_id');
  const from = after === null ? 0 : all.findIndex((one) => one.id === after) + 1;
  const to = before === null ? all.length : all.findIndex((one) => one.id === before);
  const rest = all.slice(from, to);
  // Backwards, the page is the one that ends at the cursor.
  const data = before === null ? rest.slice(0, limit) : rest.slice(-limit);
  return { data, has_more: rest.length > data.length, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
}

export function limitOf(query: URLSearchParams, standard: number): number {
  const limit = Number(query.get('limit') ?? standard);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) throw invalid('limit: Input should be between 1 and 1000');
  return limit;
}
