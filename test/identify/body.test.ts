// test/identify/body.test.ts: compressed bodies, honest ones and bombs.

import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decodeBody } from '../../server/identify/body.ts';

const text = Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hello '.repeat(50) }] }));

test.each([
  { encoding: null, body: text },
  { encoding: '', body: text },
  { encoding: 'identity', body: text },
  { encoding: 'gzip', body: gzipSync(text) },
  { encoding: 'GZIP', body: gzipSync(text) },
  { encoding: 'x-gzip', body: gzipSync(text) },
  { encoding: 'br', body: brotliCompressSync(text) },
  { encoding: 'deflate', body: deflateSync(text) },
  { encoding: 'deflate', body: deflateRawSync(text) },
  { encoding: 'gzip, br', body: brotliCompressSync(gzipSync(text)) },
])('a body in $encoding is decoded', async ({ encoding, body }) => {
  expect(await decodeBody(body, encoding)).toEqual({ ok: true, value: text });
});

describe('a body is refused as malformed', () => {
  test.each([
    { name: 'an encoding we do not know', encoding: 'zstd', body: text },
    { name: 'a name of the prototype', encoding: '__proto__', body: text },
    { name: 'three encodings', encoding: 'gzip, gzip, gzip', body: text },
    { name: 'a thousand encodings', encoding: 'gzip,'.repeat(1000), body: text },
    { name: 'what is not gzip', encoding: 'gzip', body: text },
    { name: 'a cut body', encoding: 'gzip', body: gzipSync(text).subarray(0, 40) },
    { name: 'the wrong order', encoding: 'br, gzip', body: brotliCompressSync(gzipSync(text)) },
    { name: 'an empty body', encoding: 'br', body: Buffer.alloc(0) },
  ])('for $name', async ({ encoding, body }) => {
    expect(await decodeBody(body, encoding)).toMatchObject({ ok: false, refusal: { reason: 'malformed' } });
  });
});

describe('a bomb is refused as too large', () => {
  const zeros = Buffer.alloc(8 * 1024 * 1024);
  test.each([
    { name: 'in gzip', encoding: 'gzip', body: gzipSync(zeros) },
    { name: 'in brotli', encoding: 'br', body: brotliCompressSync(zeros) },
    { name: 'in deflate', encoding: 'deflate', body: deflateSync(zeros) },
    { name: 'in two layers', encoding: 'gzip, gzip', body: gzipSync(gzipSync(zeros)) },
  ])('$name', async ({ encoding, body }) => {
    expect(await decodeBody(body, encoding)).toMatchObject({ ok: false, refusal: { reason: 'too_large' } });
  });

  test('past its bytes, whatever its ratio', async () => {
    expect(await decodeBody(gzipSync(text), 'gzip', { bytes: text.length - 1, ratio: 100 })).toMatchObject({ refusal: { reason: 'too_large' } });
    expect(await decodeBody(gzipSync(text), 'gzip', { bytes: text.length, ratio: 100 })).toMatchObject({ ok: true });
  });
});
