// test/identify/tricks.test.ts: bodies that try to show us one model and the provider another.

import { describe, expect, test } from 'vitest';
import { scanAsk, spliceModel } from '../../server/identify/ask.ts';
import { ALLOWED, READ_BODIES, REFUSED_BODIES, rest, utf8, WANTED } from './trick-bodies.ts';

/** Every model that some parser might read out of a body: first or last of two members, whatever their spelling. */
describe('a trick body is refused, or read as every parser reads it', () => {
  test.each(REFUSED_BODIES)('$name is refused', ({ body }) => {
    const verdict = scanAsk(body, 'messages');
    expect(verdict.ok).toBe(false);
    if (verdict.ok) return;
    expect(verdict.refusal.reason).toBe('malformed');
    expect(verdict.refusal.message).not.toContain(WANTED);
    expect(verdict.refusal.message).not.toContain(ALLOWED);
  });

  test.each(READ_BODIES)('$name is read as JSON.parse reads it', ({ body }) => {
    const verdict = scanAsk(utf8(body), 'messages');
    expect(verdict).toMatchObject({ ok: true, value: { model: JSON.parse(body).model } });
    expect(verdict.ok && verdict.value.model).toBe(ALLOWED);
  });

  test('an alias changes the model and not one other byte', () => {
    const body = utf8(`{ "x":"ü" , "mod\\u0065l" : "f\\u0061st" , ${rest} }`);
    const verdict = scanAsk(body, 'messages');
    if (!verdict.ok) throw new Error(verdict.refusal.message);
    expect(spliceModel(body, verdict.value.modelSpan, ALLOWED).toString()).toBe(`{ "x":"ü" , "mod\\u0065l" : "${ALLOWED}" , ${rest} }`);
  });

  test('an alias target with quotes stays inside its string', () => {
    const body = utf8(`{"model":"fast",${rest}}`);
    const verdict = scanAsk(body, 'messages');
    if (!verdict.ok) throw new Error(verdict.refusal.message);
    const target = 'a","model":"b';
    expect(JSON.parse(spliceModel(body, verdict.value.modelSpan, target).toString()).model).toBe(target);
  });

  test('a refusal says at which byte', () => {
    const verdict = scanAsk(utf8(`{"model":"a","model":"b"}`), 'messages');
    expect(verdict).toMatchObject({ refusal: { message: 'the body is not accepted: expected "model" only once at byte 13', rule: null } });
  });
});
