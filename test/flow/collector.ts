// test/flow/collector.ts: an OpenTelemetry collector over HTTP, which decodes what it gets and answers as a test says.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  /** 3 is CLIENT. */
  readonly kind: number;
  /** Nanoseconds since the epoch. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Attributes;
  readonly events: readonly { readonly name: string; readonly at: bigint; readonly attributes: Attributes }[];
  /** 0 unset, 2 error. */
  readonly status: number;
  readonly resource: Attributes;
}

export interface ReceivedHistogram {
  readonly name: string;
  readonly unit: string;
  /** 1 delta, 2 cumulative. */
  readonly temporality: number;
  readonly attributes: Attributes;
  readonly count: number;
  readonly sum: number;
  readonly bounds: readonly number[];
  readonly resource: Attributes;
}

export type Attributes = Readonly<Record<string, unknown>>;

export interface Collector {
  readonly url: string;
  readonly requests: readonly { readonly path: string; readonly headers: Readonly<Record<string, string | string[] | undefined>>; readonly body: Buffer }[];
  readonly spans: readonly ReceivedSpan[];
  /** As last reported: per name and attributes the newest. */
  readonly histograms: readonly ReceivedHistogram[];
  /** What it answers from now on: a status, silence, or that it took so many spans fewer than it was sent. */
  answer(how: number | 'never' | { readonly rejectedSpans: number }): void;
  close(): Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const requests: { path: string; headers: Readonly<Record<string, string | string[] | undefined>>; body: Buffer }[] = [];
  const spans: ReceivedSpan[] = [];
  const histograms = new Map<string, ReceivedHistogram>();
  let how: Parameters<Collector['answer']>[0] = 200;
  const server = createServer((request, reply) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const sent = Buffer.concat(chunks);
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
      const path = request.url ?? '';
      requests.push({ path, headers: request.headers, body });
      if (how === 'never') return;
      if (typeof how === 'number' && how !== 200) return void reply.writeHead(how, { 'content-type': 'text/plain' }).end('no');
      const json = request.headers['content-type'] === 'application/json';
      const message = json ? (JSON.parse(body.toString('utf8')) as Message) : decode(body, path === '/v1/traces' ? TRACES : METRICS);
      if (path === '/v1/traces') spans.push(...spansOf(message));
      else for (const it of histogramsOf(message)) histograms.set(JSON.stringify([it.name, it.attributes]), it);
      // ExportTracePartialSuccess: field 1 of the response, whose field 1 is the count.
      const answer = typeof how === 'object' ? Buffer.from([0x0a, 0x02, 0x08, how.rejectedSpans]) : Buffer.alloc(0);
      reply.writeHead(200, { 'content-type': String(request.headers['content-type']) }).end(json ? '{}' : answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    spans,
    get histograms() {
      return [...histograms.values()];
    },
    answer: (next) => void (how = next),
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))),
  };
}

// What the messages hold, whichever way they were written: JSON by its names, protobuf through the tables below.

type Message = { readonly [field: string]: unknown };
const list = (value: unknown): readonly Message[] => (value as readonly Message[] | undefined) ?? [];
const id = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString('hex') : ((value as string | undefined) ?? ''));

function attributesOf(value: unknown): Attributes {
  return Object.fromEntries(list(value).map(({ key, value: any }) => [key as string, valueOf(any as Message)]));
}

function valueOf(any: Message): unknown {
  if ('stringValue' in any) return any['stringValue'];
  if ('boolValue' in any) return Boolean(any['boolValue']);
  if ('intValue' in any) return Number(any['intValue']);
  if ('doubleValue' in any) return any['doubleValue'];
  return list((any['arrayValue'] as Message)['values']).map(valueOf);
}

function spansOf(message: Message): ReceivedSpan[] {
  return list(message['resourceSpans']).flatMap((group) =>
    list(group['scopeSpans']).flatMap((scope) =>
      list(scope['spans']).map((span) => ({
        traceId: id(span['traceId']),
        spanId: id(span['spanId']),
        parentSpanId: id(span['parentSpanId']),
        traceState: (span['traceState'] as string | undefined) ?? '',
        name: span['name'] as string,
        kind: Number(span['kind']),
        start: BigInt(span['startTimeUnixNano'] as string),
        end: BigInt(span['endTimeUnixNano'] as string),
        attributes: attributesOf(span['attributes']),
        events: list(span['events']).map((event) => ({ name: event['name'] as string, at: BigInt(event['timeUnixNano'] as string), attributes: attributesOf(event['attributes']) })),
        status: Number((span['status'] as Message | undefined)?.['code'] ?? 0),
        resource: attributesOf((group['resource'] as Message)['attributes']),
      })),
    ),
  );
}

function histogramsOf(message: Message): ReceivedHistogram[] {
  return list(message['resourceMetrics']).flatMap((group) =>
    list(group['scopeMetrics']).flatMap((scope) =>
      list(scope['metrics']).flatMap((metric) => {
        const histogram = metric['histogram'] as Message;
        return list(histogram['dataPoints']).map((point) => ({
          name: metric['name'] as string,
          unit: metric['unit'] as string,
          temporality: Number(histogram['aggregationTemporality']),
          attributes: attributesOf(point['attributes']),
          count: Number(point['count']),
          sum: Number(point['sum'] ?? 0),
          bounds: (point['explicitBounds'] as readonly number[] | undefined) ?? [],
          resource: attributesOf((group['resource'] as Message)['attributes']),
        }));
      }),
    ),
  );
}

// Protobuf, as far as these messages need it. Field numbers: opentelemetry-proto 1.x, trace/v1, metrics/v1, common/v1.

type Kind = 'text' | 'bytes' | 'varint' | 'signed' | 'fixed64' | 'double' | 'doubles' | Shape;
interface Shape {
  readonly [number: number]: readonly [name: string, kind: Kind, repeated?: true];
}

const ANY: { [number: number]: readonly [string, Kind, true?] } = { 1: ['stringValue', 'text'], 2: ['boolValue', 'varint'], 3: ['intValue', 'signed'], 4: ['doubleValue', 'double'] };
ANY[5] = ['arrayValue', { 1: ['values', ANY, true] }];
const KEY_VALUE: Shape = { 1: ['key', 'text'], 2: ['value', ANY] };
const RESOURCE: Shape = { 1: ['attributes', KEY_VALUE, true] };
const EVENT: Shape = { 1: ['timeUnixNano', 'fixed64'], 2: ['name', 'text'], 3: ['attributes', KEY_VALUE, true] };
const SPAN: Shape = {
  1: ['traceId', 'bytes'], 2: ['spanId', 'bytes'], 3: ['traceState', 'text'], 4: ['parentSpanId', 'bytes'], 5: ['name', 'text'], 6: ['kind', 'varint'],
  7: ['startTimeUnixNano', 'fixed64'], 8: ['endTimeUnixNano', 'fixed64'], 9: ['attributes', KEY_VALUE, true], 11: ['events', EVENT, true], 15: ['status', { 3: ['code', 'varint'] }],
};
const TRACES: Shape = { 1: ['resourceSpans', { 1: ['resource', RESOURCE], 2: ['scopeSpans', { 2: ['spans', SPAN, true] }, true] }, true] };
const POINT: Shape = { 4: ['count', 'fixed64'], 5: ['sum', 'double'], 7: ['explicitBounds', 'doubles'], 9: ['attributes', KEY_VALUE, true] };
const METRIC: Shape = { 1: ['name', 'text'], 3: ['unit', 'text'], 9: ['histogram', { 1: ['dataPoints', POINT, true], 2: ['aggregationTemporality', 'varint'] }] };
const METRICS: Shape = { 1: ['resourceMetrics', { 1: ['resource', RESOURCE], 2: ['scopeMetrics', { 2: ['metrics', METRIC, true] }, true] }, true] };

function decode(bytes: Buffer, shape: Shape): Message {
  const out: Record<string, unknown> = {};
  let at = 0;
  const varint = (): bigint => {
    for (let value = 0n, shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const wire = tag & 7;
    const [name, kind, repeated] = shape[tag >> 3] ?? [null, null];
    let value: unknown;
    if (wire === 0) {
      const raw = varint();
      value = kind === 'signed' ? BigInt.asIntN(64, raw) : raw;
    } else if (wire === 1) {
      value = kind === 'double' ? bytes.readDoubleLE(at) : bytes.readBigUInt64LE(at);
      at += 8;
    } else if (wire === 5) {
      at += 4;
    } else if (wire === 2) {
      const length = Number(varint());
      const part = bytes.subarray(at, at + length);
      at += length;
      if (part.length !== length) throw new Error('cut short');
      if (kind === 'text') value = part.toString('utf8');
      else if (kind === 'doubles') value = Array.from({ length: length / 8 }, (_, i) => part.readDoubleLE(i * 8));
      else value = typeof kind === 'object' && kind !== null ? decode(part, kind) : part;
    } else throw new Error(`wire type ${wire}`);
    if (name === null) continue;
    if (repeated === true) ((out[name] ??= []) as unknown[]).push(value);
    else out[name] = value;
  }
  return out;
}
