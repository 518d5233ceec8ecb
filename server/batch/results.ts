// server/batch/results.ts: what one line of a batch's results says, read in place: of a message, the content is nearly all and nobody's business.

import { Cursor, Names, ScanFailure } from '../domain/json-cursor.ts';

export const RESULT_TYPES = ['succeeded', 'errored', 'canceled', 'expired'] as const;
export type ResultType = (typeof RESULT_TYPES)[number];

export interface Result {
  readonly customId: string;
  readonly type: ResultType;
  /** The JSON of a succeeded item's message; null for others. */
  readonly message: Buffer | null;
}

const LINE = new Names(['custom_id', 'result']);
const RESULT = new Names(['type', 'message']);
const TYPES = new Names(RESULT_TYPES);

/** `{"custom_id","result":{"type","message"?}}`. @throws SyntaxError when it is not that: what cannot be read must not count as free */
export function readResult(line: Buffer): Result {
  let customId: string | null = null;
  let type: ResultType | null = null;
  let message: Buffer | null = null;
  try {
    const cursor = new Cursor(line);
    cursor.object(LINE, (name) => {
      const kind = cursor.kind();
      if (name === 'custom_id' && kind === 'string') customId = cursor.string();
      else if (name === 'result' && kind === 'object') {
        cursor.object(RESULT, (field) => {
          if (cursor.kind() === 'string' && field === 'type') {
            type = cursor.word(TYPES);
            return;
          }
          const start = cursor.at;
          cursor.skip();
          if (field === 'message') message = line.subarray(start, cursor.at);
        });
      } else cursor.skip();
    });
    cursor.finish();
  } catch (failure) {
    if (!(failure instanceof ScanFailure)) throw failure;
    return parsedResult(line);
  }
  return resultOf(customId, type, message);
}

/** For what the strict walk does not take, such as content that nests without end. */
function parsedResult(line: Buffer): Result {
  const parsed = JSON.parse(line.toString('utf8')) as { custom_id?: unknown; result?: { type?: unknown; message?: unknown } | null } | null;
  const { custom_id: customId, result } = parsed ?? {};
  const message = result?.message === undefined ? null : Buffer.from(JSON.stringify(result.message));
  return resultOf(customId, RESULT_TYPES.find((type) => type === result?.type) ?? null, message);
}

function resultOf(customId: unknown, type: ResultType | null, message: Buffer | null): Result {
  if (typeof customId !== 'string' || customId === '' || type === null) throw new SyntaxError('a line of the results is not a result');
  return { customId, type, message: type === 'succeeded' ? message : null };
}
