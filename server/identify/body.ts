// server/identify/body.ts: decodes compressed request bodies, within limits, so that the governed fields can be read.

import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';
import { granted, refused, type Verdict } from '../domain/refusal.ts';

export interface DecodeCaps {
  /** The decoded body at most. */
  readonly bytes: number;
  /** Decoded ÷ compressed at most. */
  readonly ratio: number;
}

/** The API takes 32 MB; text compresses by ten or so, a bomb by a thousand. */
export const DECODE_CAPS: DecodeCaps = { bytes: 32 * 1024 * 1024, ratio: 100 };

/** What is this small decoded is no bomb, whatever its ratio. */
const ALWAYS_ALLOWED_BYTES = 64 * 1024;
const MAX_ENCODINGS = 2;

type Decoder = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['br', promisify(brotliDecompress)],
  ['deflate', inflateEither],
]);

/**
 * The body as the API will read it. Decoding runs on the thread pool. Unknown, damaged or more than two encodings are
 * `malformed`, what would grow past the caps is `too_large`; in both cases nothing beyond the caps was ever held.
 * @param contentEncoding the header as sent (RFC 9110, section 8.4: in the order in which they were applied); null when absent
 */
export async function decodeBody(body: Buffer, contentEncoding: string | null, caps: DecodeCaps = DECODE_CAPS): Promise<Verdict<Buffer>> {
  if (contentEncoding === null) return granted(body);
  if (contentEncoding.length > 64) return refused('malformed', 'content-encoding is too long: at most two encodings are accepted');
  const encodings = contentEncoding
    .toLowerCase()
    .split(',')
    .map((encoding) => encoding.trim())
    .filter((encoding) => encoding !== '' && encoding !== 'identity');
  if (encodings.length > MAX_ENCODINGS) return refused('malformed', 'content-encoding names too many encodings: at most two are accepted');

  const maxOutputLength = Math.min(caps.bytes, Math.max(body.length * caps.ratio, ALWAYS_ALLOWED_BYTES));
  let decoded = body;
  for (const encoding of encodings.reverse()) {
    const decode = DECODERS.get(encoding);
    if (decode === undefined) return refused('malformed', 'content-encoding is not one of gzip, deflate, br');
    try {
      decoded = await decode(decoded, { maxOutputLength });
    } catch (cause) {
      if (cause instanceof RangeError && (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        return refused('too_large', `the body grows past ${maxOutputLength} bytes when decoded`);
      }
      return refused('malformed', `the body is not valid ${encoding}`);
    }
  }
  return granted(decoded);
}

/** RFC 9110 wants zlib's wrapping, many clients leave it out; the low bits of the first byte tell which (RFC 1950, section 2.2). */
function inflateEither(body: Buffer, options: { maxOutputLength: number }): Promise<Buffer> {
  const wrapped = ((body[0] ?? 0) & 0x0f) === 0x08;
  return promisify(wrapped ? inflate : inflateRaw)(body, options);
}
