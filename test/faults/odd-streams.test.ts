// test/faults/odd-streams.test.ts: answers that look unlike any other arrive byte for byte, and are still read right.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { messageDelta, messageStart, messageStop, text } from '../meter/streams.ts';
import { call, expectAllCounted, metric, openScene, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene.close());

test.each([
  { name: 'broken lines between the events', fault: 'malformed-sse' },
  { name: 'comment lines', fault: 'comments' },
  { name: 'lines that end in CR', fault: 'line-ends:cr' },
  { name: 'lines that end in CRLF', fault: 'line-ends:crlf' },
  { name: 'events over several data lines', fault: 'multi-line' },
  { name: 'events that nobody knows', fault: 'unknown-events' },
  { name: 'invalid UTF-8', fault: 'invalid-utf8' },
  { name: 'one byte at a time', fault: 'split:1' },
  { name: 'one byte at a time, invalid UTF-8, CR', fault: 'split:1;invalid-utf8;line-ends:cr' },
  { name: 'gzip', fault: 'encoding:gzip' },
  { name: 'br', fault: 'encoding:br' },
  { name: 'deflate', fault: 'encoding:deflate' },
  { name: 'gzip, one byte at a time', fault: 'encoding:gzip;split:1' },
  { name: 'a content-length', fault: 'framing:length' },
  { name: 'an end told by the close of the connection', fault: 'framing:close' },
  { name: 'trailers', fault: 'trailers' },
  { name: 'a 100 in front of it', fault: 'continue:1' },
  { name: 'three 100s in front of it', fault: 'continue:3' },
  { name: 'a 102 in front of it', fault: 'processing' },
  { name: 'a 103 in front of it', fault: 'early-hints:2' },
  { name: 'a prompt that grows while server tools run', fault: 'growing-input:8003' },
  { name: 'a compaction turn in its iterations', fault: 'iterations' },
])('a stream with $name is relayed to the byte and read exactly', async ({ fault }) => {
  const { seen, row, upstream } = await call(scene, { fault, stream: true });
  read.exactly++;
  const { response } = upstream!;
  expect(seen).toMatchObject({ status: 200, ending: 'complete', headers: { 'request-id': upstream!.id } });
  expect(seen.headers['content-encoding']).toBe(response.headers['content-encoding']);
  expect(seen.headers['trailer']).toBeUndefined();
  expect(seen.body.equals(response.body)).toBe(true);
  expect(row).toMatchObject({ outcome: 'ok', status: 200, estimated: false });
  const parts = (response.billed as { iterations?: { input_tokens: number; output_tokens: number }[] | null }).iterations ?? [response.billed!];
  expect(row.tokens).toMatchObject({ input: sum(parts.map((p) => p.input_tokens)), output: sum(parts.map((p) => p.output_tokens)) });
});

/** Answers so far that were read to the end, and those that could not be. */
const read = { exactly: 0, not: 0 };

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

test.each([
  { name: 'gzip', fault: 'encoding:gzip' },
  { name: 'br', fault: 'encoding:br' },
  { name: 'one byte at a time', fault: 'split:1' },
  { name: 'chunked', fault: 'framing:chunked' },
  { name: 'close-delimited', fault: 'framing:close' },
  { name: 'trailers', fault: 'trailers' },
  { name: 'a 100 in front of it', fault: 'continue:2' },
  { name: 'a 102 in front of it', fault: 'processing' },
  { name: 'invalid UTF-8', fault: 'invalid-utf8' },
])('a JSON answer with $name is relayed to the byte and read exactly', async ({ fault }) => {
  const { seen, row, upstream } = await call(scene, { fault });
  read.exactly++;
  const { response } = upstream!;
  expect(seen).toMatchObject({ status: 200, ending: 'complete', headers: { 'x-tollgate-cost-usd': row.cost_usd } });
  expect(seen.headers['content-length']).toBe(response.headers['content-length']);
  expect(seen.body.equals(response.body)).toBe(true);
  expect(row).toMatchObject({ outcome: 'ok', estimated: false, tokens: { input: response.billed!.input_tokens, output: response.billed!.output_tokens } });
});

test.each([
  { name: 'no usage anywhere', fault: 'no-usage', stream: true, outcome: 'ok' },
  { name: 'no usage in JSON', fault: 'no-usage', stream: false, outcome: 'ok' },
  { name: 'an encoding that nobody offered', fault: 'encoding:snappy', stream: true, outcome: 'ok' },
  { name: 'an encoding that nobody offered, in JSON', fault: 'encoding:snappy', stream: false, outcome: 'ok' },
  { name: 'usage in message_start only', fault: 'usage-start-only', stream: true, outcome: 'upstream_reset' },
])('an answer with $name is relayed to the byte, and its cost is an estimate above zero', async ({ fault, stream, outcome }) => {
  const { seen, row, upstream } = await call(scene, { fault, stream });
  if (outcome === 'ok') read.not++;
  expect(seen).toMatchObject({ status: 200, ending: 'complete' });
  expect(seen.body.equals(upstream!.response.body)).toBe(true);
  expect(row).toMatchObject({ outcome, estimated: true });
  expect(row.tokens.output).toBeGreaterThan(0);
  expect(Number(row.cost_usd)).toBeGreaterThan(0);
});

test('every call was counted once, nothing is in flight, and those that ended well but could not be read are counted by what was in the way', async () => {
  await expectAllCounted(scene);
  expect(await metric(scene, 'tollgate_requests_total', { outcome: 'ok' })).toBe(read.exactly + read.not);
  // Two of an encoding that nobody offered, the others read whole and without usage.
  expect(await metric(scene, 'tollgate_usage_incomplete_total', { reason: 'undecodable' })).toBe(2);
  expect(await metric(scene, 'tollgate_usage_incomplete_total', { reason: 'usage_missing' })).toBe(read.not - 2);
  expect(await metric(scene, 'tollgate_unreadable_answers_total', { obstacle: 'undecodable' })).toBe(2);
  // Broken lines between the events: counted, and read exactly all the same.
  expect(await metric(scene, 'tollgate_unreadable_answers_total', { obstacle: 'unparsable' })).toBe(1);
  expect(await metric(scene, 'tollgate_usage_incomplete_total', { reason: 'upstream_reset' })).toBe(scene.outcomes.get('upstream_reset') ?? 0);
  expect(await metric(scene, 'tollgate_usage_incomplete_total')).toBe(read.not + (scene.outcomes.get('upstream_reset') ?? 0));
});

const STREAM = 'text/event-stream; charset=utf-8';
const words = text('The keeper lit the lamp, as on every evening.'.repeat(4));
const chunk = (content: string): string => `data: ${JSON.stringify({ model: 'claude-haiku-4-5', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;
const JSON_TYPE = 'application/json';
const message = (usage: object): string => JSON.stringify({ id: 'msg_01', type: 'message', role: 'assistant', model: 'claude-haiku-4-5', content: [{ type: 'text', text: 'The keeper lit the lamp. '.repeat(40) }], stop_reason: 'end_turn', stop_sequence: null, usage });
const bare = (event: string): string => event.replace(',"usage":{}', '');

/** Answers that the stand-in does not give, by name. */
const ANSWERS: Readonly<Record<string, { type: string; body: string }>> = {
  'no bytes': { type: STREAM, body: '' },
  'a cut': { type: STREAM, body: bare(messageStart({})) + words },
  'a cut behind the reason': { type: STREAM, body: bare(messageStart({})) + words + bare(messageDelta({})) },
  'a comment': { type: STREAM, body: ': nothing to see\n\n' },
  'a chat': { type: STREAM, body: `${chunk('Once there was a lamp.')}data: [DONE]\n\n` },
  'an empty usage at its start': { type: STREAM, body: messageStart({}, 'claude-haiku-4-5') + words + messageDelta({ output_tokens: 77 }) + messageStop },
  'no usage at its start': { type: STREAM, body: bare(messageStart({})) + words + messageDelta({ output_tokens: 77 }) + messageStop },
  'JSON that tells no input': { type: JSON_TYPE, body: message({ output_tokens: 77 }) },
  'no output': { type: JSON_TYPE, body: message({ input_tokens: 9 }) },
  'an output of null': { type: JSON_TYPE, body: message({ input_tokens: 9, output_tokens: null }) },
  'an output of 1e400': { type: JSON_TYPE, body: message({ input_tokens: 9, output_tokens: 0 }).replace('"output_tokens":0', '"output_tokens":1e400') },
  'a cut chat': { type: STREAM, body: chunk('Once there was a') },
};

describe('of a provider that tells less than the API does,', () => {
  let provider: Server;
  let odd: Scene;
  beforeAll(async () => {
    provider = createServer((request, answer) => {
      const { type, body } = ANSWERS[String(request.headers['x-standin-fault'])]!;
      request.resume().on('end', () => answer.writeHead(200, { 'content-type': type }).end(body));
    });
    await new Promise<void>((listening) => provider.listen(0, '127.0.0.1', listening));
    odd = await openScene({ origin: `http://127.0.0.1:${(provider.address() as AddressInfo).port}` });
  });
  afterAll(async () => {
    await odd.close();
    provider.close();
  });

  test.each<{ name: string; path?: string; outcome: string; output?: number }>([
    { name: 'no bytes', outcome: 'upstream_protocol', output: 0 },
    { name: 'a cut', outcome: 'upstream_reset' },
    { name: 'a cut behind the reason', outcome: 'upstream_reset' },
    { name: 'a comment', outcome: 'upstream_reset', output: 0 },
    { name: 'a chat', path: '/v1/chat/completions', outcome: 'ok' },
    { name: 'a cut chat', path: '/v1/chat/completions', outcome: 'upstream_reset' },
  ])('$name without usage is relayed to the byte and booked as $outcome, as an estimate', async ({ name, path = '/v1/messages', outcome, output }) => {
    const { seen, row } = await call(odd, { fault: name, path, stream: true });
    expect(seen).toMatchObject({ status: 200, ending: 'complete' });
    expect(seen.body.toString()).toBe(ANSWERS[name]!.body);
    expect(row).toMatchObject({ outcome, status: 200, estimated: true });
    expect(row.tokens.input).toBeGreaterThan(10);
    if (output === undefined) expect(row.tokens.output).toBeGreaterThan(1);
    else expect(row.tokens.output).toBe(output);
  });

  test.each(['an empty usage at its start', 'no usage at its start', 'JSON that tells no input'])('an answer with %s has an estimate of its prompt beside the output told', async (name) => {
    const { seen, row } = await call(odd, { fault: name, stream: ANSWERS[name]!.type === STREAM });
    expect(seen.body.toString()).toBe(ANSWERS[name]!.body);
    expect(row).toMatchObject({ outcome: 'ok', estimated: true, estimate_method: 'prompt from bytes sent, output as last reported', tokens: { output: 77 } });
    expect(row.tokens.input).toBeGreaterThan(10);
  });

  test.each(['no output', 'an output of null', 'an output of 1e400'])('JSON whose usage tells %s has the prompt told, and an estimate of its output', async (name) => {
    const { seen, row } = await call(odd, { fault: name });
    expect(seen.body.toString()).toBe(ANSWERS[name]!.body);
    expect(row).toMatchObject({ outcome: 'ok', estimated: true, estimate_method: 'prompt as reported, output from bytes received', tokens: { input: 9 } });
    expect(row.tokens.output).toBeGreaterThan(100);
  });

  test('every call was counted once, and nothing is in flight', () => expectAllCounted(odd));
});
