// test/standin/encoding.ts: content-encodings of bodies: those that clients offer, and two that they do not.

import { brotliDecompressSync, constants, createBrotliCompress, createDeflate, createGzip, gunzipSync, inflateSync } from 'node:zlib';
import { ApiError, invalid } from './errors.ts';

export interface Encoder {
  /** The encoded bytes of this part, flushed, so that the other side can decode it at once. */
  part(bytes: Buffer): Promise<Buffer>;
  /** What ends the encoding; empty for plain bytes, and the second time. */
  end(): Promise<Buffer>;
}

const OFFERED = ['gzip', 'br', 'deflate'] as const;

/** The first encoding of ours in an `accept-encoding`, or null. */
export function offeredEncoding(acceptEncoding: string | undefined): string | null {
  const names = (acceptEncoding ?? '').split(',').map((part) => part.split(';')[0]?.trim().toLowerCase());
  return OFFERED.find((name) => names.includes(name)) ?? null;
}

/** Null and unknown names encode nothing. */
export function encoderFor(name: string | null): Encoder {
  if (name === 'gzip') return throughStream(createGzip({ flush: constants.Z_SYNC_FLUSH }));
  if (name === 'deflate') return throughStream(createDeflate({ flush: constants.Z_SYNC_FLUSH }));
  if (name === 'br') return throughStream(createBrotliCompress({ flush: constants.BROTLI_OPERATION_FLUSH }));
  if (name === 'zstd') return { part: async (bytes) => zstdStored(bytes), end: async () => Buffer.alloc(0) };
  return { part: async (bytes) => bytes, end: async () => Buffer.alloc(0) };
}

type Compressor = ReturnType<typeof createGzip> | ReturnType<typeof createDeflate> | ReturnType<typeof createBrotliCompress>;

function throughStream(stream: Compressor): Encoder {
  let out: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => out.push(chunk));
  const taken = (): Buffer => {
    const bytes = Buffer.concat(out);
    out = [];
    return bytes;
  };
  return {
    part: (bytes) => new Promise((done) => {
      if (bytes.length === 0) return done(Buffer.alloc(0));
      stream.write(bytes, () => stream.flush(() => done(taken())));
    }),
    end: () => new Promise((done) => {
      if (stream.writableEnded) return done(Buffer.alloc(0));
      stream.once('end', () => done(taken()));
      stream.end();
    }),
  };
}

/** A whole Zstandard frame with stored blocks (RFC 8878); Node 20 has no compressor for it, and frames may follow one another. */
function zstdStored(bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes.length, 5);
  const parts: Buffer[] = [head];
  for (let at = 0; at < bytes.length; at += 131_072) {
    const block = bytes.subarray(at, at + 131_072);
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (at + 131_072 >= bytes.length ? 1 : 0), 0, 3);
    parts.push(header, block);
  }
  return Buffer.concat(parts);
}

const DECODERS = new Map([['gzip', gunzipSync], ['deflate', inflateSync], ['br', brotliDecompressSync]]);

/** A request body as plain bytes. @throws ApiError for an encoding that is unknown or broken */
export function decodeBody(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === undefined || encoding === 'identity') return body;
  const decode = DECODERS.get(encoding);
  if (!decode) throw new ApiError('invalid_request_error', `Unsupported content-encoding: ${encoding}`, { code: 'request_body_encoding_unsupported' });
  try {
    return decode(body, { maxOutputLength: 64 * 1024 * 1024 });
  } catch (cause) {
    if (cause instanceof RangeError) throw new ApiError('request_too_large', 'Request exceeds the maximum size after decoding', { code: 'request_body_too_large_after_decoding' });
    throw Object.assign(invalid('The request body could not be decoded'), { cause });
  }
}
