// test/admit/headroom.test.ts: what the provider's headers say about its limits.

import { describe, expect, test } from 'vitest';
import { createHeadroom, modelClassOf } from '../../server/admit/headroom.ts';
import type { EpochMs } from '../../server/domain/ids.ts';

const at = Date.parse('2025-06-15T12:00:00Z') as EpochMs;
const seen = (headers: Record<string, string>, more: { credential?: string; model?: string; at?: EpochMs; status?: number } = {}) => ({
  credential: 'default', model: 'claude-haiku-4-5', at, status: 200, ...more, raw: Object.entries(headers).flat(),
});

test.each([
  ['claude-opus-4-5', 'opus-4'],
  ['claude-opus-4-8-20260101', 'opus-4'],
  ['claude-opus-4-1-20250805', 'opus-4-1'],
  ['claude-opus-4-20250514', 'opus-4-0'],
  ['claude-opus-5', 'opus-5'],
  ['claude-opus-5-5', 'opus-5-5'],
  ['claude-sonnet-4-5-20250929', 'sonnet-4'],
  ['claude-sonnet-4-6', 'sonnet-4'],
  ['claude-sonnet-4-20250514', 'sonnet-4-0'],
  ['claude-haiku-4-5-20251001', 'haiku-4-5'],
  ['claude-fable-5', 'fable-5'],
  ['claude-fable-5-1', 'fable-5'],
  ['claude-fable-5-2', 'fable-5-2'],
  ['claude-mythos-preview', 'mythos'],
  ['claude-mythos-5', 'mythos'],
  ['claude-3-5-haiku-20241022', '3-5-haiku-20241022'],
  ['Claude-Opus-4-6', 'opus-4'],
  ['__proto__', '__proto__'],
])('%s draws on the pool %s', (model, modelClass) => {
  expect(modelClassOf(model)).toBe(modelClass);
});

describe('headroom', () => {
  test('is what the headers said last, per pool and dimension', () => {
    const headroom = createHeadroom();
    headroom.note(seen({ 'anthropic-ratelimit-requests-limit': '1000', 'anthropic-ratelimit-requests-remaining': '999', 'anthropic-ratelimit-requests-reset': '2025-06-15T12:00:06Z' }));
    headroom.note(seen({ 'anthropic-ratelimit-requests-limit': '1000', 'anthropic-ratelimit-requests-remaining': '998', 'anthropic-ratelimit-requests-reset': '2025-06-15T12:00:07Z', 'anthropic-ratelimit-input-tokens-limit': '2000000', 'anthropic-ratelimit-input-tokens-remaining': '5', 'anthropic-ratelimit-input-tokens-reset': 'soon' }));
    expect(headroom.rows(at)).toEqual([
      { credential: 'default', modelClass: 'haiku-4-5', dimension: 'requests', limit: 1000, remaining: 998, lowestRatio: 0.998, resetAt: at + 7_000, seenAt: at },
      { credential: 'default', modelClass: 'haiku-4-5', dimension: 'input_tokens', limit: 2_000_000, remaining: 5, lowestRatio: 0.0000025, resetAt: null, seenAt: at },
    ]);
  });

  test('remembers for a minute the least that was left, whatever was said after', () => {
    const headroom = createHeadroom();
    const told = (remaining: number, seconds: number) =>
      headroom.note(seen({ 'anthropic-ratelimit-requests-limit': '1000', 'anthropic-ratelimit-requests-remaining': String(remaining) }, { at: (at + seconds * 1000) as EpochMs }));
    told(900, 0);
    told(50, 10);
    told(60, 10.5);
    told(950, 11);
    const lowest = (seconds: number): number | undefined => headroom.rows((at + seconds * 1000) as EpochMs)[0]?.lowestRatio;
    expect([lowest(11), lowest(69), lowest(70), lowest(3_600)]).toEqual([0.05, 0.05, 0.95, 0.95]);
  });

  test('gives back what an answer told, dimension by dimension, and for how long it asked to be left alone', () => {
    const headroom = createHeadroom();
    const told = headroom.note(seen({
      'retry-after': '12', 'anthropic-ratelimit-output-tokens-limit': '80000', 'anthropic-ratelimit-output-tokens-remaining': '0', 'anthropic-ratelimit-output-tokens-reset': 'soon',
      'anthropic-ratelimit-requests-limit': '1000', 'anthropic-ratelimit-requests-remaining': '999', 'anthropic-ratelimit-requests-reset': '2025-06-15T12:00:06Z',
    }, { status: 429 }));
    expect(told).toEqual({
      limits: [{ dimension: 'requests', limit: 1000, remaining: 999, resetAt: at + 6_000 }, { dimension: 'output_tokens', limit: 80_000, remaining: 0, resetAt: null }],
      retryAfterSeconds: 12,
    });
    expect(headroom.note(seen({ 'content-type': 'application/json' }))).toEqual({ limits: [], retryAfterSeconds: null });
  });

  test.each(['2025-06-15T23:59:59Z', '2025-06-16T00:00:00Z', '2024-02-29T12:34:56Z', '2025-06-15T12:00:00.250Z', '2025-06-15T14:00:00+02:00', '2025-06-15T24:00:01Z', '2025-06-15T12:60:00Z', '2025-06-15T12x00:00Z', '2025-06-15T12:00x00Z', '2025-06-15T1x:00:00Z', '2025-06-15T12:0 :00Z', '2025-13-15T12:00:00Z'])('reads the instant %s as the calendar has it', (reset) => {
    const headroom = createHeadroom();
    const [told] = headroom.note(seen({ 'anthropic-ratelimit-requests-limit': '9', 'anthropic-ratelimit-requests-remaining': '1', 'anthropic-ratelimit-requests-reset': reset })).limits;
    const instant = Date.parse(reset);
    expect(told!.resetAt).toBe(Number.isNaN(instant) ? null : instant);
  });

  test('is full again once its reset has passed', () => {
    const headroom = createHeadroom();
    headroom.note(seen({ 'anthropic-ratelimit-tokens-limit': '100', 'anthropic-ratelimit-tokens-remaining': '1', 'anthropic-ratelimit-tokens-reset': '2025-06-15T12:00:06Z' }));
    expect(headroom.rows((at + 5_999) as EpochMs)[0]?.remaining).toBe(1);
    expect(headroom.rows((at + 6_000) as EpochMs)[0]?.remaining).toBe(100);
  });

  test.each([
    ['1s', 1_000],
    ['6m0s', 360_000],
    ['1h2m3.5s', 3_723_500],
    ['20ms', 20],
    ['2025-06-15T12:00:01Z', 1_000],
  ])('reads the OpenAI-compatible spelling, with a reset in %s', (reset, ms) => {
    const headroom = createHeadroom();
    headroom.note(seen({ 'x-ratelimit-limit-requests': '60', 'x-ratelimit-remaining-requests': '59', 'x-ratelimit-reset-requests': reset }));
    expect(headroom.rows(at)).toMatchObject([{ dimension: 'requests', limit: 60, remaining: 59, resetAt: at + ms }]);
  });

  test.each([
    { what: 'as our own clock has it', headers: { 'anthropic-ratelimit-requests-reset': '2025-06-15T12:00:30Z' }, fullInMs: 30_000 },
    { what: 'by the clock of the provider, where ours is ahead', headers: { 'anthropic-ratelimit-requests-reset': '2025-06-15T11:55:30Z', date: 'Sun, 15 Jun 2025 11:55:00 GMT' }, fullInMs: 30_000 },
    { what: 'as a time from now, whatever the clocks say', headers: { 'x-ratelimit-limit-requests': '100', 'x-ratelimit-remaining-requests': '50', 'x-ratelimit-reset-requests': '30s', date: 'Sun, 15 Jun 2025 11:55:00 GMT' }, fullInMs: 30_000 },
    { what: 'not at all', headers: {}, fullInMs: null },
  ])('tells who listens when a bucket is full again: $what', ({ headers, fullInMs }) => {
    const told: unknown[][] = [];
    const headroom = createHeadroom({ tellBelow: 0.6, told: (...figure) => void told.push(figure), heard: (...answer) => (told.push(answer), false) });
    const own = 'x-ratelimit-limit-requests' in headers ? {} : { 'anthropic-ratelimit-requests-limit': '100', 'anthropic-ratelimit-requests-remaining': '50' };
    headroom.note(seen({ ...own, ...headers } as Record<string, string>));
    expect(told).toEqual([['default', 'haiku-4-5', 'requests', 100, 50, fullInMs], ['default', 'haiku-4-5', 0]]);
  });

  test.each([
    { status: 429, headers: { 'retry-after': '7' }, restMs: 7_000 },
    { status: 429, headers: {}, restMs: 0 },
    { status: 529, headers: { 'retry-after': '3' }, restMs: 3_000 },
    { status: 529, headers: {}, restMs: 1_000 },
    { status: 503, headers: { 'retry-after': '7' }, restMs: 0 },
    { status: 429, headers: { 'retry-after': 'Fri, 31 Dec 1999 23:59:59 GMT' }, restMs: 0 },
  ])('tells who listens that $status with $headers asks for $restMs ms of rest', ({ status, headers, restMs }) => {
    const rests: number[] = [];
    createHeadroom({ tellBelow: 0.6, told: () => undefined, heard: (_credential, _class, ms) => (rests.push(ms), false) }).note(seen(headers as Record<string, string>, { status }));
    expect(rests).toEqual(status === 503 ? [] : [restMs]);
  });

  test.each([
    { name: 'none', headers: {} },
    { name: 'half of them', headers: { 'anthropic-ratelimit-requests-limit': '10' } },
    { name: 'words for numbers', headers: { 'anthropic-ratelimit-requests-limit': 'many', 'anthropic-ratelimit-requests-remaining': '1e3' } },
    { name: 'numbers below zero', headers: { 'anthropic-ratelimit-requests-limit': '10', 'anthropic-ratelimit-requests-remaining': '-1' } },
  ])('takes nothing from $name', ({ headers }) => {
    const headroom = createHeadroom();
    headroom.note(seen(headers as Record<string, string>));
    expect(headroom.rows(at)).toEqual([]);
  });

  test('keeps provider keys apart, and stays small whatever models are named', () => {
    const headroom = createHeadroom();
    const headers = { 'anthropic-ratelimit-requests-limit': '10', 'anthropic-ratelimit-requests-remaining': '1' };
    for (let i = 0; i < 2_000; i++) headroom.note(seen(headers, { model: `${'m'.repeat(1_000)}${i}`, credential: `key-${i}` }));
    headroom.note(seen(headers, { credential: 'a' }));
    headroom.note(seen(headers, { credential: 'b' }));
    const rows = headroom.rows(at);
    expect(rows).toHaveLength(500);
    expect(rows.slice(-2).map(({ credential }) => credential)).toEqual(['a', 'b']);
    expect(Math.max(...rows.map(({ modelClass }) => modelClass.length))).toBe(64);
  });
});
