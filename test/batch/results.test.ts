// test/batch/results.test.ts: results are read a line at a time, however the bytes are cut, and never taken for less than they say.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linesOf } from '../../server/batch/lines.ts';
import { readResult } from '../../server/batch/results.ts';
import { readMessage } from '../../server/meter/json-body.ts';

async function* chunks(text: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, n = 0; at < text.length; n++) {
    const size = sizes[n % sizes.length]!;
    yield text.subarray(at, at + size);
    at += size;
  }
}
const linesFrom = async (text: Buffer, sizes: readonly number[]): Promise<string[]> => {
  const lines: string[] = [];
  for await (const line of linesOf(chunks(text, sizes))) lines.push(line.toString());
  return lines;
};

test('lines are the same wherever the bytes are cut, in the middle of a character too', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' }).map((s) => s.replaceAll('\n', ''))), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), async (lines, sizes) => {
    expect(await linesFrom(Buffer.from(lines.join('\n')), sizes)).toEqual(lines.filter((line) => line !== ''));
  }));
});

const message = { id: 'msg_1', content: [{ type: 'text', text: '"usage":{"output_tokens":9}' }], model: 'claude-haiku-4-5', stop_reason: 'max_tokens', usage: { input_tokens: 3, output_tokens: 5 } };

test('a succeeded result tells its item, and its message tells what it used', () => {
  const { customId, type, message: json } = readResult(Buffer.from(JSON.stringify({ result: { message, type: 'succeeded' }, custom_id: 'ä-1' })));
  expect({ customId, type }).toEqual({ customId: 'ä-1', type: 'succeeded' });
  expect(readMessage(json!)).toMatchObject({ complete: true, stopReason: 'max_tokens', usage: { modelServed: 'claude-haiku-4-5', tokens: { input: 3, output: 5 } } });
});

test.each(['errored', 'canceled', 'expired'] as const)('an item that is %s has no message', (type) => {
  expect(readResult(Buffer.from(JSON.stringify({ custom_id: 'a', result: { type, error: { type: 'error' } } })))).toEqual({ customId: 'a', type, message: null });
});

test('content that nests deeper than a strict walk goes is read all the same', () => {
  const deep = `${'['.repeat(300)}${']'.repeat(300)}`;
  const line = JSON.stringify({ custom_id: 'a', result: { type: 'succeeded', message } }).replace('"content":', `"deep":${deep},"content":`);
  expect(readMessage(readResult(Buffer.from(line)).message!).usage?.tokens.output).toBe(5);
});

test.each(['', '{', '[]', '{}', 'null', '{"custom_id":"a"}', '{"custom_id":"","result":{"type":"succeeded"}}', '{"custom_id":"a","result":{"type":"new_kind"}}', '{"custom_id":1,"result":{"type":"errored"}}'])('what is no result is never taken for one that costs nothing: %s', (line) => {
  expect(() => readResult(Buffer.from(line))).toThrow(SyntaxError);
});
