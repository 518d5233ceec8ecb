// server/forward/outcome.ts: what to call the way a call ended. Pure.

import type { Outcome } from '../domain/call.ts';
import type { Reading } from '../domain/usage.ts';

/** How the exchange with the provider stopped. `garbled`: what came was no HTTP. `upload_cut`: the client's body broke off; `upload_too_large`: it grew past what is taken. `cut`: we ended it ourselves because the client had left. */
export type Stop = 'whole' | 'connect_failed' | 'headers_timeout' | 'idle_timeout' | 'reset' | 'garbled' | 'upload_cut' | 'upload_too_large' | 'cut' | 'drained';

export interface Ended {
  readonly stop: Stop;
  readonly status: number | null;
  /** True when the client had left before the last byte was handed to it. */
  readonly clientGone: boolean;
  /** True when more of the answer came after the client had left. */
  readonly clientMissed: boolean;
  readonly billed: boolean;
  readonly streamed: boolean;
  readonly jsonOrStream: boolean;
  readonly responseBytes: number;
  readonly reading: Reading;
}

const TRUNCATED = new Set(['max_tokens', 'model_context_window_exceeded', 'length']);

export function outcomeOf(ended: Ended): Outcome {
  if (ended.stop === 'connect_failed') return 'connect_failed';
  if (ended.stop === 'drained') return 'drained';
  if (ended.stop === 'upload_cut') return 'client_abort';
  if (ended.stop === 'upload_too_large') return 'client_error';
  if ((ended.stop === 'cut' || ended.clientGone) && !heardOut(ended)) return 'client_abort';
  if (ended.stop === 'headers_timeout' || ended.stop === 'idle_timeout') return 'upstream_timeout';
  if (ended.stop === 'garbled') return 'upstream_protocol';
  if (ended.stop === 'reset' || ended.status === null) return 'upstream_reset';
  if (!ended.jsonOrStream && (ended.billed || ended.status >= 500)) return 'upstream_protocol';
  if (ended.status === 429 || ended.status >= 500) return 'upstream_error';
  if (ended.status >= 400) return 'client_error';
  if (!ended.billed) return 'ok';
  if (ended.reading.errorType !== null) return 'upstream_error';
  // Is nothing at all, or said to be JSON and is none.
  if (ended.responseBytes === 0 || (!ended.streamed && ended.reading.usage === null && ended.reading.obstacle === 'unparsable')) return 'upstream_protocol';
  // A stream that began and ended neatly, but without its last word, was cut somewhere behind the provider's own proxy.
  if (ended.streamed && !saidAll(ended.reading)) return 'upstream_reset';
  return TRUNCATED.has(ended.reading.stopReason ?? '') ? 'truncated' : 'ok';
}

/** Whether a stream came to its last word, with its final count where it counts the call at all. One that cannot be decoded is believed. */
function saidAll({ usage, complete, ended, promptUntold, obstacle }: Reading): boolean {
  if (usage === null) return ended === true || obstacle === 'undecodable';
  return complete || (ended === true && promptUntold === true);
}

/** Some clients hang up on the last event instead of the end of the body, as OpenAI's SDK does at `[DONE]`: they have their answer. */
function heardOut({ streamed, clientMissed, reading }: Ended): boolean {
  return streamed && !clientMissed && reading.stopReason !== null && (reading.usage === null || saidAll(reading));
}
