// server/http/data/body.ts: reads a request body whole, within its own limit and the limit of all bodies together.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { granted, refused, tooLarge, type Verdict } from '../../domain/refusal.ts';
import { askForBody } from '../../forward/upload.ts';
import { BodyFault } from './connections.ts';
import { overloaded } from './overload.ts';

/** Bytes of request bodies held in memory by calls in flight, all together. */
export class BodyBudget {
  #held = 0;
  readonly #limit: () => number;
  readonly #onFull: () => void;

  /** @param limitBytes asked anew each time: a reload may change it @param onFull told of every body that there was no room for */
  constructor(limitBytes: () => number, onFull: () => void) {
    this.#limit = limitBytes;
    this.#onFull = onFull;
  }

  get held(): number {
    return this.#held;
  }

  /** False when there is no room; a body alone in the house always fits. */
  take(bytes: number): boolean {
    if (this.#held > 0 && this.#held + bytes > this.#limit()) {
      this.#onFull();
      return false;
    }
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}

export interface HeldBody {
  readonly bytes: Buffer;
  /** Gives the room back; once. */
  release(): void;
}

/** Bodies up to this size come in one piece or a few, and are cheaper to put together at the end. */
const GATHERED_BYTES = 256 * 1024;

/**
 * The body, whole: the model can be its last field. Refuses with `too_large` by `content-length` before a byte is read, and
 * again while counting; with `malformed` when the client cuts it short; with what a `BodyFault` says when we wait for it no longer.
 */
export function readBody(request: IncomingMessage, reply: ServerResponse, limitBytes: number, budget: BodyBudget): Promise<Verdict<HeldBody>> {
  const declared = request.headers['content-length'];
  const declaredBytes = declared === undefined ? 0 : Number(declared);
  if (declaredBytes > limitBytes) return Promise.resolve(tooLarge(limitBytes));
  if (!budget.take(declaredBytes)) return Promise.resolve({ ok: false, refusal: overloaded('held_bodies') });

  askForBody(request, reply);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    // A large body whose size is known is gathered in its place: beside its pieces, it would take its room twice.
    const whole = declaredBytes > GATHERED_BYTES ? Buffer.allocUnsafeSlow(declaredBytes) : null;
    let received = 0;
    let taken = declaredBytes;
    let over = false;
    const finish = (verdict: Verdict<HeldBody>): void => {
      over = true;
      // A whole body has nothing more to tell, and its request is let go soon.
      if (!verdict.ok) {
        request.off('data', onData).off('end', onEnd).off('close', onCut).off('error', onCut);
        budget.give(taken);
      }
      resolve(verdict);
    };
    const onData = (chunk: Buffer): void => {
      received += chunk.length;
      if (received > limitBytes) {
        request.pause();
        return finish(tooLarge(limitBytes));
      }
      // A chunked body declares nothing: its room is taken as it comes.
      if (received > taken) {
        if (!budget.take(received - taken)) {
          request.pause();
          return finish({ ok: false, refusal: overloaded('held_bodies') });
        }
        taken = received;
      }
      if (whole === null) chunks.push(chunk);
      else chunk.copy(whole, received - chunk.length);
    };
    const onEnd = (): void => {
      const bytes = whole ?? (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, received));
      let held = true;
      finish(granted({
        bytes,
        release: () => {
          if (held) budget.give(taken);
          held = false;
        },
      }));
    };
    const onCut = (error?: Error): void => {
      if (!over) finish(error instanceof BodyFault ? { ok: false, refusal: error.refusal } : refused('malformed', 'The request body ended before it was complete.'));
    };
    request.on('data', onData).on('end', onEnd).on('close', onCut).on('error', onCut);
  });
}
