// test/identify/prompt-diff.test.ts: two prompts compared by their hashes: what is the same, where they part, and what the cache could make of it.

import { describe, expect, test } from 'vitest';
import { NO_TOKENS } from '../../server/domain/usage.ts';
import { scanAsk } from '../../server/identify/ask.ts';
import { cacheVerdict, nearest, promptDiff, type CachedCall } from '../../server/identify/prompt-diff.ts';
import { PromptLayout } from '../../server/identify/prompt-layout.ts';
import { decodeMarks, promptMarks, type PromptMarks } from '../../server/identify/prompt-marks.ts';

function marksOf(fields: object): PromptMarks {
  const body = Buffer.from(JSON.stringify({ model: 'm', max_tokens: 64, ...fields }));
  const layout = new PromptLayout();
  const ask = scanAsk(body, 'messages', layout);
  if (!ask.ok) throw new Error(ask.refusal.message);
  return decodeMarks(promptMarks(body, layout, ask.value, 'k'.repeat(43))!)!;
}

const EPHEMERAL = { cache_control: { type: 'ephemeral' } };
const said = (text: string, more: object = {}) => ({ role: 'user', content: [{ type: 'text', text, ...more }] });
const TOOLS = [{ name: 'find', input_schema: {} }];
const system = (text: string, more: object = {}) => [{ type: 'text', text, ...more }];
/** A prompt whose messages say these things. */
const talk = (...texts: string[]) => marksOf({ tools: TOOLS, system: system('Be brief.'), messages: texts.map((text) => said(text)) });
const shown = (prompt: PromptMarks, before: PromptMarks): string[] => promptDiff(prompt, before).boundaries.map(({ part, message, state }) => `${message === null ? part : `message ${message}`} ${state}`);

describe('compared with an earlier prompt', () => {
  test.each<{ what: string; prompt: PromptMarks; before: PromptMarks; expected: string[] }>([
    { what: 'the same one', prompt: talk('a', 'b'), before: talk('a', 'b'), expected: ['tools same', 'system same', 'message 1 same', 'message 2 same'] },
    { what: 'the turn before', prompt: talk('a', 'b', 'c'), before: talk('a'), expected: ['tools same', 'system same', 'message 1 same', 'message 2 added', 'message 3 added'] },
    { what: 'another question', prompt: talk('a'), before: talk('b'), expected: ['tools same', 'system same', 'message 1 differs'] },
    { what: 'another system prompt', prompt: marksOf({ tools: TOOLS, system: 'at noon', messages: [said('a'), said('b')] }), before: marksOf({ tools: TOOLS, system: 'at one', messages: [said('a'), said('b')] }), expected: ['tools same', 'system differs', 'message 1 beyond', 'message 2 beyond'] },
    { what: 'one without tools', prompt: talk('a'), before: marksOf({ system: system('Be brief.'), messages: [said('a')] }), expected: ['tools differs', 'system beyond', 'message 1 beyond'] },
    { what: 'one that went on from here', prompt: talk('a'), before: talk('a', 'b', 'c'), expected: ['tools same', 'system same', 'message 1 same'] },
  ])('$what', ({ prompt, before, expected }) => {
    expect(shown(prompt, before)).toEqual(expected);
  });

  test('bytes tell how far it is the same, and how long the same boundary was before', () => {
    const [prompt, before] = [talk('a', 'the time is 12:00'), talk('a', 'the time is 9:15')];
    const { sharedBytes, boundaries } = promptDiff(prompt, before);
    expect(sharedBytes).toBe(prompt.marks.at(-2)!.bytes);
    expect(boundaries.map(({ bytes, bytesBefore }) => bytes - bytesBefore!)).toEqual([0, 0, 0, 1]);
    expect(promptDiff(talk('a'), marksOf({ messages: [said('a')] })).sharedBytes).toBe(0);
  });

  test('messages of a long conversation keep their numbers at both ends, and a breakpoint in between has none', () => {
    const long = (count: number) => marksOf({ messages: Array.from({ length: count }, (_, at) => said(`${at}`, at === 4 ? EPHEMERAL : {})) });
    const { boundaries } = promptDiff(long(20), long(18));
    expect(boundaries.map(({ message }) => message)).toEqual([1, 2, null, 15, 16, 17, 18, 19, 20]);
    expect(boundaries.map(({ state }) => state).slice(-3)).toEqual(['same', 'added', 'added']);
    expect(boundaries.map(({ breakpoint }) => breakpoint).indexOf(true)).toBe(2);
  });
});

describe('the nearest of earlier calls', () => {
  const call = (name: string, marks: PromptMarks) => ({ name, marks });
  test('shares the longest beginning, and is the newest of those', () => {
    const earlier = [call('another question', talk('x')), call('the turn before', talk('a')), call('an older copy', talk('a')), call('nothing in common', marksOf({ messages: [said('a')] }))];
    expect(nearest(talk('a', 'b'), earlier)!.name).toBe('the turn before');
    expect(nearest(talk('y'), earlier)!.name).toBe('another question');
    expect(nearest(talk('y'), earlier.slice(-1))!.name).toBe('nothing in common');
    expect(nearest(talk('y'), [])).toBe(null);
  });
});

describe('the cache', () => {
  const cached = (text: string, question: string, more: object = {}) => marksOf({ system: system(text, EPHEMERAL), messages: [said(question)], ...more });
  const at = Date.UTC(2026, 5, 1);
  const call = (more: Partial<CachedCall> = {}): CachedCall => ({ marks: cached('policy', 'a'), model: 'm', tokens: { ...NO_TOKENS, input: 10, cacheWrite5m: 2_000 }, at, answeredAt: at + 1_000, ...more });
  const before = (more: Partial<CachedCall> = {}): CachedCall => call({ at: at - 60_000, answeredAt: at - 59_000, marks: cached('policy', 'b'), ...more });

  test.each<{ verdict: string; now?: Partial<CachedCall>; earlier?: Partial<CachedCall>; what: string }>([
    { what: 'something was read', verdict: 'read', now: { tokens: { ...NO_TOKENS, cacheRead: 2_000 } } },
    { what: 'no caching was asked for', verdict: 'not_asked', now: { marks: talk('a') } },
    { what: 'the usage was never told', verdict: 'unknown', now: { tokens: NO_TOKENS } },
    { what: 'another model served the earlier one', verdict: 'other_model', earlier: { model: 'other' } },
    { what: 'the earlier one asked for none', verdict: 'nothing_left', earlier: { marks: talk('a') } },
    { what: 'the earlier one wrote nothing', verdict: 'nothing_left', earlier: { tokens: { ...NO_TOKENS, input: 50 } } },
    { what: 'they part before the breakpoint', verdict: 'differs', earlier: { marks: cached('policies', 'a') } },
    { what: 'the earlier answer had not begun', verdict: 'not_ready', earlier: { answeredAt: at + 1 } },
    { what: 'the earlier call is not over', verdict: 'not_ready', earlier: { answeredAt: null } },
    { what: 'five minutes have gone', verdict: 'lapsed', earlier: { at: at - 300_001, answeredAt: at - 299_000 } },
    { what: 'five minutes have just not gone', verdict: 'unexplained', earlier: { at: at - 300_000, answeredAt: at - 299_000 } },
    { what: 'an hour was asked for, and has not gone', verdict: 'unexplained', earlier: { at: at - 3_000_000, answeredAt: at - 2_999_000, tokens: { ...NO_TOKENS, cacheWrite1h: 2_000 } } },
    { what: 'all of it was to be cached, and the question is another', verdict: 'differs', now: { marks: marksOf({ cache_control: { type: 'ephemeral' }, messages: [said('a')] }) }, earlier: { marks: marksOf({ cache_control: { type: 'ephemeral' }, messages: [said('b')] }) } },
  ])('$what: $verdict', ({ verdict, now, earlier }) => {
    expect(cacheVerdict(call(now), before(earlier))).toBe(verdict);
  });
});
