// test/admit/model-policy.test.ts: which models pass, and what a refusal says.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchesGlob } from '../../server/domain/glob.ts';
import type { Ask } from '../../server/domain/call.ts';
import { ask, caller, openGate, workspace } from './scene.ts';

describe('a glob', () => {
  test.each([
    ['claude-haiku-4-5*', 'claude-haiku-4-5', true],
    ['claude-haiku-4-5*', 'claude-haiku-4-5-20251001', true],
    ['claude-haiku-4-5*', 'x-claude-haiku-4-5', false],
    ['claude-sonnet-4-6', 'claude-sonnet-4-6x', false],
    ['claude-?-4', 'claude-x-4', true],
    ['claude-?-4', 'claude--4', false],
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['*opus*', 'claude-opus-4-8', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-b-c-d', false],
    ['a.c', 'abc', false],
    ['(a+)+$', 'aaaa', false],
    ['[a-z]', 'b', false],
    ['**a**', 'a', true],
  ])('%s against %s is %s', (pattern, text, matches) => {
    expect(matchesGlob(pattern, text)).toBe(matches);
  });

  test('agrees with the plain definition', () => {
    const define = (p: string, t: string): boolean =>
      p === '' ? t === '' : p[0] === '*' ? define(p.slice(1), t) || (t !== '' && define(p, t.slice(1))) : t !== '' && (p[0] === '?' || p[0] === t[0]) && define(p.slice(1), t.slice(1));
    const letters = (units: string[], maxLength: number) => fc.array(fc.constantFrom(...units), { maxLength }).map((list) => list.join(''));
    fc.assert(
      fc.property(letters(['a', 'b', '*', '?'], 8), letters(['a', 'b'], 10), (pattern, text) => {
        expect(matchesGlob(pattern, text)).toBe(define(pattern, text));
      }),
      { numRuns: 3_000 },
    );
  });

  test('is never slow: a pattern that ruins backtracking matchers reads each character of 10 KB a few times', () => {
    const text = 'a'.repeat(10_240);
    let reads = 0;
    const counted = new Proxy(new String(text), { get: (target, place) => (typeof place === 'string' && /^\d+$/.test(place) ? (reads++, text[Number(place)]) : Reflect.get(target, place)) }) as unknown as string;
    expect(matchesGlob('a*a*a*a*b', counted)).toBe(false);
    expect(reads).toBeLessThan(text.length * 4);
  });
});

describe('the policy', () => {
  const { gate } = openGate({
    workspaces: [
      workspace('w', { models: { allow: ['claude-haiku-*', 'claude-sonnet-4-6'], deny: ['*-preview'], alias: new Map([['fast', 'claude-haiku-4-5'], ['big', 'claude-opus-4-8'], ['claude-sonnet-4-6', 'claude-haiku-4-5']]) }, maxOutputTokens: 1_000 }, {
        narrow: { models: { allow: ['claude-haiku-4-5*'], alias: new Map([['fast', 'claude-haiku-4-5-20251001']]) }, maxOutputTokens: 100 },
        wide: { models: { allow: ['*'] }, maxOutputTokens: 100_000 },
      }),
      workspace('free'),
      workspace('shut', { models: { allow: [] } }),
      workspace('choosy', { models: { deny: ['*opus*'] } }),
    ],
  });
  const clear = (place: string, model: string, more: Partial<Ask> = {}, endpoint: 'messages' | 'chat_completions' | 'count_tokens' = 'messages') => gate.clear(caller(place), endpoint, ask(model, more));

  test.each([
    { name: 'an allowed model', place: 'w/any', model: 'claude-haiku-4-5', sent: 'claude-haiku-4-5' },
    { name: 'an alias', place: 'w/any', model: 'fast', sent: 'claude-haiku-4-5' },
    { name: 'an alias of the workflow before the workspace\'s', place: 'w/narrow', model: 'fast', sent: 'claude-haiku-4-5-20251001' },
    { name: 'an alias with the name of another model, once', place: 'w/any', model: 'claude-sonnet-4-6', sent: 'claude-haiku-4-5' },
    { name: 'anything where nothing is said', place: 'free/any', model: 'whatever', sent: 'whatever' },
    { name: 'a name of the prototype', place: 'free/any', model: '__proto__', sent: '__proto__' },
    { name: 'a name that objects have, which is no alias', place: 'free/any', model: 'constructor', sent: 'constructor' },
    { name: 'a workspace without rules, as a first run has it', place: 'nowhere/any', model: 'm', sent: 'm' },
  ])('lets $name through', ({ place, model, sent }) => {
    expect(clear(place, model)).toMatchObject({ ok: true, value: { model: sent } });
  });

  test.each([
    { name: 'a model that is not listed', place: 'w/any', model: 'claude-opus-4-8', rule: 'models:w' },
    { name: 'a denied model that is listed', place: 'w/any', model: 'claude-haiku-9-preview', rule: 'models:w' },
    { name: 'an alias to a model that is not listed', place: 'w/any', model: 'big', rule: 'models:w' },
    { name: 'what the workspace allows and the workflow does not', place: 'w/narrow', model: 'claude-haiku-3-5', rule: 'models:w/narrow' },
    { name: 'what the workflow allows and the workspace does not', place: 'w/wide', model: 'claude-opus-4-8', rule: 'models:w' },
    { name: 'everything where the list is empty', place: 'shut/any', model: 'claude-haiku-4-5', rule: 'models:shut' },
    { name: 'another spelling', place: 'w/any', model: 'Claude-Haiku-4-5', rule: 'models:w' },
  ])('refuses $name', ({ place, model, rule }) => {
    expect(clear(place, model)).toMatchObject({ ok: false, refusal: { reason: 'model_not_allowed', rule } });
  });

  test('a refusal lists what is allowed', () => {
    expect(clear('w/any', 'claude-opus-4-8')).toMatchObject({ refusal: { message: 'model claude-opus-4-8 is not allowed in w. Allowed: claude-haiku-*, claude-sonnet-4-6 but *-preview' } });
    expect(clear('shut/any', 'm')).toMatchObject({ refusal: { message: 'model m is not allowed in shut. Allowed: none' } });
  });

  test.each([
    { name: 'every fallback is allowed', place: 'w/any', fallbackModels: ['claude-haiku-3-5', 'claude-sonnet-4-6'], ok: true },
    { name: 'one fallback is not', place: 'w/any', fallbackModels: ['claude-haiku-3-5', 'claude-opus-4-8'], ok: false },
    { name: 'a fallback is an alias, which the provider does not know', place: 'w/any', fallbackModels: ['fast'], ok: false },
    { name: 'the provider chooses and an allow list stands', place: 'w/any', fallbackModels: ['default'], ok: false },
    { name: 'the provider chooses and a deny list stands', place: 'choosy/any', fallbackModels: ['default'], ok: false },
    { name: 'the provider chooses and nothing stands against it', place: 'free/any', fallbackModels: ['default'], ok: true },
  ])('when $name: $ok', ({ place, fallbackModels, ok }) => {
    expect(clear(place, 'claude-haiku-4-5', { fallbackModels }).ok).toBe(ok);
  });

  test.each<{ name: string; place: string; maxTokens: number | null; endpoint?: 'chat_completions' | 'count_tokens'; rule: string | null }>([
    { name: 'the maximum itself', place: 'w/any', maxTokens: 1_000, rule: null },
    { name: 'one more', place: 'w/any', maxTokens: 1_001, rule: 'max_output_tokens:w' },
    { name: 'more than the workflow\'s maximum', place: 'w/narrow', maxTokens: 101, rule: 'max_output_tokens:w/narrow' },
    { name: 'more than the workspace\'s, within the workflow\'s', place: 'w/wide', maxTokens: 1_001, rule: 'max_output_tokens:w' },
    { name: 'no maximum', place: 'w/any', maxTokens: null, rule: 'max_output_tokens:w' },
    { name: 'no maximum where it is optional', place: 'w/any', maxTokens: null, endpoint: 'chat_completions', rule: 'max_output_tokens:w' },
    { name: 'no maximum to count tokens', place: 'w/any', maxTokens: null, endpoint: 'count_tokens', rule: null },
    { name: 'no maximum where none is set', place: 'free/any', maxTokens: null, rule: null },
  ])('a call with $name meets $rule', ({ place, maxTokens, endpoint, rule }) => {
    const verdict = clear(place, 'claude-haiku-4-5', { maxTokens }, endpoint);
    expect(verdict.ok ? null : verdict.refusal.rule).toBe(rule);
    if (!verdict.ok) expect(verdict.refusal.reason).toBe('feature_not_allowed');
  });

  test('what was decided is told, in order', () => {
    expect(clear('w/narrow', 'fast', { maxTokens: 50 })).toMatchObject({
      value: {
        decisions: [
          { rule: 'models:w/narrow', verdict: 'rewrite', detail: 'fast stands for claude-haiku-4-5-20251001' },
          { rule: 'models:w', verdict: 'allow' },
          { rule: 'max_output_tokens:w', verdict: 'allow', detail: '50 of 1000' },
          { rule: 'models:w/narrow', verdict: 'allow' },
          { rule: 'max_output_tokens:w/narrow', verdict: 'allow', detail: '50 of 100' },
        ],
      },
    });
  });

  test('an endpoint without a model has none to clear', () => {
    expect(gate.clear(caller('shut/any'), 'models', null)).toEqual({ ok: true, value: { model: null, decisions: [] } });
  });
});
