// server/forward/edited-answer.ts: what it takes to change an answer: to have it whole and uncompressed, and to say so in its head.

import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';

/** An answer that must be changed must be held whole; a longer one than this is none that the API gives. */
export const EDITED_ANSWER_BYTES = 64 * 1024 * 1024;

/** Headers of an answer that goes out whole and uncompressed, whatever it came as. */
export function withLength(headers: readonly string[], bytes: number): string[] {
  const out: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase();
    if (name !== 'content-length' && name !== 'content-encoding') out.push(headers[i]!, headers[i + 1]!);
  }
  out.push('content-length', String(bytes));
  return out;
}

/** Not compressed is what we ask for, but an answer may come so all the same. @throws when it cannot be undone */
export function decoded(body: Buffer, encoding: string | null): Buffer {
  const limit = { maxOutputLength: EDITED_ANSWER_BYTES };
  switch ((encoding ?? 'identity').trim().toLowerCase()) {
    case '':
    case 'identity':
      return body;
    case 'gzip':
    case 'x-gzip':
      return gunzipSync(body, limit);
    case 'br':
      return brotliDecompressSync(body, limit);
    case 'deflate':
      return inflateSync(body, limit);
    default:
      throw Object.assign(new Error('an encoding that nobody asked for'), { code: 'ENOTSUP' });
  }
}
