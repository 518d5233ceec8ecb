// test/meter/events.test.ts: the event scanner sees what a full parser of server-sent events sees, however the bytes are cut.

import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EVENT_BYTES, EventScanner, type Interest } from '../../server/meter/events.ts';
import { everyEvent } from './streams.ts';

/** The data of every event, by our scanner. */
function scanned(chunks: Iterable<Buffer>, interest: Interest = 'keep') {
  const data: string[] = [];
  let counted = 0;
  let oversized = 0;
  const scanner = new EventScanner({
    byName: () => interest, byData: () => interest,
    count: (bytes) => (counted += bytes),
    keep: (bytes) => data.push(bytes.toString('utf8')),
    oversized: () => oversized++,
  });
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk);
    scanner.tap(copy);
    copy.fill(0);
  }
  return { data, counted, get oversized() { return oversized; }, scanner };
}

/** The data of every event, by the library: it is given text as a decoder leaves it, without a mark, and something after a last CR, which it waits at. */
function parsed(text: string): string[] {
  const data: string[] = [];
  const parser = createParser({ onEvent: (event) => data.push(event.data) });
  parser.feed(`${text.replace('\uFEFF', '')}:\n`);
  return data;
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const edges = [0, ...[...at].sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
}

const fragment = fc.constantFrom('data: {"a":1}', 'data:x', 'data', 'data: ', 'data:  two', 'event: ping', 'event:error', 'event', ': a comment', ':', 'id: 7', 'retry: 10', 'unknown: x', 'datax: y', 'data: é世🌍', ' data: z', '');
const ending = fc.constantFrom('\n', '\r\n', '\r');
const stream = fc.array(fc.tuple(fragment, ending), { maxLength: 24 }).map((lines) => lines.map(([line, end]) => line + end).join(''));

test('any lines with any ends, cut anywhere, give the events that the library gives', () => {
  fc.assert(
    fc.property(stream, fc.boolean(), fc.array(fc.nat(400), { maxLength: 6 }), (body, mark, cuts) => {
      // A closing empty line, so that both are at the end of an event.
      const text = `${mark ? '\uFEFF' : ''}${body}\n\n`;
      const bytes = Buffer.from(text);
      const chunks = cut(bytes, cuts.map((at) => Math.min(at, bytes.length)));
      expect(scanned(chunks).data.filter((d) => d !== '')).toEqual(parsed(text).filter((d) => d !== ''));
    }),
    { numRuns: 3_000, seed: 11 },
  );
});

test.each(['\n', '\r\n', '\r'])('a stream with lines that end in %j gives the library’s events at every cut', (end) => {
  const text = everyEvent.replaceAll('\n', end);
  const bytes = Buffer.from(text);
  const expected = parsed(text);
  expect(expected).toHaveLength(17);
  for (let at = 0; at <= bytes.length; at++) expect(scanned(cut(bytes, [at])).data).toEqual(expected);
  expect(scanned([...bytes].map((byte) => Buffer.from([byte]))).data).toEqual(expected);
});

test('bytes that are no UTF-8 harm only their own event', () => {
  const bytes = Buffer.concat([Buffer.from('data: a'), Buffer.from([0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80]), Buffer.from('\n\ndata: b\n\n')]);
  expect(scanned([bytes]).data).toHaveLength(2);
  expect(scanned([bytes]).data[1]).toBe('b');
});

describe('an event larger than a megabyte', () => {
  const large = (chunks: number): Buffer[] => [Buffer.from('data: {'), ...Array.from({ length: chunks }, () => Buffer.alloc(64 * 1024, 0x61)), Buffer.from('\n\ndata: next\n\n')];

  test('is let go, and the next one is read', () => {
    const seen = scanned(large(17));
    expect(seen.oversized).toBe(1);
    expect(seen.data).toEqual(['next']);
  });

  test('is let go in many lines, too', () => {
    const line = Buffer.from(`data: ${'a'.repeat(1000)}\n`);
    const seen = scanned([...Array.from({ length: 1_100 }, () => line), Buffer.from('\ndata: next\n\n')]);
    expect(seen).toMatchObject({ oversized: 1, data: ['next'] });
  });

  test('just within the bound is read whole', () => {
    const data = 'a'.repeat(EVENT_BYTES - 1);
    expect(scanned(cut(Buffer.from(`data: ${data}\n\n`), [10, 500_000])).data).toEqual([data]);
  });

  test('is counted to its true length when only its length is wanted', () => {
    expect(scanned(large(40), 'count')).toMatchObject({ counted: 1 + 40 * 64 * 1024 + 'next'.length, oversized: 0 });
  });

  test('that never ends holds no more than a few megabytes', () => {
    const chunk = Buffer.alloc(64 * 1024, 0x61);
    const { scanner } = scanned([Buffer.from('data: {')]);
    const before = process.memoryUsage().arrayBuffers;
    for (let sent = 0; sent < 100 * 1024 * 1024; sent += chunk.length) scanner.tap(chunk);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
  });
});
