// server/meter/decode.ts: undoes a response's content encoding on a side copy, a chunk at a time.

import zlib from 'node:zlib';
import type { Transform } from 'node:stream';

/** Decoded bytes after which a body is given up: what is small on the wire must not become large here. */
export const DECODED_BYTES = 256 * 1024 * 1024;
/** Encoded bytes that may wait for the decoder, which works in another thread. */
const WAITING_BYTES = 16 * 1024 * 1024;

/** Where decoded bytes go. */
export interface Sink {
  tap(chunk: Buffer): void;
  end(): void;
}

/** Null for an encoding that this Node cannot undo. `deflate` is zlib's format (RFC 9110, 8.4.1.2), though some send it raw. */
function decoderFor(encoding: string, firstByte: number): Transform | null {
  // A body that was cut off gives all that it held instead of an error.
  const zlibCut = { finishFlush: zlib.constants.Z_SYNC_FLUSH };
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip(zlibCut);
    case 'deflate':
      return (firstByte & 0x0f) === 8 ? zlib.createInflate(zlibCut) : zlib.createInflateRaw(zlibCut);
    case 'br':
      return zlib.createBrotliDecompress({ finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH });
    case 'zstd': {
      // From Node 22.15 on.
      const create = Reflect.get(zlib, 'createZstdDecompress') as (() => Transform) | undefined;
      return create ? create() : null;
    }
    default:
      return null;
  }
}

/**
 * A sink that decodes into another. What cannot be decoded calls `onFailure` once and is dropped from there on; bytes decoded before
 * that have reached the sink. `end` resolves when the last decoded byte has, and never rejects.
 */
export class Decoding {
  readonly #encoding: string;
  readonly #sink: Sink;
  readonly #onFailure: () => void;
  #decoder: Transform | null = null;
  #decoded = 0;
  #failed = false;
  #settle: () => void = () => {};

  constructor(encoding: string, sink: Sink, onFailure: () => void) {
    this.#encoding = encoding;
    this.#sink = sink;
    this.#onFailure = onFailure;
  }

  tap(chunk: Buffer): void {
    if (this.#failed || chunk.length === 0) return;
    this.#decoder ??= this.#open(chunk[0] as number);
    if (!this.#decoder) return this.#fail();
    if (this.#decoder.writableLength > WAITING_BYTES) return this.#fail();
    this.#decoder.write(Buffer.from(chunk));
  }

  async end(): Promise<void> {
    const decoder = this.#decoder;
    if (decoder && !this.#failed) {
      await new Promise<void>((resolve) => {
        this.#settle = resolve;
        decoder.end();
      });
      decoder.destroy();
    }
    this.#sink.end();
  }

  #open(firstByte: number): Transform | null {
    const decoder = decoderFor(this.#encoding, firstByte);
    decoder?.on('data', (chunk: Buffer) => {
      this.#decoded += chunk.length;
      if (this.#failed) return;
      if (this.#decoded > DECODED_BYTES) this.#fail();
      else this.#sink.tap(chunk);
    });
    decoder?.on('error', () => this.#fail());
    decoder?.on('end', () => this.#settle());
    decoder?.on('close', () => this.#settle());
    return decoder;
  }

  #fail(): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#decoder?.destroy();
    this.#settle();
    this.#onFailure();
  }
}
