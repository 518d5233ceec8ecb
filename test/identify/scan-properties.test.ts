// test/identify/scan-properties.test.ts: whatever JSON comes, the scan reads what JSON.parse reads.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scanAsk, spliceModel } from '../../server/identify/ask.ts';

const governed = fc.record(
  {
    max_tokens: fc.nat(1_000_000),
    stream: fc.boolean(),
    speed: fc.constantFrom('fast', 'standard'),
    metadata: fc.record({ user_id: fc.string({ unit: 'binary', maxLength: 50 }) }),
    system: fc.string({ unit: 'binary' }),
  },
  { requiredKeys: [] },
);
/** Members that no rule asks about, with the worst names and values there are. */
const ungoverned = fc.dictionary(
  fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('Model', 'mode', 'models', 'model ', '__proto__', 'constructor', 'toString', '"', '\\', '\\"')).filter((name) => !GOVERNED_NAMES.has(name)),
  fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }),
);
const GOVERNED_NAMES = new Set(
  'model messages system tools max_tokens stream metadata cache_control speed service_tier inference_geo fallbacks mcp_servers container context_management compaction thread billing_policy max_completion_tokens max_tokens_to_sample stream_options'.split(' '),
);
const modelName = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((name) => !/[\p{Cc}\p{Cs}]/u.test(name));

/** The same value, members shuffled, spelled by another hand: white space, and escapes where none are needed. */
function spelled(value: unknown, dice: () => number): string {
  const gap = (): string => ['', '', ' ', '\n\t', '  \r\n'][dice() % 5]!;
  const key = (s: string): string => (/^[a-z_]+$/.test(s) && dice() % 3 === 0 ? `"${[...s].map((c) => (dice() % 2 ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)).join('')}"` : JSON.stringify(s));
  if (Array.isArray(value)) return `[${gap()}${value.map((v) => spelled(v, dice)).join(`${gap()},${gap()}`)}${gap()}]`;
  if (value !== null && typeof value === 'object') {
    return `{${gap()}${Object.entries(value).map(([k, v]) => `${key(k)}${gap()}:${gap()}${spelled(v, dice)}`).join(`${gap()},${gap()}`)}${gap()}}`;
  }
  return JSON.stringify(value);
}

const bodies = fc.tuple(governed, ungoverned, modelName, fc.array(fc.nat(), { minLength: 1, maxLength: 50 })).map(([known, unknown, model, rolls]) => {
  let roll = 0;
  const dice = (): number => rolls[roll++ % rolls.length]!;
  const members = [...Object.entries(known), ...Object.entries(unknown), ['model', model] as const].sort(() => (dice() % 3) - 1);
  return spelled(Object.fromEntries(members), dice);
});

test('it agrees with JSON.parse on every governed field', () => {
  fc.assert(
    fc.property(bodies, (body) => {
      const parsed = JSON.parse(body) as { model: string; max_tokens?: number; stream?: boolean; speed?: string; metadata?: { user_id: string } };
      const verdict = scanAsk(Buffer.from(body), 'messages');
      expect(verdict).toMatchObject({
        ok: true,
        value: {
          model: parsed.model,
          maxTokens: parsed.max_tokens ?? null,
          stream: parsed.stream ?? false,
          speed: parsed.speed ?? null,
          userId: parsed.metadata?.user_id ?? null,
          bodyBytes: Buffer.byteLength(body),
        },
      });
    }),
    { numRuns: 1_000 },
  );
});

test('an alias changes the model and nothing else', () => {
  fc.assert(
    fc.property(bodies, modelName, (body, other) => {
      const bytes = Buffer.from(body);
      const verdict = scanAsk(bytes, 'messages');
      if (!verdict.ok) throw new Error(verdict.refusal.message);
      const spliced = spliceModel(bytes, verdict.value.modelSpan, other);
      expect(JSON.parse(spliced.toString())).toEqual({ ...JSON.parse(body), model: other });
      const [start, end] = verdict.value.modelSpan;
      expect(spliced.subarray(0, start)).toEqual(bytes.subarray(0, start));
      expect(spliced.subarray(spliced.length - (bytes.length - end))).toEqual(bytes.subarray(end));
    }),
    { numRuns: 300 },
  );
});

test('a body with one byte changed is refused, or still read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(bodies, fc.nat(), fc.integer({ min: 0, max: 255 }), (body, place, byte) => {
      const bytes = Buffer.from(body);
      bytes[place % bytes.length] = byte;
      const verdict = scanAsk(bytes, 'messages');
      let parsed: { model?: unknown } | null = null;
      try {
        parsed = JSON.parse(bytes.toString()) as { model?: unknown };
      } catch {
        // Only a string that nobody reads may be broken; where it stands, its end is still where every parser sees it.
      }
      if (verdict.ok && parsed !== null) expect(verdict.value.model).toBe(parsed.model);
    }),
    { numRuns: 2_000 },
  );
});

test('whatever bytes come, it answers and does not throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string().map((s) => Buffer.from(`{"model":"m",${s}`))), (bytes) => {
      expect(typeof scanAsk(Buffer.from(bytes), 'messages').ok).toBe('boolean');
    }),
    { numRuns: 1_000 },
  );
});
