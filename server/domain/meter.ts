// server/domain/meter.ts: the contract of the meter, which reads a copy of the bytes that go by.

import type { Endpoint } from './call.ts';
import type { Reading, Tokens } from './usage.ts';

export interface MeterRequest {
  readonly endpoint: Endpoint;
  readonly status: number;
  /** The response's own headers, lower case; null when absent. */
  readonly contentType: string | null;
  readonly contentEncoding: string | null;
  /** Milliseconds on the monotonic clock. */
  readonly monotonic: () => number;
  /** Called once, when `message_start` told the true prompt. */
  readonly onStart: (started: Tokens) => void;
  /** Called with the bytes of each piece of generated content of a stream; null where nobody wants to know. */
  readonly onContent: ((bytes: number) => void) | null;
}

/** Reads one response. Never throws and never changes a byte: what it cannot read becomes `Reading.obstacle`. */
export interface Meter {
  /** A chunk as received from the provider, handed over after it went to the client. Nobody writes to its bytes any more, so it may be kept. */
  tap(chunk: Buffer): void;
  /** No more will come. `whole`: the body ended as its framing promised. Call once. A promise only where something must still be decompressed. */
  close(whole: boolean): Reading | Promise<Reading>;
}

/** What the JSON of a whole message says of itself, e.g. one of a batch's results. Never throws: what it cannot read is missing from the reading. */
export type ReadMessage = (message: Buffer) => Reading;

export type OpenMeter = (request: MeterRequest) => Meter;
