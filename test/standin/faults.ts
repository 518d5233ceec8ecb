// test/standin/faults.ts: what can go wrong on demand. A test queues a fault for the next request, or a client names it in `x-standin-fault`.

/** Every fault, with its arguments and what it does. `n` events count from 1, `message_start` being the first. */
export const FAULTS = {
  'reset-before-headers': 'reads the request, then resets the connection',
  'no-answer': 'reads the request, then stays silent',
  'slow-first-byte': ':ms  waits before the response headers',
  'early-answer': ':status  answers before the upload has ended, and reads no more of it',
  'continue': ':n  sends n (1) responses of status 100 first, asked for or not',
  'processing': 'sends a response of status 102 first',
  'early-hints': ':n  sends n (1) responses of status 103 first',
  'reset-mid-json': ':bytes  sends this much of the body (half of it), then resets',
  'reset-mid-sse': ':n  resets after n events',
  'end-early': ':n  ends the stream cleanly after n events, without message_stop',
  'stall': ':n  stays silent after n events, with the connection open',
  'stall-pings': ':n,ms  after n events sends nothing but pings, one per ms (200)',
  'slow-events': ':ms  waits before every event',
  'rate-limit': ':seconds  429 with retry-after',
  'rate-limit-bare': '429 rate_limit_error without retry-after',
  'spend-cap-429': 'the spend cap of the tier: 429 without retry-after, enforced_spend_limit_reached',
  'spend-cap-400': "the customer's own spend limit: 400, \"You have reached your specified API usage limits\"",
  'status': ':status,type  an error in the API\'s shape, with the type that belongs to the status',
  'error-event': ':n,type  an `error` event after n events (overloaded_error), then the end',
  'html': ':status  an HTML page, as an edge sends it (502)',
  'empty-200': '200 with no body',
  'no-content': '204',
  'redirect': ':status,location  a redirect (307 to another host)',
  'malformed-sse': 'lines without a colon, an event without data and broken JSON between the events',
  'line-ends': ':cr|crlf  ends lines the other two ways',
  'multi-line': 'spreads the data of each event over several data lines',
  'comments': 'comment lines between and within the events',
  'unknown-events': 'events of types that no client knows yet',
  'invalid-utf8': 'bytes that are not UTF-8 in the text',
  'split': ':bytes,bytes,…  cuts the body into writes of these sizes, the last one repeated',
  'no-usage': 'no usage anywhere',
  'usage-start-only': 'usage in message_start only',
  'growing-input': ':tokens  the input count at the end is larger than at the start, by 8,003',
  'iterations': ':type,model  adds a model turn to usage.iterations that the top-level counters leave out (compaction)',
  'refusal': ':before|mid  stop_reason refusal, before any output or in the middle of it',
  'content-length': ':±bytes  a content-length that is wrong by this much (+10)',
  'framing': ':chunked|length|close  how the end of the body is told',
  'encoding': ':gzip|br|deflate|zstd|name  a content-encoding, asked for or not; an unknown name only labels the plain bytes',
  'bomb': ':bytes  a gzip body that inflates to this much (100 MB)',
  'huge-headers': ':bytes  response headers of this size (64 KB)',
  'endless-event': ':bytes  one event that goes on for this long (64 MB) without a line end',
  'trailers': 'trailer fields after a chunked body',
} as const;

export type FaultName = keyof typeof FAULTS;

/** The faults of one response, each with its arguments. */
export class Faults {
  private readonly byName = new Map<FaultName, readonly string[]>();

  /** @param spec `name`, `name:arg,arg`, several with `;` between them; @throws RangeError for an unknown name, so that a typo is no pass */
  constructor(spec: string) {
    for (const one of spec.split(';').map((s) => s.trim()).filter((s) => s !== '')) {
      const colon = one.indexOf(':');
      const name = colon === -1 ? one : one.slice(0, colon);
      if (!Object.hasOwn(FAULTS, name)) throw new RangeError(`unknown fault: ${name}`);
      this.byName.set(name as FaultName, colon === -1 ? [] : one.slice(colon + 1).split(',').map((arg) => arg.trim()));
    }
  }

  has(name: FaultName): boolean {
    return this.byName.has(name);
  }

  text(name: FaultName, otherwise: string, at = 0): string {
    return this.byName.get(name)?.[at] ?? otherwise;
  }

  number(name: FaultName, otherwise: number, at = 0): number {
    const value = Number(this.byName.get(name)?.[at] ?? otherwise);
    if (Number.isNaN(value)) throw new RangeError(`fault ${name}: not a number`);
    return value;
  }

  numbers(name: FaultName): number[] {
    return (this.byName.get(name) ?? []).map(Number);
  }
}
