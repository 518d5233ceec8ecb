// test/meter/meter.test.ts: what the meter reads from a response, whatever its shape, cut, encoding or fault.

import fc from 'fast-check';
import zlib, { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { NO_TOKENS } from '../../server/domain/usage.ts';
import { readMessage } from '../../server/meter/json-body.ts';
import { everyEvent, event, messageDelta, messageStart, messageStop, metered, startUsage, text } from './streams.ts';

const stream = (...events: string[]): Buffer[] => [Buffer.from(events.join(''))];
const tokens = (more: object) => ({ ...NO_TOKENS, ...more });

describe('a stream with every kind of event', () => {
  const bytes = Buffer.from(everyEvent);

  test('is read field by field', async () => {
    const { reading, started, clockReadings } = await metered([bytes]);
    expect(reading).toMatchObject({
      complete: true, stopReason: 'end_turn', errorType: null, errorCode: null, obstacle: null, firstContentAt: 1,
      usage: {
        tokens: { input: 2_679, cacheWrite5m: 40, cacheWrite1h: 60, cacheRead: 7, output: 340 }, serverTools: { webSearch: 1, webFetch: 2, codeExecution: 0 },
        parts: [], modelServed: 'claude-opus-5', speed: 'standard', serviceTier: 'standard', inferenceGeo: 'global',
      },
    });
    expect(started).toEqual([{ input: 2_679, cacheWrite5m: 40, cacheWrite1h: 60, cacheRead: 7, output: 3 }]);
    // The clock is read for the first content only.
    expect(clockReadings).toBe(1);
  });

  test('reads the same cut at every byte', async () => {
    const { reading } = await metered([bytes]);
    for (let at = 1; at < bytes.length; at++) expect((await metered([bytes.subarray(0, at), bytes.subarray(at)])).reading).toEqual(reading);
  });

  test('reads the same cut in any places, with any line ends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('\n', '\r\n', '\r'), fc.array(fc.nat(bytes.length), { minLength: 2, maxLength: 8 }), async (end, cuts) => {
        const whole = Buffer.from(everyEvent.replaceAll('\n', end));
        const edges = [0, ...cuts.sort((a, b) => a - b), whole.length];
        const { reading, started } = await metered(edges.slice(1).map((edge, i) => whole.subarray(edges[i], edge)));
        expect(reading).toEqual((await metered([whole])).reading);
        expect(reading.usage?.tokens.output).toBe(340);
        expect(started).toHaveLength(1);
      }),
      { numRuns: 600, seed: 3 },
    );
  });

  test('reads the same without event names', async () => {
    expect((await metered([Buffer.from(everyEvent.replace(/^event: .*\n/gm, ''))])).reading).toEqual((await metered([bytes])).reading);
  });

  test('reads the same with comments and names after the data', async () => {
    const turned = everyEvent.replace(/^(event: .*)\n(data: .*)\n/gm, ': hello\n$2\n$1\nid: 4\n');
    expect((await metered([Buffer.from(turned)])).reading).toEqual((await metered([bytes])).reading);
  });

  test('is read though its content type does not say what it is', async () => {
    expect((await metered([bytes], { contentType: null })).reading.usage?.tokens.output).toBe(340);
  });
});

describe('merging', () => {
  test.each<{ name: string; events: string[]; expected: object }>([
    { name: 'a prompt that grew in a server-tool loop counts as it ended', events: [messageStart(startUsage), messageDelta({ input_tokens: 10_682, output_tokens: 510, server_tool_use: { web_search_requests: 1 } })], expected: { input: 10_682, output: 510 } },
    { name: 'nulls overwrite nothing', events: [messageStart({ ...startUsage, cache_read_input_tokens: 9 }), messageDelta({ input_tokens: null, cache_read_input_tokens: null, cache_creation_input_tokens: null, output_tokens: 5 })], expected: { input: 2_679, cacheRead: 9, output: 5 } },
    { name: 'the last of several deltas wins and nothing is added', events: [messageStart(startUsage), messageDelta({ output_tokens: 10 }), messageDelta({ output_tokens: 20 })], expected: { input: 2_679, output: 20 } },
    { name: 'a smaller last value wins too', events: [messageStart(startUsage), messageDelta({ output_tokens: 10, input_tokens: 7 })], expected: { input: 7, output: 10 } },
    { name: 'writes beyond the split of the start are booked for five minutes', events: [messageStart({ ...startUsage, cache_creation_input_tokens: 10, cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 10 } }), messageDelta({ cache_creation_input_tokens: 100, output_tokens: 1 })], expected: { input: 2_679, cacheWrite5m: 90, cacheWrite1h: 10, output: 1 } },
    {
      name: 'or as the last iteration has them',
      events: [messageStart(startUsage), messageDelta({ cache_creation_input_tokens: 100, output_tokens: 1, iterations: [{ type: 'message', model: null, input_tokens: 2_679, output_tokens: 1, cache_read_input_tokens: 0, cache_creation_input_tokens: 100, cache_creation: { ephemeral_5m_input_tokens: 30, ephemeral_1h_input_tokens: 70 } }] })],
      expected: { input: 2_679, cacheWrite5m: 30, cacheWrite1h: 70, output: 1 },
    },
    { name: 'a total without a split is for five minutes', events: [messageStart({ input_tokens: 1, cache_creation_input_tokens: 50, cache_creation: null, output_tokens: 1 }), messageDelta({ output_tokens: 2 })], expected: { input: 1, cacheWrite5m: 50, output: 2 } },
    { name: 'writes that another attempt did not make are gone', events: [messageStart({ ...startUsage, cache_creation_input_tokens: 50, cache_creation: { ephemeral_5m_input_tokens: 50, ephemeral_1h_input_tokens: 0 } }), messageDelta({ cache_creation_input_tokens: 0, cache_read_input_tokens: 50, output_tokens: 2 })], expected: { input: 2_679, cacheRead: 50, output: 2 } },
    { name: 'counts that are no counts are not believed', events: [messageStart({ ...startUsage, cache_read_input_tokens: -5 }), messageDelta({ output_tokens: 1.5 }), messageDelta({ output_tokens: '9' }), messageDelta({ output_tokens: 8, input_tokens: 1e300 })], expected: { input: 2_679, output: 8 } },
  ])('$name', async ({ events, expected }) => {
    const { reading } = await metered(stream(...events, messageStop));
    expect(reading.usage?.tokens).toEqual(tokens(expected));
    expect(reading.complete).toBe(true);
  });

  test('a fallback that took over in mid-stream is the model served, by its block or by the iterations', async () => {
    const block = event({ type: 'content_block_start', index: 0, content_block: { type: 'fallback', from: { model: 'claude-fable-5' }, to: { model: 'claude-opus-5-5' }, trigger: { type: 'refusal', category: null } } });
    const cutOff = await metered(stream(messageStart(startUsage, 'claude-fable-5'), block, text('and on')), {}, false);
    expect(cutOff.reading.usage?.modelServed).toBe('claude-opus-5-5');
    const entry = (type: string, model: string, output_tokens: number) => ({ type, model, input_tokens: 5, output_tokens, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, cache_creation: null });
    const whole = await metered(stream(messageStart(startUsage, 'claude-fable-5'), messageDelta({ output_tokens: 9, iterations: [entry('message', 'claude-fable-5', 0), entry('fallback_message', 'claude-opus-5-5', 9)] }), messageStop));
    expect(whole.reading.usage).toMatchObject({ modelServed: 'claude-opus-5-5', parts: [{ type: 'message', model: 'claude-fable-5', tokens: tokens({ input: 5 }) }, { type: 'fallback_message', model: 'claude-opus-5-5', tokens: tokens({ input: 5, output: 9 }) }] });
  });
});

describe('half a usage is an estimate', () => {
  const chat = { endpoint: 'chat_completions' as const };
  const json = { contentType: 'application/json' };
  const body = (usage: object): string => JSON.stringify({ type: 'message', content: [{ type: 'text', text: 'lamp' }], usage });
  const { input_tokens: _untold, ...noInput } = startUsage;
  const cut = messageStart({}).replace(',"usage":{}', '');
  const last = (usage: object | null): string => `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage })}\n\n`;

  test.each<{ name: string; told: string; request?: object; expected: object }>([
    { name: 'a start with an empty usage', told: messageStart({}) + messageDelta({ output_tokens: 12 }) + messageStop, expected: { complete: false, promptUntold: true, ended: true, usage: { tokens: tokens({ output: 12 }) } } },
    { name: 'a start without usage', told: cut + messageDelta({ output_tokens: 12 }) + messageStop, expected: { complete: false, promptUntold: true, ended: true, usage: { tokens: tokens({ output: 12 }) } } },
    { name: 'a start that tells all but the input', told: messageStart({ ...noInput, cache_read_input_tokens: 7 }) + messageDelta({ output_tokens: 12 }) + messageStop, expected: { complete: false, promptUntold: true, usage: { tokens: tokens({ cacheRead: 7, output: 12 }) } } },
    { name: 'an input that is no count', told: messageStart({ input_tokens: '9' }) + messageDelta({ input_tokens: null, output_tokens: 12 }) + messageStop, expected: { complete: false, promptUntold: true } },
    { name: 'JSON without input', told: body({ output_tokens: 5 }), request: json, expected: { complete: false, promptUntold: true, contentBytes: 0, usage: { tokens: tokens({ output: 5 }) } } },
    { name: 'a chat without prompt_tokens', told: `${last({ completion_tokens: 5 })}data: [DONE]\n\n`, request: chat, expected: { complete: false, promptUntold: true, ended: true } },
  ])('$name', async ({ told, request = {}, expected }) => {
    const { reading, started } = await metered(stream(told), request);
    expect(reading).toMatchObject(expected);
    // A prompt that was not told narrows no reservation.
    expect(started).toEqual([]);
  });

  test.each<{ name: string; told: string; request?: object; expected: object }>([
    { name: 'an input that only the end tells', told: cut + messageDelta({ input_tokens: 9, output_tokens: 12 }) + messageStop, expected: { input: 9, output: 12 } },
    { name: 'an input of 0 beside what was read from the cache', told: messageStart({ input_tokens: 0, cache_read_input_tokens: 7 }) + messageDelta({ output_tokens: 12 }) + messageStop, expected: { cacheRead: 7, output: 12 } },
    { name: 'JSON with an input of 0 beside what was read from the cache', told: body({ input_tokens: 0, cache_read_input_tokens: 7, output_tokens: 5 }), request: json, expected: { cacheRead: 7, output: 5 } },
    { name: 'a chat that tells both', told: `${last({ prompt_tokens: 9, completion_tokens: 5 })}data: [DONE]\n\n`, request: chat, expected: { input: 9, output: 5 } },
  ])('but not $name', async ({ told, request = {}, expected }) => {
    const { reading } = await metered(stream(told), request);
    expect(reading).toMatchObject({ complete: true, usage: { tokens: tokens(expected) } });
    expect(reading.promptUntold).toBeUndefined();
  });

  test('turns that tell their own prompts need no sum of them', async () => {
    const turn = { type: 'message', model: null, input_tokens: 5, output_tokens: 9 };
    const { reading } = await metered(stream(messageStart({}), messageDelta({ output_tokens: 9, iterations: [turn] }), messageStop));
    expect(reading).toMatchObject({ complete: true, usage: { parts: [{ tokens: tokens({ input: 5, output: 9 }) }] } });
  });
});

describe('a stream that did not end well', () => {
  test.each<{ name: string; events: string[]; expected: object }>([
    { name: 'without its end is "at least"', events: [messageStart(startUsage), text('hello'), messageDelta({ output_tokens: 9 })], expected: { complete: false, stopReason: 'end_turn', usage: { tokens: tokens({ input: 2_679, output: 9 }) } } },
    { name: 'with a start alone is "at least", its text being counted', events: [messageStart(startUsage), text('x'.repeat(400)), text('y'.repeat(400))], expected: { complete: false, contentBytes: 800, usage: { tokens: tokens({ input: 2_679, output: 3 }) } } },
    { name: 'with an end but no count stays "at least"', events: [messageStart(startUsage), text('hello'), messageStop], expected: { complete: false } },
    { name: 'with an error tells its type', events: [messageStart(startUsage), text('hello'), event({ type: 'error', error: { type: 'overloaded_error', message: 'secret', details: { error_code: 'e1' } } })], expected: { complete: false, errorType: 'overloaded_error', errorCode: 'e1' } },
    { name: 'that is only an error has neither usage nor content', events: [event({ type: 'error', error: { type: 'api_error', message: 'no' } })], expected: { usage: null, errorType: 'api_error', contentBytes: 0 } },
    { name: 'that is empty says nothing', events: [''], expected: { usage: null, complete: false, firstContentAt: null, obstacle: null } },
    { name: 'with broken JSON in one event reads the others', events: ['event: message_start\ndata: {"type":\n\n', messageDelta({ output_tokens: 4 }), messageStop], expected: { obstacle: 'unparsable', usage: { tokens: tokens({ output: 4 }) } } },
    { name: 'with an endless event says so', events: [messageStart(startUsage), `event: message_delta\ndata: "${'x'.repeat(1_100_000)}`], expected: { obstacle: 'oversized_event', complete: false } },
    { name: 'that lacks only its last empty line is whole', events: [messageStart(startUsage), messageDelta({ output_tokens: 4 }), 'event: message_stop\ndata: {"type":"message_stop"}'], expected: { complete: true } },
  ])('$name', async ({ events, expected }) => {
    expect((await metered(stream(...events))).reading).toMatchObject(expected);
  });

  test.each<{ name: string; events: string[]; noContent?: true; container?: true }>([
    { name: 'in which no block began holds no content', events: [messageStart(startUsage), messageDelta({ output_tokens: 2 }, 'refusal'), messageStop], noContent: true },
    { name: 'in which only a fallback took over holds none either', events: [messageStart(startUsage), event({ type: 'content_block_start', index: 0, content_block: { type: 'fallback', from: { model: 'a' }, to: { model: 'b' } } }), messageDelta({ output_tokens: 2 }, 'refusal'), messageStop], noContent: true },
    { name: 'in which a block began holds some, though nothing of it is shown', events: [messageStart(startUsage), event({ type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } }), messageDelta({ output_tokens: 2 }, 'refusal'), messageStop] },
    { name: 'that names a container at its end', events: [messageStart(startUsage), text('so'), event({ type: 'message_delta', delta: { stop_reason: 'end_turn', container: { id: 'container_01' } }, usage: { output_tokens: 2 } }), messageStop], container: true },
  ])('a stream $name', async ({ events, noContent, container }) => {
    const { reading } = await metered([Buffer.from(events.join(''))]);
    expect([reading.noContent, reading.container]).toEqual([noContent, container]);
  });

  test('an event of pings and deltas beyond a megabyte is no obstacle', async () => {
    const { reading } = await metered(stream(messageStart(startUsage), text('x'.repeat(3_000_000)), messageDelta({ output_tokens: 4 }), messageStop));
    expect(reading).toMatchObject({ obstacle: null, complete: true });
    expect(reading.contentBytes).toBeGreaterThan(2_999_000);
  });
});

describe('the first content', () => {
  test('is the first delta, not the start of a block or a ping', async () => {
    let now = 0;
    const at = async (...events: string[]) => (await metered(events.map((text) => Buffer.from(text)), { monotonic: () => (now += 1) })).reading.firstContentAt;
    expect(await at(messageStart(startUsage), event({ type: 'ping' }), event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }))).toBeNull();
    expect(await at(messageStart(startUsage), text('a'), text('b'))).toBe(1);
  });
});

describe('encodings', () => {
  const body = Buffer.from(everyEvent);
  const split = (bytes: Buffer): Buffer[] => Array.from({ length: Math.ceil(bytes.length / 50) }, (_, i) => bytes.subarray(i * 50, i * 50 + 50));

  test.each([
    { encoding: 'gzip', bytes: gzipSync(body) },
    { encoding: 'X-GZIP', bytes: gzipSync(body) },
    { encoding: 'deflate', bytes: deflateSync(body) },
    { encoding: 'deflate', bytes: deflateRawSync(body) },
    { encoding: 'br', bytes: brotliCompressSync(body) },
    { encoding: 'identity', bytes: body },
  ])('$encoding is read like the plain bytes', async ({ encoding, bytes }) => {
    const { reading } = await metered(split(bytes), { contentEncoding: encoding });
    expect(reading).toEqual((await metered([body])).reading);
  });

  test.each([
    { encoding: 'gzip', bytes: gzipSync(body) },
    { encoding: 'br', bytes: brotliCompressSync(body) },
  ])('$encoding that is cut off is read up to there, and nothing throws', async ({ encoding, bytes }) => {
    const { reading } = await metered([bytes.subarray(0, bytes.length - 20)], { contentEncoding: encoding }, false);
    expect(reading.complete).toBe(false);
    expect(reading.usage?.tokens.input).toBe(2_679);
  });

  test.each([
    { name: 'an encoding nobody offered', encoding: 'compress', bytes: body },
    { name: 'two encodings at once', encoding: 'gzip, br', bytes: body },
    { name: 'gzip that is none', encoding: 'gzip', bytes: body },
    { name: 'brotli that is none', encoding: 'br', bytes: Buffer.alloc(500, 0xff) },
  ])('$name is an obstacle, with its size to estimate by', async ({ encoding, bytes }) => {
    const { reading } = await metered([bytes], { contentEncoding: encoding });
    expect(reading).toMatchObject({ obstacle: 'undecodable', usage: null, complete: false, contentBytes: bytes.length });
  });

  test('zstd is read where this Node can undo it, and an obstacle where it cannot', async () => {
    const compress = Reflect.get(zlib, 'zstdCompressSync') as ((bytes: Buffer) => Buffer) | undefined;
    const { reading } = await metered([compress ? compress(body) : body], { contentEncoding: 'zstd' });
    expect(reading).toMatchObject(compress ? { obstacle: null, complete: true } : { obstacle: 'undecodable', complete: false });
  });

  test('a body that grows beyond all measure is given up', async () => {
    const bomb = gzipSync(Buffer.alloc(300 * 1024 * 1024));
    const { reading } = await metered([bomb], { contentEncoding: 'gzip', contentType: 'application/json' });
    expect(reading.obstacle).not.toBeNull();
    expect(reading.usage).toBeNull();
  });
});

describe('a JSON body', () => {
  const json = (body: unknown): Buffer[] => [Buffer.from(JSON.stringify(body))];
  const as = { contentType: 'application/json' };

  test('is read with its usage, model and stop reason', async () => {
    const body = { id: 'msg', type: 'message', model: 'claude-haiku-4-5-20251001', stop_reason: 'tool_use', content: [{ type: 'text', text: 'usage' }], usage: { ...startUsage, output_tokens: 50, service_tier: 'batch', inference_geo: 'us', speed: 'fast' } };
    const { reading, started } = await metered(json(body), as);
    expect(reading).toMatchObject({ complete: true, contentBytes: 0, stopReason: 'tool_use', firstContentAt: null, usage: { tokens: tokens({ input: 2_679, output: 50 }), modelServed: 'claude-haiku-4-5-20251001', serviceTier: 'batch', inferenceGeo: 'us', speed: 'fast' } });
    expect(started).toEqual([]);
  });

  test.each([
    { name: 'without content says so', body: { content: [] }, expected: { noContent: true } },
    { name: 'whose list of content holds white space only says so', body: Buffer.from('{"content":[ \n ],"usage":{"output_tokens":1}}'), expected: { noContent: true } },
    { name: 'with content does not', body: { content: [{ type: 'text', text: '' }] }, expected: {} },
    { name: 'with much content does not', body: { content: [{ type: 'text', text: 'x'.repeat(500) }] }, expected: {} },
    { name: 'that names a container for code says so', body: { content: [{}], container: { id: 'container_01', expires_at: '2026-11-29T00:00:00Z' } }, expected: { container: true } },
    { name: 'whose container is null names none', body: { content: [{}], container: null }, expected: {} },
  ])('$name', async ({ body, expected }) => {
    const { reading } = await metered(Buffer.isBuffer(body) ? [body] : json({ usage: { output_tokens: 1 }, ...body }), as);
    expect(reading.noContent).toBe('noContent' in expected ? true : undefined);
    expect(reading.container).toBe('container' in expected ? true : undefined);
  });

  test.each([
    { name: 'an error body', status: 400, body: { type: 'error', error: { type: 'invalid_request_error', message: 'text of the client', details: { error_code: 'credit' } } }, expected: { errorType: 'invalid_request_error', errorCode: 'credit', usage: null, contentBytes: 0 } },
    { name: 'an error in OpenAI’s shape', status: 404, body: { error: { message: 'no', type: 'not_found_error', code: null } }, expected: { errorType: 'not_found_error', errorCode: null } },
    { name: 'an error that says that the limit one set oneself is reached', status: 400, body: { type: 'error', error: { type: 'invalid_request_error', message: 'You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.' } }, expected: { errorType: 'invalid_request_error', errorCode: 'specified_spend_limit_reached' } },
    { name: 'the same of a workspace', status: 400, body: { type: 'error', error: { type: 'invalid_request_error', message: 'You have reached your specified workspace API usage limits.' } }, expected: { errorCode: 'specified_spend_limit_reached' } },
    { name: 'an error that only quotes those words', status: 400, body: { type: 'error', error: { type: 'invalid_request_error', message: 'messages: "You have reached your specified API usage limits"' } }, expected: { errorCode: null } },
    { name: 'an error on a free endpoint', status: 500, body: { type: 'error', error: { type: 'api_error' } }, expected: { errorType: 'api_error' } },
  ])('$name tells its type and code, never its message', async ({ status, body, expected }) => {
    const { reading } = await metered(json(body), { ...as, status, endpoint: status === 500 ? 'files' : 'messages' });
    expect(reading).toMatchObject(expected);
    expect(JSON.stringify(reading)).not.toMatch(/text of the client|You have reached/);
  });

  test('that is cut off is an obstacle, with its size to estimate by', async () => {
    const { reading } = await metered([Buffer.from('{"type":"message","content":[{"text":"abc')], as, false);
    expect(reading).toMatchObject({ obstacle: 'unparsable', usage: null, complete: false, contentBytes: 41 });
  });

  test('without usage is not complete, and an empty one says nothing', async () => {
    expect((await metered(json({ type: 'message' }), as)).reading).toMatchObject({ usage: null, complete: false, contentBytes: 18 });
    expect((await metered([], as)).reading).toMatchObject({ usage: null, complete: false, obstacle: null });
    expect((await metered(json([1]), as)).reading).toMatchObject({ usage: null, complete: false });
  });

  const written = { type: 'message', content: [{ type: 'text', text: 'The keeper lit the lamp.' }] };
  test.each([
    { name: 'without output_tokens', usage: '{"input_tokens":9}' },
    { name: 'with output_tokens of null', usage: '{"input_tokens":9,"output_tokens":null}' },
    { name: 'with output_tokens below 0', usage: '{"input_tokens":9,"output_tokens":-1}' },
    { name: 'with output_tokens in a string', usage: '{"input_tokens":9,"output_tokens":"5"}' },
    { name: 'with output_tokens beyond all numbers', usage: '{"input_tokens":9,"output_tokens":1e400}' },
    { name: 'without completion_tokens', usage: '{"prompt_tokens":9}', endpoint: 'chat_completions' as const },
  ])('whose usage is one $name leaves its size to estimate the output by', async ({ usage, endpoint = 'messages' as const }) => {
    const body = Buffer.from(JSON.stringify({ ...written, usage: 0 }).replace('"usage":0', `"usage":${usage}`));
    const { reading } = await metered([body], { ...as, endpoint });
    expect(reading).toMatchObject({ complete: false, contentBytes: body.length, usage: { tokens: tokens({ input: 9 }) } });
    // One of a batch's results, read by itself, is no different.
    if (endpoint === 'messages') expect(readMessage(body)).toEqual(reading);
  });

  test.each(['{"content":[],"usage":{"input_tokens":9}}', '{"content":[]}'])('without content has no size to estimate output by: %s', async (body) => {
    expect((await metered([Buffer.from(body)], as)).reading).toMatchObject({ complete: false, noContent: true, contentBytes: 0 });
  });

  test('of a free endpoint is not looked at', async () => {
    expect((await metered(json({ usage: { input_tokens: 5, output_tokens: 5 } }), { ...as, endpoint: 'count_tokens' })).reading.usage).toBeNull();
  });
});

describe('the OpenAI-compatible endpoint', () => {
  const as = { endpoint: 'chat_completions' as const };
  const chunk = (more: object): string => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'claude-opus-5', ...more })}\n\n`;
  const choice = (delta: object, finish: string | null = null): string => chunk({ choices: [{ index: 0, delta, finish_reason: finish }], usage: null });

  test('is read from a JSON body', async () => {
    const body = { model: 'claude-opus-5', choices: [{ finish_reason: 'stop', message: { content: 'hi' } }], usage: { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 } };
    expect((await metered([Buffer.from(JSON.stringify(body))], { ...as, contentType: 'application/json' })).reading).toMatchObject({ complete: true, stopReason: 'stop', usage: { tokens: tokens({ input: 12, output: 34 }), modelServed: 'claude-opus-5' } });
  });

  test('is read from the last chunk of a stream, the first text being the first content', async () => {
    const events = [choice({ role: 'assistant', content: '' }), choice({ content: 'say "usage":{' }), choice({ content: 'two' }), choice({}, 'stop'), chunk({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 34 } }), 'data: [DONE]\n\n'];
    expect((await metered(events.map((text) => Buffer.from(text)), as)).reading).toMatchObject({ complete: true, stopReason: 'stop', firstContentAt: 1, obstacle: null, usage: { tokens: tokens({ input: 12, output: 34 }) } });
  });

  test('without usage leaves the length of its text, tool arguments included', async () => {
    const events = [choice({ content: 'eight ch' }), choice({ tool_calls: [{ function: { arguments: '{"a":1}' } }] }), choice({}, 'stop'), 'data: [DONE]\n\n'];
    expect((await metered(stream(...events), as)).reading).toMatchObject({ usage: null, complete: false, ended: true, contentBytes: 8 + '{\\"a\\":1}'.length });
    expect((await metered(stream(choice({ content: 'no reason given' }), 'data: [DONE]\n\n'), as)).reading).toMatchObject({ usage: null, ended: true });
    expect((await metered(stream(choice({ content: 'cut off' })), as)).reading).toMatchObject({ usage: null, ended: false });
  });
});

describe('text completion, which has no usage', () => {
  const as = { endpoint: 'complete' as const };

  test('leaves the length of a body’s text', async () => {
    const body = { type: 'completion', completion: ' Hällo', stop_reason: 'stop_sequence', model: 'claude-2.1' };
    expect((await metered([Buffer.from(JSON.stringify(body))], { ...as, contentType: 'application/json' })).reading).toMatchObject({ usage: null, complete: false, contentBytes: 7, stopReason: 'stop_sequence' });
  });

  test('leaves the length of a stream’s text', async () => {
    const part = (completion: string, stop: string | null) => event({ type: 'completion', completion, stop_reason: stop, model: 'claude-2.1' });
    expect((await metered(stream(part(' Hel', null), part('lo', null), part('', 'stop_sequence')), as)).reading).toMatchObject({ contentBytes: 6, stopReason: 'stop_sequence', firstContentAt: 1, ended: true });
    expect((await metered(stream(part(' Hel', null), part('lo', null)), as)).reading).toMatchObject({ contentBytes: 6, ended: false });
  });
});

test('no bytes whatever make the meter throw', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), fc.constantFrom('text/event-stream', 'application/json', null), fc.constantFrom(null, 'gzip', 'br', 'deflate'), fc.constantFrom('messages' as const, 'chat_completions' as const, 'complete' as const), async (chunks, contentType, contentEncoding, endpoint) => {
      const { reading } = await metered(chunks.map((bytes) => Buffer.from(bytes)), { contentType, contentEncoding, endpoint });
      expect(reading.complete).toBe(false);
    }),
    { numRuns: 500, seed: 5 },
  );
});
