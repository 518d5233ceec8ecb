// test/identify/tags.test.ts: tags in headers, honest and hostile.

import { describe, expect, test } from 'vitest';
import { parseTags, readTags } from '../../server/identify/tags.ts';

const read = (headers: Record<string, string>) => readTags({ header: (name) => new Map(Object.entries(headers)).get(name) ?? null, pathWorkspace: 'w', pathWorkflow: null });

describe('a list of tags', () => {
  test.each([
    { header: null, tags: [] },
    { header: '', tags: [] },
    { header: 'a=1', tags: [['a', '1']] },
    { header: ' a = 1 , b=2,', tags: [['a', '1'], ['b', '2']] },
    { header: 'query=x=y', tags: [['query', 'x=y']] },
    { header: 'empty=', tags: [['empty', '']] },
    { header: 'constructor=x,toString=y', tags: [['constructor', 'x'], ['toString', 'y']] },
  ])('$header is $tags', ({ header, tags }) => {
    expect(parseTags(header)).toEqual({ ok: true, value: new Map(tags as [string, string][]) });
  });

  test.each([
    { name: 'no value', header: 'a' },
    { name: 'no name', header: '=1' },
    { name: 'a name with a space', header: 'a b=1' },
    { name: 'a name of the prototype', header: '__proto__=1' },
    { name: 'a name twice', header: 'a=1,a=2' },
    { name: '17 tags', header: Array.from({ length: 17 }, (_, i) => `t${i}=1`).join(',') },
    { name: 'a value of 257 bytes', header: `a=${'x'.repeat(257)}` },
    { name: 'a control character', header: 'a=1\u0007' },
    { name: 'a megabyte', header: 'a=1,'.repeat(250_000) },
  ])('with $name is refused', ({ header }) => {
    expect(parseTags(header)).toMatchObject({ ok: false, refusal: { reason: 'malformed' } });
  });

  test('of 16 is taken, and touches no prototype', () => {
    const verdict = parseTags(Array.from({ length: 16 }, (_, i) => `t${i}=1`).join(','));
    expect(verdict.ok && verdict.value.size).toBe(16);
    expect(({} as Record<string, unknown>).t1).toBeUndefined();
  });
});

describe('the headers of a call', () => {
  test('are read by their names', () => {
    expect(read({ 'x-tollgate-workflow': 'f', 'x-tollgate-user': 'u', 'x-tollgate-session': 's', 'x-tollgate-action': 'a', 'x-tollgate-tags': 'k=v', 'x-tollgate-priority': 'background' })).toEqual({
      ok: true,
      value: { pathWorkspace: 'w', pathWorkflow: null, headerWorkflow: 'f', user: 'u', session: 's', action: 'a', tags: new Map([['k', 'v']]), priority: 'background' },
    });
  });

  test('the session is ours before Claude Code\'s', () => {
    expect(read({ 'x-claude-code-session-id': 'cc' })).toMatchObject({ value: { session: 'cc' } });
    expect(read({ 'x-claude-code-session-id': 'cc', 'x-tollgate-session': 'ours' })).toMatchObject({ value: { session: 'ours' } });
  });

  test('UTF-8 is read as UTF-8, though Node hands it over as Latin-1', () => {
    expect(read({ 'x-tollgate-user': Buffer.from('Übung 漢').toString('latin1') })).toMatchObject({ value: { user: 'Übung 漢' } });
    expect(read({ 'x-tollgate-user': 'M\xfcller' })).toMatchObject({ value: { user: 'Müller' } });
  });

  test.each<{ name: string; headers: Record<string, string> }>([
    { name: 'a user over 256 bytes', headers: { 'x-tollgate-user': 'x'.repeat(257) } },
    { name: 'a session with a carriage return', headers: { 'x-tollgate-session': 'a\rb' } },
    { name: 'an action with a NUL', headers: { 'x-tollgate-action': 'a\0b' } },
    { name: 'a Claude Code session of 8 KB', headers: { 'x-claude-code-session-id': 'x'.repeat(8192) } },
    { name: 'a priority of its own', headers: { 'x-tollgate-priority': 'urgent' } },
    { name: 'a line separator in UTF-8', headers: { 'x-tollgate-user': Buffer.from('a\u2028b').toString('latin1') } },
  ])('$name is refused', ({ headers }) => {
    expect(read(headers)).toMatchObject({ ok: false, refusal: { reason: 'malformed' } });
  });

  test('empty headers say nothing', () => {
    expect(read({ 'x-tollgate-user': '', 'x-tollgate-workflow': ' ', 'x-tollgate-priority': '' })).toMatchObject({ value: { user: null, headerWorkflow: null, priority: null } });
  });
});
