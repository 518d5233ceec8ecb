// test/standin/sample.ts: a value that fits a JSON Schema, for tool calls and structured outputs.

import type { Chance } from './chance.ts';
import { prose } from './prose.ts';

/** Covers what tools use: objects, arrays, enums, consts, strings, numbers, booleans, and the first of anyOf. */
export function sampleOf(schema: unknown, chance: Chance, name = ''): unknown {
  if (typeof schema !== 'object' || schema === null) return null;
  const s = schema as Record<string, unknown>;
  if ('const' in s) return s['const'];
  if (Array.isArray(s['enum'])) return chance.pick(s['enum'] as unknown[]);
  const options = s['anyOf'] ?? s['oneOf'];
  if (Array.isArray(options)) return sampleOf(options[0], chance, name);
  const type: unknown = Array.isArray(s['type']) ? s['type'][0] : s['type'];
  if (type === 'object' || s['properties']) {
    const properties = (s['properties'] ?? {}) as Record<string, unknown>;
    return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, sampleOf(value, chance, key)]));
  }
  if (type === 'array') return Array.from({ length: Math.max(1, Number(s['minItems'] ?? 1)) }, () => sampleOf(s['items'], chance, name));
  if (type === 'integer') return chance.int(Number(s['minimum'] ?? 0), Number(s['maximum'] ?? 100));
  if (type === 'number') return Math.round(chance.next() * 1000) / 1000;
  if (type === 'boolean') return chance.next() < 0.5;
  if (type === 'null') return null;
  if (/title|name|subject|label/i.test(name)) return prose(chance, 12).slice(0, 48);
  return prose(chance, /text|body|content|draft/i.test(name) ? 400 : 40);
}
