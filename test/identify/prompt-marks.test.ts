// test/identify/prompt-marks.test.ts: keyed hashes of a prompt's prefixes tell what repeats, and nothing else of it.

import { describe, expect, test } from 'vitest';
import { scanAsk } from '../../server/identify/ask.ts';
import { PromptLayout } from '../../server/identify/prompt-layout.ts';
import { decodeMarks, encodeMarks, promptMarks, type PromptMarks } from '../../server/identify/prompt-marks.ts';

const KEY = 'k'.repeat(43);

function marksOf(fields: object | string, key = KEY): PromptMarks {
  const body = Buffer.from(typeof fields === 'string' ? fields : JSON.stringify({ model: 'm', max_tokens: 64, ...fields }));
  const layout = new PromptLayout();
  const ask = scanAsk(body, 'messages', layout);
  if (!ask.ok) throw new Error(ask.refusal.message);
  const stored = promptMarks(body, layout, ask.value, key);
  const marks = stored === null ? null : decodeMarks(stored);
  if (marks === null) throw new Error('no marks');
  return marks;
}

const hashes = (marks: PromptMarks, part: string): string[] => marks.marks.filter((mark) => mark.part === part).map((mark) => mark.hash);
const EPHEMERAL = { cache_control: { type: 'ephemeral' } };
const user = (text: string, more: object = {}) => ({ role: 'user', content: [{ type: 'text', text, ...more }] });
const assistant = (text: string) => ({ role: 'assistant', content: [{ type: 'text', text }] });

test('a prompt has a mark after its tools, its system prompt and each of a few messages, each longer than the one before', () => {
  const { marks, messages, maxTokens, cacheTtl, unbounded } = marksOf({ tools: [{ name: 'find', input_schema: {} }], system: 'Be brief.', messages: [user('a'), assistant('b'), user('c')] });
  expect(marks.map(({ part }) => part)).toEqual(['tools', 'system', 'messages', 'messages', 'messages']);
  expect(marks.map(({ bytes }) => bytes)).toEqual(marks.map(({ bytes }) => bytes).toSorted((a, b) => a - b));
  expect({ messages, maxTokens, cacheTtl, unbounded }).toEqual({ messages: 3, maxTokens: 64, cacheTtl: null, unbounded: false });
});

test('the next turn of a conversation has the marks of the turn before', () => {
  const turn = (count: number) => ({ system: 'Be brief.', messages: Array.from({ length: count }, (_, at) => (at % 2 === 0 ? user(`question ${at}`) : assistant(`answer ${at}`))) });
  for (const count of [1, 3, 5, 7, 9, 15, 41]) {
    const before = marksOf(turn(count));
    const after = marksOf(turn(count + 2));
    expect(after.marks.map(({ hash }) => hash)).toContain(before.marks.at(-1)!.hash);
    expect(after.body).not.toBe(before.body);
  }
});

test('a long conversation keeps its first two messages and its last six', () => {
  const { marks, messages } = marksOf({ messages: Array.from({ length: 50 }, (_, at) => user(`${at}`)) });
  expect({ kept: marks.length, messages }).toEqual({ kept: 8, messages: 50 });
});

describe('a cache marker', () => {
  test.each([
    { name: 'behind the last member', marked: '{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}' },
    { name: 'before the first member', marked: '{"role":"user","content":[{"cache_control":{"type":"ephemeral"},"type":"text","text":"x"}]}' },
    { name: 'in the midst', marked: '{"role":"user","content":[{"type":"text","cache_control":{"type":"ephemeral","ttl":"1h"},"text":"x"}]}' },
    { name: 'with space around it', marked: '{"role":"user","content":[{"type":"text","text":"x", "cache_control" : {"type": "ephemeral"}}]}' },
  ])('$name changes no prefix', ({ marked }) => {
    const plain = marksOf('{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}');
    const other = marksOf(`{"model":"m","messages":[${marked}]}`);
    expect(other.marks.map(({ hash, bytes }) => ({ hash, bytes }))).toEqual(plain.marks.map(({ hash, bytes }) => ({ hash, bytes })));
    expect(plain.marks.map(({ breakpoint }) => breakpoint)).toEqual([false]);
    expect(other.marks.map(({ breakpoint }) => breakpoint)).toEqual([true]);
    expect(other.body).toBe(plain.body);
  });

  test('before the end of the system prompt makes a mark of its own, which what follows does not change', () => {
    const system = (today: string) => ({ system: [{ type: 'text', text: 'The handbook.', ...EPHEMERAL }, { type: 'text', text: today }], messages: [user('a')] });
    const [one, other] = [marksOf(system('Monday')), marksOf(system('Tuesday'))];
    expect(one.marks.filter((mark) => mark.breakpoint).map(({ hash }) => hash)).toEqual(other.marks.filter((mark) => mark.breakpoint).map(({ hash }) => hash));
    expect(hashes(one, 'system')[1]).not.toBe(hashes(other, 'system')[1]);
  });

  test('on the last tool or none gives the tools the same mark', () => {
    const tools = (more: object) => ({ tools: [{ name: 'a' }, { name: 'b', ...more }], messages: [user('a')] });
    expect(hashes(marksOf(tools(EPHEMERAL)), 'tools')).toEqual(hashes(marksOf(tools({})), 'tools'));
  });

  test('for the whole body is told from one on a block', () => {
    expect(marksOf({ ...EPHEMERAL, messages: [user('a')] })).toMatchObject({ automatic: true, cacheTtl: '5m' });
    expect(marksOf({ messages: [user('a', EPHEMERAL)] })).toMatchObject({ automatic: false, cacheTtl: '5m' });
  });
});

test('parts are hashed in the order of the cache, in whatever order the body has them', () => {
  const [one, other] = [marksOf({ system: 's', messages: [user('a')] }), marksOf({ messages: [user('a')], system: 's' })];
  expect(other.marks).toEqual(one.marks);
});

test('what differs anywhere differs in the hash of the body, and prefixes before it agree', () => {
  const base = { system: 'x'.repeat(5_000), messages: [user('y'.repeat(5_000))] };
  const [one, warmer, other] = [marksOf(base), marksOf({ ...base, temperature: 1 }), marksOf({ ...base, messages: [user(`${'y'.repeat(4_999)}z`)] })];
  expect(warmer.marks).toEqual(one.marks);
  expect(warmer.body).not.toBe(one.body);
  expect(hashes(other, 'system')).toEqual(hashes(one, 'system'));
  expect(hashes(other, 'messages')).not.toEqual(hashes(one, 'messages'));
});

test('another key gives other hashes of the same text, so that nobody can try texts against them', () => {
  const [one, other] = [marksOf({ messages: [user('a')] }), marksOf({ messages: [user('a')] }, 'l'.repeat(43))];
  expect(one.marks[0]!.hash).not.toBe(other.marks[0]!.hash);
  expect(one.body).not.toBe(other.body);
});

test('a body past 4 MiB has no marks, and what this version does not know is null', () => {
  const body = Buffer.from(JSON.stringify({ model: 'm', messages: [user('x'.repeat(4 * 1024 * 1024))] }));
  const layout = new PromptLayout();
  const ask = scanAsk(body, 'messages', layout);
  expect(ask.ok && promptMarks(body, layout, ask.value, KEY)).toBeNull();
  expect(decodeMarks('2.0..1.abc')).toBeNull();
});

test('what is encoded is decoded', () => {
  const prompt: PromptMarks = {
    cacheTtl: '1h', thinking: true, unbounded: true, automatic: false, maxTokens: null, messages: 7, body: '0123456789a',
    marks: [{ part: 'tools', breakpoint: false, bytes: 12, hash: 'fedcba98765' }, { part: 'messages', breakpoint: true, bytes: 70_000, hash: '0000000000_' }],
  };
  expect(decodeMarks(encodeMarks(prompt))).toEqual(prompt);
});
