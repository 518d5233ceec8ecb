// server/forward/forward.ts: takes an admitted call to the provider and back, with at most one further try, and says how it went.

import type { Attempt, Outcome } from '../domain/call.ts';
import type { Clock, EpochMs } from '../domain/ids.ts';
import type { Reading } from '../domain/usage.ts';
import { headerOf } from './headers.ts';
import { openExchange, type Exchange, type ExchangeOptions, type ExchangeResult, type Outgoing } from './exchange.ts';
import { outcomeOf } from './outcome.ts';

export interface ForwardRequest {
  readonly outgoing: Outgoing;
  readonly options: ExchangeOptions;
  readonly billed: boolean;
  readonly clock: Clock;
  /** Makes the next attempt durable before its first byte leaves; false when it could not, and the call ends with what it has. */
  readonly mayRetry: (number: number, startedAt: EpochMs) => Promise<boolean>;
  /** Told of the exchange on the wire, so that it can be drained. */
  readonly onExchange: (exchange: Exchange) => void;
}

export interface Answer {
  readonly outcome: Outcome;
  readonly result: ExchangeResult;
  readonly reading: Reading;
  readonly attempts: readonly Attempt[];
  /** Milliseconds on the monotonic clock at which the first attempt was handed over. */
  readonly startedAt: number;
}

/** What the meter says of a call that was never metered. */
const NOTHING_READ: Reading = { usage: null, complete: false, contentBytes: 0, stopReason: null, errorType: null, errorCode: null, firstContentAt: null, obstacle: null };

/**
 * Forwards a call and relays the answer to the client.
 *
 * A call that was never sent (connection refused, name not found, TLS failure) is tried once more. Nothing else is: what may
 * have reached the provider may have been billed, and a client's SDK retries anyway.
 */
export async function forward(request: ForwardRequest): Promise<Answer> {
  const attempts: Attempt[] = [];
  const firstStart = request.clock.monotonic();
  for (let number = 1, startedAt = request.clock.now(); ; number++) {
    const started = number === 1 ? firstStart : request.clock.monotonic();
    const exchange = openExchange(request.outgoing, request.options);
    request.onExchange(exchange);
    const result = await exchange.result;
    const reading = result.reading ?? NOTHING_READ;
    const outcome = outcomeOf({
      stop: result.stop,
      status: result.head?.status ?? null,
      clientGone: result.clientGone,
      clientMissed: result.clientMissed,
      billed: request.billed,
      streamed: result.head?.streamed ?? false,
      jsonOrStream: result.head?.jsonOrStream ?? false,
      responseBytes: result.responseBytes,
      reading,
    });
    attempts.push({
      number,
      startedAt,
      status: result.head?.status ?? null,
      outcome,
      upstreamRequestId: result.head === null ? null : headerOf(result.head.raw, 'request-id'),
      headersMs: result.headersAt === null ? null : result.headersAt - started,
      durationMs: result.lastByteAt - started,
      errorType: reading.errorType ?? result.errorCode,
    });
    const replayable = request.outgoing.body === null || Buffer.isBuffer(request.outgoing.body);
    startedAt = request.clock.now();
    if (outcome === 'connect_failed' && number === 1 && replayable && !result.clientGone && (await request.mayRetry(2, startedAt))) continue;
    return { outcome, result, reading, attempts, startedAt: firstStart };
  }
}
