// test/observe/otlp.test.ts: the names we tell are the conventions', and what finds no room on the way to the collector is counted and told once.

import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../server/domain/call.ts';
import type { TelemetrySettings } from '../../server/domain/settings.ts';
import { createLabels } from '../../server/observe/labels.ts';
import { errorOf, operationOf, serverOf } from '../../server/observe/otel/call-span.ts';
import { ATTRIBUTES, INSTRUMENTS } from '../../server/observe/otel/names.ts';
import { startOtlp } from '../../server/observe/otel/otlp.ts';
import { Sending } from '../../server/observe/otel/sending.ts';
import { createTelemetry } from '../../server/observe/otel/telemetry.ts';
import { startCollector } from '../flow/collector.ts';
import { logbook, NOON, openEntry, settlement } from '../store/samples.ts';
import { handClock, settings } from './gateway.ts';

test('every name is in the conventions', () => {
  const known = new Set(Object.values(conventions));
  expect([...Object.values(ATTRIBUTES), ...Object.values(INSTRUMENTS).map(({ name }) => name)].filter((name) => !known.has(name))).toEqual([]);
});

test.each([
  { endpoint: 'messages', modelSent: null, said: 'chat' },
  { endpoint: 'chat_completions', modelSent: null, said: 'chat' },
  { endpoint: 'complete', modelSent: null, said: 'text_completion' },
  { endpoint: 'count_tokens', modelSent: 'claude-haiku-4-5', said: 'count_tokens' },
  { endpoint: 'batch_results', modelSent: 'claude-haiku-4-5', said: 'chat' },
  { endpoint: 'batch_results', modelSent: null, said: 'batch_results' },
] as const)('$endpoint is the operation $said', ({ endpoint, modelSent, said }) => {
  expect(operationOf({ endpoint, modelSent })).toBe(said);
});

test.each<{ outcome: Outcome; errorType: string | null; said: string | null }>([
  { outcome: 'ok', errorType: null, said: null },
  { outcome: 'truncated', errorType: null, said: null },
  { outcome: 'upstream_error', errorType: 'overloaded_error', said: 'overloaded_error' },
  { outcome: 'connect_failed', errorType: 'ECONNREFUSED', said: 'ECONNREFUSED' },
  { outcome: 'upstream_error', errorType: 'something that a provider made up today', said: 'upstream_error' },
  { outcome: 'client_abort', errorType: null, said: 'client_abort' },
])('$outcome with $errorType is the error $said', ({ said, ...ended }) => {
  expect(errorOf(ended)).toBe(said);
});

test.each([
  ['https://api.anthropic.com', { address: 'api.anthropic.com', port: 443 }],
  ['http://standin', { address: 'standin', port: 80 }],
  ['http://[::1]:8080', { address: '::1', port: 8080 }],
])('%s is a server with a port', (origin, server) => {
  expect(serverOf(origin)).toEqual(server);
});

test('spans that find no room are dropped, counted one by one, and told once; the measurements go on', async () => {
  const collector = await startCollector();
  const log = logbook();
  const sending = new Sending(log, () => 0);
  const labels = createLabels(() => null);
  labels.configured(settings());
  const wanted: TelemetrySettings = { endpoint: collector.url, protocol: 'http/protobuf', headers: new Map(), timeoutMs: 60_000, compression: 'none', traces: { sample: 1 }, metrics: { intervalMs: 3_600_000, temporality: 'delta' }, resource: new Map() };
  const otlp = startOtlp({ settings: wanted, version: '1.2.3', labels, sending, serverOf: () => ({ address: 'api.anthropic.com', port: 443 }) });
  collector.answer('never');
  const calls = 3_000;
  for (let i = 0; i < calls; i++) {
    const trace = otlp.tracing!.begin({}, NOON);
    otlp.settled({ opened: openEntry(`call-${i}`, { trace }), settlement: settlement(`call-${i}`) });
  }
  // Each has a span, and one for its try.
  expect(sending.counts.spans).toEqual({ exported: 0, queue_full: calls * 2 - 4_096, export_failed: 0, rejected: 0 });
  expect(log.lines).toEqual([{ event: 'telemetry_spans_lost', fields: { reason: 'queue_full' } }]);
  collector.answer(200);
  void otlp.close();
  await expect.poll(() => collector.histograms.filter(({ name }) => name === 'gen_ai.client.operation.duration').reduce((sum, { count }) => sum + count, 0), { timeout: 30_000 }).toBe(calls);
  // Models that the price book does not know share one name.
  expect(new Set(collector.histograms.map(({ attributes, temporality }) => `${String(attributes['gen_ai.request.model'])} ${temporality}`))).toEqual(new Set(['other 1']));
  await collector.close();
});

test('a trouble that lasts is told once, one that comes and goes once a minute, each with its end', () => {
  const log = logbook();
  let now = 0;
  const sending = new Sending(log, () => now);
  const refused = Object.assign(new Error('connect ECONNREFUSED 10.1.2.3'), { code: 'ECONNREFUSED' });
  for (now = 0; now < 300_000; now += 10_000) sending.failed('traces', 2, refused);
  sending.sent('traces', 5);
  expect(log.lines.splice(0)).toEqual([
    { event: 'telemetry_export_failed', fields: { reason: 'traces', code: 'ECONNREFUSED' } },
    { event: 'telemetry_recovered', fields: { reason: 'traces', count: 60 } },
  ]);
  for (const end = now + 120_000; now < end; now += 1_000) {
    sending.failed('metrics', 0, refused);
    sending.sent('metrics', 0);
  }
  expect(log.lines.map(({ event }) => event)).toEqual(['telemetry_export_failed', 'telemetry_recovered', 'telemetry_export_failed', 'telemetry_recovered']);
  expect(sending.counts).toEqual({ spans: { exported: 5, queue_full: 0, export_failed: 60, rejected: 0 }, exports: { traces: { ok: 1, failed: 30 }, metrics: { ok: 120, failed: 120 } } });
});

describe('what a caller says of its trace', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
  const SPAN = '00f067aa0ba902b7';
  const otlp = startOtlp({
    settings: { endpoint: 'http://127.0.0.1:9', protocol: 'http/json', headers: new Map(), timeoutMs: 1_000, compression: 'none', traces: { sample: 1 }, metrics: null, resource: new Map() },
    version: '1.2.3', labels: createLabels(() => null), sending: new Sending(logbook(), () => 0), serverOf: () => ({ address: 'api.anthropic.com', port: 443 }),
  });

  test.each([
    { name: 'as version 00 has it', traceparent: `00-${TRACE}-${SPAN}-01`, taken: true },
    { name: 'with flags that nobody knows yet', traceparent: `00-${TRACE}-${SPAN}-ff`, taken: true },
    { name: 'of a version to come, with more behind it', traceparent: `cc-${TRACE}-${SPAN}-01-what-comes`, taken: true },
    { name: 'of version 00 with more behind it', traceparent: `00-${TRACE}-${SPAN}-01-more`, taken: false },
    { name: 'of version ff', traceparent: `ff-${TRACE}-${SPAN}-01`, taken: false },
    { name: 'in capitals', traceparent: `00-${TRACE.toUpperCase()}-${SPAN}-01`, taken: false },
    { name: 'with a trace of zeros', traceparent: `00-${'0'.repeat(32)}-${SPAN}-01`, taken: false },
    { name: 'with a parent of zeros', traceparent: `00-${TRACE}-${'0'.repeat(16)}-01`, taken: false },
    { name: 'cut short', traceparent: `00-${TRACE}-${SPAN}`, taken: false },
    { name: 'twice', traceparent: `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`, taken: false },
    { name: 'with a line break behind it', traceparent: `00-${TRACE}-${SPAN}-01\r\nx-injected: 1`, taken: false },
    { name: 'as nothing', traceparent: '', taken: false },
    { name: 'not at all', traceparent: undefined, taken: false },
  ])('$name: $taken', ({ traceparent, taken }) => {
    const told = otlp.tracing!.begin({ traceparent, tracestate: 'vendor=1' }, NOON)!;
    const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(told.traceparent)!;
    expect([match[1] === TRACE, match[2] === SPAN, told.tracestate]).toEqual([taken, false, taken ? 'vendor=1' : null]);
  });

  test.each([
    { name: 'two headers, which are one list', tracestate: 'a=1, b=2', said: 'a=1,b=2' },
    { name: 'members that are none', tracestate: 'a=1,,B=2,c==,d', said: 'a=1' },
    { name: 'nothing', tracestate: '', said: null },
    { name: 'none', tracestate: undefined, said: null },
  ])('its state goes on: $name', ({ tracestate, said }) => {
    expect(otlp.tracing!.begin({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate }, NOON)!.tracestate).toBe(said);
  });
});

test('an entry that cannot be told of harms nothing but itself, and is told once', async () => {
  const log = logbook();
  const telemetry = createTelemetry({ log, clock: handClock(), version: '1.2.3', bookName: () => null });
  (await telemetry.prepare(settings({ telemetry: { endpoint: 'http://127.0.0.1:9', protocol: 'http/protobuf', headers: new Map(), timeoutMs: 100, compression: 'none', traces: { sample: 1 }, metrics: { intervalMs: 60_000, temporality: 'cumulative' }, resource: new Map() } })))();
  expect(telemetry.tracing).not.toBeNull();
  for (let n = 0; n < 3; n++) telemetry.observer.settled({ opened: openEntry('1'), settlement: settlement('1', { cost: undefined as never }) });
  expect(log.lines).toEqual([{ event: 'telemetry_failed', fields: { code: 'TypeError' } }]);
  await telemetry.close(0);
  expect(telemetry.tracing).toBeNull();
});
