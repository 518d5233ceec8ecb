// server/batch/results.ts: what one line of a batch's results says.

export const RESULT_TYPES = ['succeeded', 'errored', 'canceled', 'expired'] as const;
export type ResultType = (typeof RESULT_TYPES)[number];

export interface Result {
  readonly customId: string;
  readonly type: ResultType;
  /** Of a succeeded item; null for others. */
  readonly message: unknown;
}

/** `{"custom_id","result":{"type","message"?}}`. @throws SyntaxError when it is not that: what cannot be read must not count as free */
export function readResult(line: Buffer): Result {
  const parsed = JSON.parse(line.toString('utf8')) as { custom_id?: unknown; result?: { type?: unknown; message?: unknown } | null } | null;
  const customId = parsed?.custom_id;
  const type = RESULT_TYPES.find((known) => known === parsed?.result?.type);
  if (typeof customId !== 'string' || customId === '' || type === undefined) throw new SyntaxError('a line of the results is not a result');
  return { customId, type, message: type === 'succeeded' ? parsed?.result?.message : null };
}
