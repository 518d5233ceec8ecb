// server/forward/forward.ts: takes an admitted call to the provider and back, with further tries where they are allowed, and says how it went.

import type { Attempt, Outcome } from '../domain/call.ts';
import type { Clock, EpochMs } from '../domain/ids.ts';
import type { ToldLimits } from '../domain/provider-limits.ts';
import type { Reading } from '../domain/usage.ts';
import { headerOf } from './headers.ts';
import { openExchange, type ExchangeOptions, type ExchangeResult, type OnTheWire, type Outgoing } from './exchange.ts';
import { outcomeOf } from './outcome.ts';
import { pause } from './pause.ts';
import type { NextTry, Place, Tries } from './tries.ts';

export interface ForwardRequest {
  readonly outgoing: Outgoing;
  readonly options: ExchangeOptions;
  readonly billed: boolean;
  readonly clock: Clock;
  /** Null: a connection that failed is tried once more, and nothing else is. */
  readonly tries: Tries | null;
  /** False forbids that one, too. */
  readonly triesAgain: boolean;
  /** The call as it goes to another place, with the key of that place. */
  elsewhere(place: Place): Outgoing;
  /** Makes the next attempt durable before its first byte leaves; false when it could not, and the call ends with what it has. */
  mayRetry(number: number, startedAt: EpochMs): Promise<boolean>;
  /** What the headers of the answer that came last told of the provider's limits; null where nobody read them. */
  readonly toldLimits: ToldLimits | null;
  /** Told of what can be drained: the exchange on the wire, or the wait for the next. */
  onWire(now: OnTheWire): void;
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
 * A call that was never sent (connection refused, name not found, TLS failure) is tried once more, but for one whose connection did
 * not come about in time: another wait of that length helps nobody. An answer that says no before anything was done is followed by
 * another try where the config allows it (`tries`). Nothing else is: what may have been served may have been billed, and a client's SDK
 * retries anyway.
 */
export async function forward(request: ForwardRequest): Promise<Answer> {
  const { clock, tries, outgoing } = request;
  const attempts: Attempt[] = [];
  const firstStart = clock.monotonic();
  for (let number = 1, startedAt = clock.now(); ; number++) {
    const started = number === 1 ? firstStart : clock.monotonic();
    const exchange = openExchange(tries === null || tries.place.id === null ? outgoing : request.elsewhere(tries.place), request.options);
    request.onWire(exchange);
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
      clientWaitMs: result.clientWaitMs,
      errorType: reading.errorType ?? result.errorCode,
      failover: tries?.place.id ?? null,
      limits: result.head === null ? null : request.toldLimits,
    });
    const next = nextAfter(request, result, outcome, number);
    const waited = next === null ? null : await pause(next.waitMs, request.options.reply, (wait) => request.onWire(wait));
    startedAt = clock.now();
    if (next !== null && waited === 'over' && (await request.mayRetry(number + 1, startedAt))) {
      tries?.begin(next);
      continue;
    }
    // An answer that was kept back for a try that did not come about is the answer.
    const sent = waited === 'left' ? { ...result, clientGone: true } : (result.release?.() ?? result);
    const final = waited === null ? sent : { ...sent, lastByteAt: clock.monotonic() };
    return { outcome: final.clientGone && !result.clientGone ? 'client_abort' : outcome, result: final, reading, attempts, startedAt: firstStart };
  }
}

const ONCE_MORE: NextTry = { place: null, waitMs: 0 };

/** Null: the answer stands. A body that went by as it came cannot be sent a second time. */
function nextAfter({ tries, triesAgain, outgoing: { body }, clock }: ForwardRequest, result: ExchangeResult, outcome: Outcome, number: number): NextTry | null {
  if (result.clientGone) return null;
  if (result.release !== undefined) return tries!.next();
  if (outcome !== 'connect_failed' || (body !== null && !Buffer.isBuffer(body))) return null;
  if (tries !== null) return tries.afterUnreachable(clock.monotonic());
  // Who did not answer for as long as a connection may take will hardly do so now, and the client has waited long enough.
  return number === 1 && triesAgain && result.errorCode !== 'UND_ERR_CONNECT_TIMEOUT' ? ONCE_MORE : null;
}
