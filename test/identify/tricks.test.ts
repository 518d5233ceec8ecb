// test/identify/tricks.test.ts: bodies that try to show us one model and the provider another.

import { describe, expect, test } from 'vitest';
import { scanAsk, spliceModel } from '../../server/identify/ask.ts';

const ALLOWED = 'claude-haiku-4-5';
const WANTED = 'claude-opus-4-8';
const rest = '"max_tokens":10,"messages":[{"role":"user","content":"hi"}]';
const utf8 = (text: string): Buffer => Buffer.from(text);
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

/** Every model that some parser might read out of a body: first or last of two members, whatever their spelling. */
describe('a trick body is refused, or read as every parser reads it', () => {
  const refused: { name: string; body: Buffer }[] = [
    { name: 'model twice', body: utf8(`{"model":"${ALLOWED}","model":"${WANTED}",${rest}}`) },
    { name: 'model twice with other members between', body: utf8(`{"model":"${ALLOWED}",${rest},"model":"${WANTED}"}`) },
    { name: 'the same model twice', body: utf8(`{"model":"${ALLOWED}","model":"${ALLOWED}",${rest}}`) },
    { name: 'model twice, once escaped', body: utf8(`{"model":"${ALLOWED}","mod\\u0065l":"${WANTED}",${rest}}`) },
    { name: 'model twice, the escaped one first', body: utf8(`{"\\u006dodel":"${ALLOWED}","model":"${WANTED}",${rest}}`) },
    { name: 'model twice, one spelled in escapes throughout', body: utf8(`{"model":"${ALLOWED}","\\u006d\\u006f\\u0064\\u0065\\u006c":"${WANTED}",${rest}}`) },
    { name: 'model twice, escapes in capitals', body: utf8(`{"model":"${ALLOWED}","\\u006D\\u006Fdel":"${WANTED}",${rest}}`) },
    { name: 'max_tokens twice', body: utf8(`{"model":"${ALLOWED}","max_tokens":1,"max_tokens":99999,"messages":[]}`) },
    { name: 'max_tokens twice, once with an escaped underscore', body: utf8(`{"model":"${ALLOWED}","max_tokens":1,"max\\u005ftokens":99999,"messages":[]}`) },
    { name: 'stream twice', body: utf8(`{"model":"${ALLOWED}","stream":false,"stream":true,${rest}}`) },
    { name: 'messages twice', body: utf8(`{"model":"${ALLOWED}",${rest},"messages":[]}`) },
    { name: 'tools twice', body: utf8(`{"model":"${ALLOWED}",${rest},"tools":[],"tools":[{"type":"web_search_20250305"}]}`) },
    { name: 'fallbacks twice', body: utf8(`{"model":"${ALLOWED}",${rest},"fallbacks":[],"fallbacks":[{"model":"${WANTED}"}]}`) },
    { name: 'speed twice', body: utf8(`{"model":"${ALLOWED}",${rest},"speed":"standard","speed":"fast"}`) },
    { name: 'a tool with two types', body: utf8(`{"model":"${ALLOWED}",${rest},"tools":[{"type":"custom","type":"web_search_20250305"}]}`) },
    { name: 'a tool with two models', body: utf8(`{"model":"${ALLOWED}",${rest},"tools":[{"type":"advisor_20260301","model":"${ALLOWED}","model":"${WANTED}"}]}`) },
    { name: 'a fallback with two models', body: utf8(`{"model":"${ALLOWED}",${rest},"fallbacks":[{"model":"${ALLOWED}","model":"${WANTED}"}]}`) },
    { name: 'two user ids', body: utf8(`{"model":"${ALLOWED}",${rest},"metadata":{"user_id":"a","user_id":"b"}}`) },
    { name: 'a block with two cache controls', body: utf8(`{"model":"${ALLOWED}","messages":[{"content":[{"type":"text","cache_control":null,"cache_control":{"ttl":"1h"}}]}]}`) },
    { name: 'a byte order mark', body: Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), utf8(`{"model":"${ALLOWED}",${rest}}`)]) },
    { name: 'UTF-16, little endian, with a mark', body: Buffer.from(`\ufeff{"model":"${ALLOWED}",${rest}}`, 'utf16le') },
    { name: 'UTF-16, little endian', body: Buffer.from(`{"model":"${ALLOWED}",${rest}}`, 'utf16le') },
    { name: 'UTF-16, big endian', body: Buffer.from(`{"model":"${ALLOWED}",${rest}}`, 'utf16le').swap16() },
    { name: 'UTF-32', body: Buffer.from([...`{"model":"${ALLOWED}"}`].flatMap((c) => [c.charCodeAt(0), 0, 0, 0])) },
    { name: 'overlong UTF-8 in the name of a member', body: Buffer.concat([utf8(`{"model":"${ALLOWED}","mod`), Buffer.from([0xc1, 0xa5]), utf8(`l":"${WANTED}",${rest}}`)]) },
    { name: 'a surrogate half in UTF-8', body: Buffer.concat([utf8(`{"model":"${ALLOWED}","x":"`), Buffer.from([0xed, 0xa0, 0x80]), utf8(`",${rest}}`)]) },
    { name: 'a broken byte in a string nobody reads', body: Buffer.concat([utf8(`{"model":"${ALLOWED}","x":"`), Buffer.from([0xff]), utf8(`",${rest}}`)]) },
    { name: 'a character cut at the end of a string', body: Buffer.concat([utf8(`{"model":"${ALLOWED}","x":"`), Buffer.from([0xc3]), utf8(`",${rest}}`)]) },
    { name: 'a second document behind', body: utf8(`{"model":"${ALLOWED}",${rest}}{"model":"${WANTED}",${rest}}`) },
    { name: 'a second document on the next line', body: utf8(`{"model":"${ALLOWED}",${rest}}\n{"model":"${WANTED}",${rest}}`) },
    { name: 'letters behind', body: utf8(`{"model":"${ALLOWED}",${rest}}x`) },
    { name: 'a NUL behind', body: utf8(`{"model":"${ALLOWED}",${rest}}\0`) },
    { name: 'a NUL in front', body: utf8(`\0{"model":"${ALLOWED}",${rest}}`) },
    { name: 'a form feed for white space', body: utf8(`{\f"model":"${ALLOWED}",${rest}}`) },
    { name: 'a no-break space for white space', body: utf8(`{\u00a0"model":"${ALLOWED}",${rest}}`) },
    { name: 'a comment that hides a member', body: utf8(`{"model":"${ALLOWED}"/*,"model":"${WANTED}"*/,${rest}}`) },
    { name: 'a line comment', body: utf8(`{"model":"${ALLOWED}",//\n${rest}}`) },
    { name: 'single quotes', body: utf8(`{'model':'${WANTED}',"model":"${ALLOWED}",${rest}}`) },
    { name: 'a name without quotes', body: utf8(`{model:"${WANTED}","model":"${ALLOWED}",${rest}}`) },
    { name: 'a comma at the end', body: utf8(`{"model":"${ALLOWED}",${rest},}`) },
    { name: 'a comma too many', body: utf8(`{"model":"${ALLOWED}",,${rest}}`) },
    { name: 'no comma', body: utf8(`{"model":"${ALLOWED}" ${rest}}`) },
    { name: 'no colon', body: utf8(`{"model" "${ALLOWED}",${rest}}`) },
    { name: 'brackets that do not match', body: utf8(`{"x":[}],"model":"${ALLOWED}",${rest}}`) },
    { name: 'nesting of 101', body: utf8(`{"model":"${ALLOWED}","x":${nested(100)},${rest}}`) },
    { name: 'nesting of a million', body: utf8(`{"model":"${ALLOWED}","x":${nested(1_000_000)},${rest}}`) },
    { name: 'nesting of a million in the messages', body: utf8(`{"model":"${ALLOWED}","messages":${nested(1_000_000)}}`) },
    { name: 'nesting of a million blocks', body: utf8(`{"model":"${ALLOWED}","messages":${'[{"content":'.repeat(100_000)}1${'}]'.repeat(100_000)}}`) },
    { name: 'a model that is a list', body: utf8(`{"model":["${ALLOWED}","${WANTED}"],${rest}}`) },
    { name: 'a model that is an object', body: utf8(`{"model":{"id":"${WANTED}"},${rest}}`) },
    { name: 'a model that is null', body: utf8(`{"model":null,${rest}}`) },
    { name: 'a model that is a number', body: utf8(`{"model":4,${rest}}`) },
    { name: 'an empty model', body: utf8(`{"model":"",${rest}}`) },
    { name: 'no model', body: utf8(`{${rest}}`) },
    { name: 'only a model in capitals', body: utf8(`{"MODEL":"${ALLOWED}",${rest}}`) },
    { name: 'a model inside another member only', body: utf8(`{"params":{"model":"${ALLOWED}"},${rest}}`) },
    { name: 'a model with a NUL at its end', body: utf8(`{"model":"${ALLOWED}\\u0000",${rest}}`) },
    { name: 'a model with a raw control character', body: utf8(`{"model":"${ALLOWED}\u0001",${rest}}`) },
    { name: 'a model with half a surrogate pair', body: utf8(`{"model":"${ALLOWED}\\ud800",${rest}}`) },
    { name: 'a model with a broken escape', body: utf8(`{"model":"${ALLOWED}\\x41",${rest}}`) },
    { name: 'a model of 257 characters', body: utf8(`{"model":"${'m'.repeat(257)}",${rest}}`) },
    { name: 'a name that ends in a broken escape', body: utf8(`{"model\\u00":"${WANTED}","model":"${ALLOWED}",${rest}}`) },
    { name: 'a string that does not end', body: utf8(`{"model":"${ALLOWED}","x":"abc`) },
    { name: 'a string whose last quote is escaped', body: utf8(`{"model":"${ALLOWED}","x":"abc\\"}`) },
    { name: 'an object that does not end', body: utf8(`{"model":"${ALLOWED}",${rest}`) },
    { name: 'a list for a body', body: utf8(`[{"model":"${ALLOWED}",${rest}}]`) },
    { name: 'a string for a body', body: utf8(`"${ALLOWED}"`) },
    { name: 'nothing', body: utf8('') },
    { name: 'white space', body: utf8(' \n\t ') },
    { name: 'a maximum beyond the safe numbers', body: utf8(`{"model":"${ALLOWED}","max_tokens":9007199254740993}`) },
    { name: 'a maximum that overflows', body: utf8(`{"model":"${ALLOWED}","max_tokens":1e400}`) },
    { name: 'a maximum with an exponent', body: utf8(`{"model":"${ALLOWED}","max_tokens":1e3}`) },
    { name: 'a maximum below zero', body: utf8(`{"model":"${ALLOWED}","max_tokens":-1}`) },
    { name: 'a maximum with a fraction', body: utf8(`{"model":"${ALLOWED}","max_tokens":10.5}`) },
    { name: 'a maximum in quotes', body: utf8(`{"model":"${ALLOWED}","max_tokens":"10"}`) },
    { name: 'a maximum with a leading zero', body: utf8(`{"model":"${ALLOWED}","max_tokens":010}`) },
    { name: 'a maximum in hexadecimal', body: utf8(`{"model":"${ALLOWED}","max_tokens":0x10}`) },
    { name: 'NaN', body: utf8(`{"model":"${ALLOWED}","temperature":NaN,${rest}}`) },
    { name: 'Infinity', body: utf8(`{"model":"${ALLOWED}","temperature":-Infinity,${rest}}`) },
    { name: 'stream in quotes', body: utf8(`{"model":"${ALLOWED}","stream":"true",${rest}}`) },
    { name: 'stream as a number', body: utf8(`{"model":"${ALLOWED}","stream":1,${rest}}`) },
    { name: 'True as Python writes it', body: utf8(`{"model":"${ALLOWED}","stream":True,${rest}}`) },
    { name: 'a fallback without a model', body: utf8(`{"model":"${ALLOWED}","fallbacks":[{"max_tokens":5}],${rest}}`) },
    { name: 'a fallback that is a bare string', body: utf8(`{"model":"${ALLOWED}","fallbacks":["${WANTED}"],${rest}}`) },
  ];

  test.each(refused)('$name is refused', ({ body }) => {
    const verdict = scanAsk(body, 'messages');
    expect(verdict.ok).toBe(false);
    if (verdict.ok) return;
    expect(verdict.refusal.reason).toBe('malformed');
    expect(verdict.refusal.message).not.toContain(WANTED);
    expect(verdict.refusal.message).not.toContain(ALLOWED);
  });

  const read: { name: string; body: string }[] = [
    { name: 'a name in escapes', body: `{"mod\\u0065l":"${ALLOWED}",${rest}}` },
    { name: 'a value in escapes', body: `{"model":"claude\\u002dhaiku-4-5",${rest}}` },
    { name: 'the model as the last member', body: `{${rest},"model":"${ALLOWED}"}` },
    { name: 'another model in the prompt', body: `{"messages":[{"role":"user","content":"{\\"model\\":\\"${WANTED}\\"}"}],"model":"${ALLOWED}"}` },
    { name: 'another model in a tool input', body: `{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"model":"${WANTED}"}}]}],"model":"${ALLOWED}"}` },
    { name: 'another model in metadata', body: `{"metadata":{"model":"${WANTED}"},"model":"${ALLOWED}",${rest}}` },
    { name: 'a member in capitals beside it, which the API does not know', body: `{"model":"${ALLOWED}","Model":"${WANTED}",${rest}}` },
    { name: 'a member with a space beside it', body: `{"model":"${ALLOWED}","model ":"${WANTED}",${rest}}` },
    { name: 'members of the prototype', body: `{"__proto__":{"model":"${WANTED}"},"constructor":{"prototype":{"model":"${WANTED}"}},"model":"${ALLOWED}",${rest}}` },
    { name: 'strings that end in backslashes', body: `{"x":"\\\\","y":"a long string before the backslashes \\\\\\\\","model":"${ALLOWED}",${rest}}` },
    { name: 'a quote that looks like the end of a string', body: `{"x":"a long string that goes on \\\\\\",\\"model\\":\\"${WANTED}","model":"${ALLOWED}",${rest}}` },
    { name: 'ungoverned members twice', body: `{"temperature":1,"temperature":0.5,"stop_sequences":[],"model":"${ALLOWED}",${rest}}` },
    { name: 'white space everywhere', body: ` \r\n\t{ "model" \n:\t"${ALLOWED}" , ${rest} } \n` },
    { name: 'nesting of 100', body: `{"model":"${ALLOWED}","x":${nested(99)},${rest}}` },
  ];

  test.each(read)('$name is read as JSON.parse reads it', ({ body }) => {
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
