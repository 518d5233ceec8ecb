// test/flow/telemetry.test.ts: OpenTelemetry, from a client with a trace of its own, through a real gateway, to a real collector.

import Anthropic from '@anthropic-ai/sdk';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { writeFileSync } from 'node:fs';
import type { RequestRow, StatusAnswer } from '../../server/http/admin/wire.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { startCollector, type Collector, type ReceivedSpan } from './collector.ts';
import { startGateway, type RunningGateway } from './gateway.ts';
import { apiHeaders, ask, baseConfig, count, eventually, hello, ledgerRows, PROVIDER_KEY, scrape, SECRETS, send, settled, type Sent } from './scene.ts';

// Some start a gateway, reload it several times and stop it; a busy machine takes its time for that.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const CANARY = 'canary-in-the-prompt-7c1f';
const COLLECTOR_SECRET = 'a-credential-of-the-collector-51ab';
const SECOND_KEY = 'sk-ant-api03-a-second-key-of-the-provider';
const CALLER = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const PARENT = `00-${CALLER.traceId}-${CALLER.spanId}-01`;

interface Scene {
  readonly collector: Collector;
  readonly standin: Standin;
  readonly spare: Standin;
  readonly gateway: RunningGateway;
  readonly config: Record<string, unknown>;
  close(): Promise<void>;
}

async function openScene(telemetry: Record<string, unknown>, more: Record<string, unknown> = {}, env: Record<string, string> = {}): Promise<Scene> {
  const collector = await startCollector();
  const standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' } });
  const spare = await startStandin({ keys: { [SECOND_KEY]: 'wrkspc_01Provider' } });
  const config = { ...baseConfig(standin.url), telemetry: telemetryTo(collector.url, telemetry), ...more };
  const gateway = await startGateway({ config, env });
  return { collector, standin, spare, gateway, config, close: async () => void (await gateway.close(), await standin.close(), await spare.close(), await collector.close()) };
}

const telemetryTo = (url: string, { otlp = {}, ...rest }: Record<string, unknown>): Record<string, unknown> => ({ otlp: { endpoint: url, ...(otlp as object) }, ...rest });
const post = ({ gateway }: Pick<Scene, 'gateway'>, { headers = {}, body = hello(), signal }: { headers?: Record<string, string>; body?: string; signal?: AbortSignal } = {}): Promise<Sent> =>
  send(`${gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.triage), ...headers }, body, ...(signal ? { signal } : {}) });
const headersSeen = (standin: Standin, nth: number): Record<string, string> => {
  const { rawHeaders } = standin.log[nth]!;
  return Object.fromEntries(rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1]!]] : [])));
};
const spanOf = (collector: Collector, row: Pick<RequestRow, 'id'>): ReceivedSpan => {
  const found = collector.spans.filter(({ attributes }) => attributes['tollgate.request_id'] === row.id);
  expect(found).toHaveLength(1);
  return found[0]!;
};
const attemptsOf = (collector: Collector, { traceId, spanId }: ReceivedSpan): ReceivedSpan[] => collector.spans.filter((span) => span.traceId === traceId && span.parentSpanId === spanId);

describe.each(['http/protobuf', 'http/json'])('over %s, sent when the gateway stops', (protocol) => {
  let scene: Scene;
  /** By what the call was about. */
  const rows = new Map<string, RequestRow>();
  const upstreamParents = new Map<string, string | undefined>();
  let client: { traceId: string; spanId: string };
  let metricsText = '';

  const call = async (about: string, make: () => Promise<unknown>): Promise<void> => {
    const seen = scene.standin.log.length;
    await make();
    await settled(scene.gateway);
    const row = (await ledgerRows(scene.gateway, '', 1))[0]!;
    rows.set(about, row);
    upstreamParents.set(about, scene.standin.log.length > seen ? headersSeen(scene.standin, scene.standin.log.length - 1)['traceparent'] : undefined);
  };

  const idOf = (about: string): string => {
    const answer = scene.standin.log.find(({ id }) => id === rows.get(about)!.upstream_request_id)!.response.body.toString('utf8');
    return /"id":"(msg_[^"]+)"/.exec(answer)![1]!;
  };

  beforeAll(async () => {
    scene = await openScene(
      { otlp: { protocol, headers: { authorization: `Bearer ${COLLECTOR_SECRET}` }, compression: protocol === 'http/json' ? 'gzip' : 'none' }, metrics: { interval: '1h' }, resource_attributes: { 'deployment.environment.name': 'test' } },
      { budgets: [{ id: 'nothing-left', scope: { workspace: 'engineering' }, limit_usd: '0.000001', period: 'year' }] },
      { OTEL_EXPORTER_OTLP_HEADERS: 'x-of-another=secret-of-another', OTEL_RESOURCE_ATTRIBUTES: 'of.another=1', OTEL_TRACES_SAMPLER: 'always_off' },
    );
    const { gateway, standin } = scene;
    const sdk = new Anthropic({ apiKey: SECRETS.triage, baseURL: gateway.dataUrl, maxRetries: 0 });
    await call('json', async () => {
      const span = new TracerProvider().getTracer('an app').startSpan('reads a ticket');
      client = span.spanContext();
      const headers: Record<string, string> = {};
      new W3CTraceContextPropagator().inject(trace.setSpan(ROOT_CONTEXT, span), headers, { set: (carrier, name, value) => void (carrier[name] = value) });
      // A prompt that the cache takes: written here, read by the next.
      await sdk.messages.create({ model: 'claude-haiku-4-5', max_tokens: 32, system: [{ type: 'text', text: `${CANARY} ${'policy '.repeat(6_000)}`, cache_control: { type: 'ephemeral' } }], messages: [{ role: 'user', content: CANARY }] }, { headers: { ...headers, 'x-tollgate-session': 'conversation-1' } });
    });
    await call('streamed', () => sdk.messages.stream({ model: 'claude-haiku-4-5', max_tokens: 32, system: [{ type: 'text', text: `${CANARY} ${'policy '.repeat(6_000)}`, cache_control: { type: 'ephemeral' } }], messages: [{ role: 'user', content: CANARY }] }, { headers: { traceparent: PARENT, tracestate: 'vendor=1' } }).finalMessage());
    await call('refused', () => send(`${gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(SECRETS.engineering), traceparent: PARENT }, body: hello({ messages: [{ role: 'user', content: CANARY }] }) }));
    standin.next('status:529');
    await call('upstream error', () => post(scene, { headers: { traceparent: PARENT } }));
    standin.next('stall:3');
    await call('left', async () => {
      const leaving = new AbortController();
      const answer = post(scene, { headers: { traceparent: PARENT }, body: hello({ stream: true }), signal: leaving.signal });
      answer.catch(() => undefined);
      await eventually('the call is at the provider', async () => ((await ask<StatusAnswer>(gateway, '/api/status')).in_flight === 1 && standin.log.at(-1)!.response.ending !== 'complete' ? true : null));
      leaving.abort();
    });
    await call('alias', () => send(`${gateway.dataUrl}/v1/messages`, { headers: apiHeaders(SECRETS.support), body: hello({ model: 'fast' }) }));
    await call('malformed', () => post(scene, { headers: { traceparent: `00-${CALLER.traceId.toUpperCase()}-${CALLER.spanId}-01`, tracestate: 'vendor=1' } }));
    await call('unsampled', () => post(scene, { headers: { traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-00`, tracestate: 'vendor=1' } }));
    await post(scene, { headers: { 'x-api-key': 'a-key-that-is-none', traceparent: PARENT } });
    metricsText = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    expect(await gateway.stop()).toBe(0);
  });
  afterAll(() => scene.close());

  test('a span says what the ledger says, with the tokens of the cache among the input', () => {
    for (const about of ['json', 'streamed', 'alias']) {
      const row = rows.get(about)!;
      const { attributes, status, name, kind } = spanOf(scene.collector, row);
      const { input, cache_read, cache_write_5m, cache_write_1h, output } = row.tokens;
      expect(attributes).toMatchObject({
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'anthropic',
        'gen_ai.request.model': 'claude-haiku-4-5',
        'gen_ai.response.id': idOf(about),
        'gen_ai.response.model': row.model_served,
        'gen_ai.response.finish_reasons': [row.stop_reason],
        'gen_ai.usage.input_tokens': input + cache_read + cache_write_5m + cache_write_1h,
        'gen_ai.usage.cache_read.input_tokens': cache_read,
        'gen_ai.usage.cache_creation.input_tokens': cache_write_5m + cache_write_1h,
        'gen_ai.usage.output_tokens': output,
        'server.address': '127.0.0.1',
        'server.port': scene.standin.port,
        'http.response.status_code': 200,
        'tollgate.workspace': 'support',
        'tollgate.workflow': row.workflow,
        'tollgate.key': row.key_id,
        'tollgate.outcome': row.outcome,
        'tollgate.attempts': 1,
        'tollgate.upstream_request_id': row.upstream_request_id,
      });
      expect(attributes['tollgate.cost_usd']).toBe(Number(row.cost_usd));
      expect({ name, kind, status, error: attributes['error.type'] }).toEqual({ name: 'chat claude-haiku-4-5', kind: 3, status: 0, error: undefined });
    }
    expect(rows.get('json')!.tokens.cache_write_5m).toBeGreaterThan(1_000);
    expect(rows.get('streamed')!.tokens.cache_read).toBeGreaterThan(1_000);
    expect(spanOf(scene.collector, rows.get('json')!).attributes['gen_ai.conversation.id']).toBe('conversation-1');
    expect(spanOf(scene.collector, rows.get('alias')!).attributes['tollgate.model_requested']).toBe('fast');
  });

  test('it hangs below the span of its client, and the provider is told of it', () => {
    const json = spanOf(scene.collector, rows.get('json')!);
    expect(json).toMatchObject({ traceId: client.traceId, parentSpanId: client.spanId });
    expect(upstreamParents.get('json')).toBe(`00-${client.traceId}-${json.spanId}-01`);
    const streamed = spanOf(scene.collector, rows.get('streamed')!);
    expect(streamed).toMatchObject({ traceId: CALLER.traceId, parentSpanId: CALLER.spanId, traceState: 'vendor=1' });
    const at = scene.standin.log.findIndex((request) => request.rawHeaders.includes('vendor=1'));
    expect(headersSeen(scene.standin, at)).toMatchObject({ traceparent: `00-${CALLER.traceId}-${streamed.spanId}-01`, tracestate: 'vendor=1' });
  });

  test('a stream tells when its first token came, as an event and as an attribute', () => {
    const row = rows.get('streamed')!;
    const { events, attributes, start, end } = spanOf(scene.collector, row);
    const first = events.find(({ name }) => name === 'tollgate.first_token')!;
    expect(attributes).toMatchObject({ 'gen_ai.request.stream': true });
    expect(attributes['gen_ai.response.time_to_first_chunk']).toBeCloseTo(row.ttft_ms! / 1000, 3);
    expect(first.at >= start && first.at <= end).toBe(true);
  });

  test('a try is a span below the call, inside its time', () => {
    const streamed = spanOf(scene.collector, rows.get('streamed')!);
    const [attempt, ...others] = attemptsOf(scene.collector, streamed);
    expect(others).toEqual([]);
    expect(attempt).toMatchObject({ name: 'attempt', kind: 3, status: 0, attributes: { 'tollgate.attempt': 1, 'tollgate.outcome': rows.get('streamed')!.outcome, 'http.response.status_code': 200, 'server.port': scene.standin.port } });
    expect(attempt!.start >= streamed.start).toBe(true);
    expect(attempt!.end > attempt!.start).toBe(true);
  });

  test('a refusal is a span with its reason and its rule, and no try', () => {
    const row = rows.get('refused')!;
    const span = spanOf(scene.collector, row);
    expect(row).toMatchObject({ outcome: 'refused', refusal: 'budget_exhausted' });
    expect(span).toMatchObject({ traceId: CALLER.traceId, parentSpanId: CALLER.spanId, status: 2, name: 'chat claude-haiku-4-5', attributes: { 'error.type': 'budget_exhausted', 'tollgate.outcome': 'refused', 'tollgate.refusal': 'budget_exhausted', 'http.response.status_code': 429, 'tollgate.workspace': 'engineering' } });
    expect(span.events).toMatchObject([{ name: 'tollgate.refused', attributes: { 'tollgate.refusal': 'budget_exhausted', 'tollgate.rule': 'budget:nothing-left' } }]);
    expect(attemptsOf(scene.collector, span)).toEqual([]);
    expect(upstreamParents.get('refused')).toBeUndefined();
  });

  test('an error of the provider and a client that left are told as such', () => {
    const failed = spanOf(scene.collector, rows.get('upstream error')!);
    expect(failed).toMatchObject({ status: 2, attributes: { 'error.type': 'overloaded_error', 'tollgate.outcome': 'upstream_error', 'http.response.status_code': 529 } });
    expect(attemptsOf(scene.collector, failed)).toMatchObject([{ status: 2, attributes: { 'error.type': 'overloaded_error' } }]);
    expect(spanOf(scene.collector, rows.get('left')!)).toMatchObject({ status: 2, attributes: { 'error.type': 'client_abort', 'tollgate.outcome': 'client_abort', 'tollgate.cost_estimated': true } });
  });

  test('a traceparent that is none begins a new trace, and its state is dropped', () => {
    const span = spanOf(scene.collector, rows.get('malformed')!);
    expect(span).toMatchObject({ parentSpanId: '', traceState: '' });
    expect(span.traceId).not.toBe(CALLER.traceId);
    expect(rows.get('malformed')!.trace_id).toBe(null);
    for (const about of ['streamed', 'refused', 'unsampled']) expect(rows.get(about)!.trace_id).toBe(CALLER.traceId);
    expect(upstreamParents.get('malformed')).toBe(`00-${span.traceId}-${span.spanId}-01`);
  });

  test('a caller that does not sample is not sampled, and the provider hears so', () => {
    expect(scene.collector.spans.filter(({ attributes }) => attributes['tollgate.request_id'] === rows.get('unsampled')!.id)).toEqual([]);
    expect(upstreamParents.get('unsampled')).toMatch(new RegExp(`^00-${CALLER.traceId}-(?!${CALLER.spanId})[0-9a-f]{16}-00$`));
  });

  test('the metrics are those of the conventions, with their buckets, and their tokens are the ledger\'s', () => {
    const { histograms } = scene.collector;
    const billed = [...rows.values()].filter((row) => row.tokens.input + row.tokens.output + row.tokens.cache_read + row.tokens.cache_write_5m > 0);
    const tokens = (type: string): number => histograms.filter((it) => it.name === 'gen_ai.client.token.usage' && it.attributes['gen_ai.token.type'] === type).reduce((sum, it) => sum + it.sum, 0);
    expect(tokens('input')).toBe(billed.reduce((sum, { tokens: t }) => sum + t.input + t.cache_read + t.cache_write_5m + t.cache_write_1h, 0));
    expect(tokens('output')).toBe(billed.reduce((sum, { tokens: t }) => sum + t.output, 0));
    const durations = histograms.filter((it) => it.name === 'gen_ai.client.operation.duration');
    expect(durations.reduce((sum, it) => sum + it.count, 0)).toBe([...rows.values()].filter((row) => row.outcome !== 'refused').length);
    expect(durations.map((it) => it.attributes['error.type']).sort()).toEqual(['client_abort', 'overloaded_error', undefined]);
    expect(new Set(histograms.map(({ name, unit, temporality }) => `${name} ${unit} ${temporality}`))).toEqual(
      new Set(['gen_ai.client.token.usage {token} 2', 'gen_ai.client.operation.duration s 2', 'gen_ai.client.operation.time_to_first_chunk s 2', 'gen_ai.server.time_to_first_token s 2']),
    );
    expect(histograms.find(({ name }) => name === 'gen_ai.client.token.usage')!.bounds).toEqual([1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864]);
    expect(durations[0]!.bounds).toEqual([0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]);
    for (const { attributes } of histograms) expect(attributes).toMatchObject({ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'anthropic', 'gen_ai.request.model': 'claude-haiku-4-5-20251001', 'tollgate.workspace': 'support', 'server.address': '127.0.0.1' });
  });

  test('no prompt, no answer, no key and no variable of another program is in what was sent', () => {
    const texts = scene.standin.log.flatMap(({ response }) => [...response.body.toString('utf8').matchAll(/"text":"([^"]{12,})"/g)].map(([, text]) => text!));
    expect(texts.length).toBeGreaterThan(0);
    const sent = Buffer.concat(scene.collector.requests.map(({ body }) => body)).toString('latin1');
    for (const secret of [CANARY, ...Object.values(SECRETS), PROVIDER_KEY, COLLECTOR_SECRET, 'a-key-that-is-none', 'of.another', ...texts]) expect(sent).not.toContain(secret);
    expect(JSON.stringify(scene.collector.requests.map(({ headers }) => headers))).not.toContain('of-another');
    expect(scene.collector.requests.every(({ headers }) => headers['authorization'] === `Bearer ${COLLECTOR_SECRET}`)).toBe(true);
    expect(scene.gateway.output()).not.toContain(COLLECTOR_SECRET);
    expect(metricsText).not.toContain(COLLECTOR_SECRET);
  });

  test('everything came whole, under the name of the gateway', () => {
    expect(scene.collector.spans.length).toBe(rows.size - 1 + (rows.size - 2));
    for (const { resource } of [...scene.collector.spans, ...scene.collector.histograms]) expect(resource).toMatchObject({ 'service.name': 'tollgate', 'deployment.environment.name': 'test' });
    expect(scene.collector.spans[0]!.resource['service.version']).toMatch(/^\d+\.\d+\.\d+/);
  });
});

test('a call that failed over has a span for each try, with the place that it went to', async () => {
  const scene = await openScene({});
  try {
    const { gateway, standin, spare, collector } = scene;
    writeFileSync(gateway.configFile, stringify({ ...scene.config, upstream: { origin: standin.url, keys: { default: PROVIDER_KEY }, retry: { on: [529], budget: '100%' }, failover: [{ id: 'spare', origin: spare.url, keys: { default: SECOND_KEY } }] } }));
    await eventually('the config is in force', async () => (gateway.output().includes('config_reloaded') ? true : null));
    standin.next('status:529');
    const answer = await post(scene, { headers: { traceparent: PARENT } });
    expect(answer.status).toBe(200);
    const [row] = await (await settled(gateway), ledgerRows(gateway));
    await gateway.stop();
    const span = spanOf(collector, row!);
    expect(span).toMatchObject({ status: 0, attributes: { 'tollgate.attempts': 2, 'server.port': spare.port } });
    const attempts = attemptsOf(collector, span).sort((a, b) => Number(a.start - b.start));
    expect(attempts.map(({ status, attributes }) => ({ status, error: attributes['error.type'], resend: attributes['http.request.resend_count'], failover: attributes['tollgate.failover'], port: attributes['server.port'] }))).toEqual([
      { status: 2, error: 'overloaded_error', resend: undefined, failover: undefined, port: standin.port },
      { status: 0, error: undefined, resend: 1, failover: 'spare', port: spare.port },
    ]);
    for (const at of [standin, spare]) expect(headersSeen(at, 0)['traceparent']).toBe(`00-${CALLER.traceId}-${span.spanId}-01`);
  } finally {
    await scene.close();
  }
});

describe('a collector that does not do its part', () => {
  const lines = (scene: Scene, event: string): number => scene.gateway.output().split(`"event":"${event}"`).length - 1;
  const spansOf = async (scene: Scene, result: string): Promise<number> => count(await scrape(scene.gateway), 'tollgate_telemetry_spans_total', { result });

  test('one that refuses or fails costs spans, which are counted, and one line in the log; calls go on', async () => {
    const scene = await openScene({ otlp: { timeout: '1s' }, metrics: { enabled: false } });
    try {
      for (const [i, how] of [400, 500].entries()) {
        scene.collector.answer(how);
        expect((await post(scene)).status).toBe(200);
        await eventually('the failure is counted', async () => ((await spansOf(scene, 'export_failed')) === 2 * (i + 1) ? true : null));
      }
      expect(lines(scene, 'telemetry_export_failed')).toBe(1);
      scene.collector.answer(200);
      await post(scene);
      await eventually('it is back', async () => ((await spansOf(scene, 'exported')) === 2 ? true : null));
      expect(lines(scene, 'telemetry_recovered')).toBe(1);
      expect(await spansOf(scene, 'export_failed')).toBe(4);
      scene.collector.answer({ rejectedSpans: 1 });
      await post(scene);
      await eventually('what was taken is told from what was not', async () => ((await spansOf(scene, 'rejected')) === 1 && (await spansOf(scene, 'exported')) === 3 ? true : null));
    } finally {
      await scene.close();
    }
  });

  test('one that never answers holds up no call, and the end of the gateway no longer than the drain', async () => {
    const scene = await openScene({ otlp: { timeout: '60s' } }, { drain: '1s' });
    try {
      scene.collector.answer('never');
      for (let i = 0; i < 20; i++) expect((await post(scene)).status).toBe(200);
      expect(await scene.gateway.stop()).toBe(0);
      // The exporter itself would have waited for a minute.
      expect(scene.collector.requests.length).toBeGreaterThan(0);
    } finally {
      await scene.close();
    }
  });

  test('where there is none at all, calls go on', async () => {
    const scene = await openScene({ otlp: { timeout: '1s', endpoint: 'http://127.0.0.1:9' }, metrics: { enabled: false } });
    try {
      expect((await post(scene)).status).toBe(200);
      await eventually('the failure is counted', async () => ((await spansOf(scene, 'export_failed')) === 2 ? true : null));
      expect(scene.gateway.output()).toContain('ECONNREFUSED');
    } finally {
      await scene.close();
    }
  });
});

test('switched off and on by a reload; while off, what the client sent of a trace passes as it came', async () => {
  const scene = await openScene({});
  const reload = async (telemetry: unknown, times: number): Promise<void> => {
    writeFileSync(scene.gateway.configFile, stringify({ ...scene.config, telemetry }));
    await eventually('the config is in force', async () => (scene.gateway.output().split('config_reloaded').length > times ? true : null));
  };
  try {
    const { standin, collector, config } = scene;
    const odd = { TraceParent: 'anything at all', tracestate: 'a=1,,b' };
    const passed = (): string[] => standin.log.at(-1)!.rawHeaders.filter((_, i, raw) => /^trace/i.test(raw[i - (i % 2)]!));
    await post(scene, { headers: odd });
    expect(passed()).toEqual(['TraceParent', expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/) as string]);
    await reload(undefined, 1);
    // What waited was sent to where it belonged.
    await eventually('the first spans have come', async () => (collector.spans.length === 2 ? true : null));
    await post(scene, { headers: odd });
    expect(passed()).toEqual(['TraceParent', 'anything at all', 'tracestate', 'a=1,,b']);
    await reload({ ...(config['telemetry'] as object), traces: { enabled: false } }, 2);
    await post(scene, { headers: odd });
    expect(passed()).toEqual(['TraceParent', 'anything at all', 'tracestate', 'a=1,,b']);
    await scene.gateway.stop();
    expect(collector.spans).toHaveLength(2);
    expect(collector.histograms.filter(({ name }) => name === 'gen_ai.client.operation.duration').map((it) => it.count)).toEqual([1]);
  } finally {
    await scene.close();
  }
});

test('of calls without a trace of their own, as many are sampled as the config says', async () => {
  const scene = await openScene({ traces: { sample: '0%' }, metrics: { enabled: false } });
  try {
    await post(scene);
    const sampled = await post(scene, { headers: { traceparent: PARENT } });
    await settled(scene.gateway);
    await scene.gateway.stop();
    expect(headersSeen(scene.standin, 0)['traceparent']).toMatch(/-00$/);
    expect(scene.collector.spans.map(({ traceId }) => traceId)).toEqual([CALLER.traceId, CALLER.traceId]);
    expect(spanOf(scene.collector, { id: String(sampled.headers['x-tollgate-request-id']) }).parentSpanId).toBe(CALLER.spanId);
  } finally {
    await scene.close();
  }
});

describe('where the optional packages are not installed', () => {
  const env = { NODE_OPTIONS: `--import=${new URL('without-packages.mjs', import.meta.url).href}` };

  test('the gateway does not start with telemetry, and says what to do', async () => {
    await expect(startGateway({ config: { telemetry: telemetryTo('http://127.0.0.1:9', {}) }, env })).rejects.toThrow('`telemetry` is configured, but the packages of OpenTelemetry are not installed');
  });

  test('without it, it starts; a config that asks for it later changes nothing', async () => {
    const gateway = await startGateway({ config: { log: { level: 'info' } }, env });
    try {
      writeFileSync(gateway.configFile, stringify({ log: { level: 'error' }, telemetry: telemetryTo('http://127.0.0.1:9', {}) }));
      await eventually('the reload is refused', async () => (gateway.output().includes('could not be put in force') ? true : null));
      expect(gateway.output().match(/"level":"error"/g)).toHaveLength(1);
      expect(count(await scrape(gateway), 'tollgate_config_last_reload_successful')).toBe(0);
    } finally {
      await gateway.close();
    }
  });
});
