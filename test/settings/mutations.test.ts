// test/settings/mutations.test.ts: whatever happens to a config file, reading it ends with settings or with mistakes that have a place.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadText } from '../../server/settings/load.ts';
import { mistakeText } from '../../server/settings/mistakes.ts';

const shipped = readFileSync(fileURLToPath(new URL('../../config/tollgate.yaml', import.meta.url)), 'utf8');
const whole = shipped.replace(/^#:/gm, '');
const ENV = { TRIAGE_KEY: 'environment-secret-1', SLACK_URL: 'https://hooks.example/environment-secret-2', ANTHROPIC_API_KEY: 'environment-secret-3' };

function expectJudged(text: string): void {
  const loaded = loadText({ file: 'tollgate.yaml', text, env: ENV, exists: () => true });
  if (loaded.ok) return;
  expect(loaded.mistakes.length).toBeGreaterThan(0);
  const lines = text.split(/\r\n|\n/).length;
  for (const mistake of loaded.mistakes) {
    expect(mistake.line).toBeGreaterThanOrEqual(1);
    expect(mistake.line).toBeLessThanOrEqual(lines);
    expect(mistake.column).toBeGreaterThanOrEqual(1);
    expect(mistakeText(mistake)).toMatch(/^tollgate\.yaml:\d+:\d+: [^\r\n]+$/);
    expect(mistakeText(mistake)).not.toContain('environment-secret');
  }
}

const NOISE = ['\t', '\n', '- ', ': ', ' #', '"', "'", '{', '}', '[', ']', '*a', '&a ', '!!int ', '${', '${X}', '${X:-', '|', '>', '%', '@', '---\n', '...\n', '<<: ', '? ', '\u0000', '\ufeff', '\u2028', '🙂', '0x1F', '.inf', 'null', '~', '-1', '1e999', '999999999999999999999'];

/** One accident: a piece cut out, put in, doubled, swapped, or the end lost. */
const accident = fc.record({
  kind: fc.constantFrom('cut', 'insert', 'double', 'swap', 'truncate', 'indent'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 60 }),
  noise: fc.oneof(fc.constantFrom(...NOISE), fc.string({ unit: 'binary', maxLength: 12 })),
});

function suffer(text: string, { kind, at, length, noise }: { kind: string; at: number; length: number; noise: string }): string {
  const from = Math.floor(at * text.length);
  const piece = text.slice(from, from + length);
  const lines = text.split('\n');
  const line = Math.min(lines.length - 1, Math.floor(at * lines.length));
  if (kind === 'cut') return text.slice(0, from) + text.slice(from + length);
  if (kind === 'insert') return text.slice(0, from) + noise + text.slice(from);
  if (kind === 'double') return text.slice(0, from) + piece + text.slice(from);
  if (kind === 'swap') return text.slice(0, from) + piece.slice(piece.length / 2) + piece.slice(0, piece.length / 2) + text.slice(from + length);
  if (kind === 'truncate') return text.slice(0, from);
  return [...lines.slice(0, line), `${' '.repeat(length % 7)}${lines[line]}`, ...lines.slice(line + 1)].join('\n');
}

test('a file with up to five accidents is judged, never thrown at', () => {
  fc.assert(
    fc.property(fc.array(accident, { minLength: 1, maxLength: 5 }), (accidents) => {
      expectJudged(accidents.reduce(suffer, whole));
    }),
    { numRuns: 200 },
  );
});

test('a value of any kind in any place is judged, never thrown at', () => {
  const places = [...whole.matchAll(/(?<=: )[^\s#{[|>][^\n#,}\]]*/g)].map((match) => ({ from: match.index, to: match.index + match[0].length }));
  expect(places.length).toBeGreaterThan(40);
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.oneof(fc.json({ maxDepth: 2 }), fc.constantFrom(...NOISE)), ({ from, to }, value) => {
      expectJudged(whole.slice(0, from) + value + whole.slice(to));
    }),
    { numRuns: 200 },
  );
});

test('text that was never a config is judged, never thrown at', () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), fc.json(), fc.array(fc.constantFrom(...NOISE), { maxLength: 60 }).map((parts) => parts.join(''))), expectJudged), { numRuns: 300 });
});

test.each([
  ['ten thousand brackets', '['.repeat(10_000)],
  ['ten thousand braces', '{'.repeat(10_000)],
  ['ten thousand nested lists', '- '.repeat(10_000)],
  ['a list of ten thousand aliases', `a: &a 1\nb: [${'*a,'.repeat(10_000)}]\n`],
  ['twenty thousand keys', Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n')],
  ['a mapping where a number belongs, and another rule looks at it', 'upstream: { queue: { length: {} } }\n'],
  ['ten thousand variables', `timezone: "${'${X}'.repeat(10_000)}"\n`],
])('%s are judged', (_, text) => {
  expectJudged(text);
  expect(loadText({ file: 'tollgate.yaml', text, env: {}, exists: () => true }).ok).toBe(false);
});
