// test/observe/otlp.test.ts: the names we tell are the conventions', and what finds no room on the way to the collector is counted and told once.

import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { expect, test } from 'vitest';
import type { Outcome } from '../../server/domain/call.ts';
import type { TelemetrySettings } from '../../server/domain/settings.ts';
import { createLabels } from '../../server/observe/labels.ts';
import { errorOf, operationOf, serverOf } from '../../server/observe/otel/call-span.ts';
import { ATTRIBUTES, INSTRUMENTS } from '../../server/observe/otel/names.ts';
import { startOtlp } from '../../server/observe/otel/otlp.ts';
import { Sending } from '../../server/observe/otel/sending.ts';
import { startCollector } from '../flow/collector.ts';
import { logbook, NOON, openEntry, settlement } from '../store/samples.ts';
import { settings } from './gateway.ts';

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
  await expect.poll(() => collector.histograms.filter(({ name }) => name === 'gen_ai.client.operation.duration').reduce((sum, { count }) => sum + count, 0)).toBe(calls);
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
