// test/batch/replies.test.ts: the two edits of replies change what they must and not a byte more.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextPageQuery, withOnly, withOwnResultsUrl } from '../../server/batch/replies.ts';

const BASE = 'http://gateway:4100/w/one';
const THEIRS = 'https://api.anthropic.com/v1/messages/batches/msgbatch_1/results';
const OURS = `${BASE}/v1/messages/batches/msgbatch_1/results`;
const edited = (text: string): string => withOwnResultsUrl(Buffer.from(text), BASE).toString();

describe('results_url', () => {
  test.each([
    { name: 'of a batch', text: `{"id":"msgbatch_1","results_url":"${THEIRS}","ended_at":null}` },
    { name: 'with white space and line ends of any kind', text: `\r\n{ "id" : "msgbatch_1" ,\t"results_url"\n:\r "${THEIRS}" }\n` },
    { name: 'of every batch of a list', text: `{"data":[{"id":"a","results_url":"${THEIRS}"},{"results_url":"${THEIRS}","id":"b"},{"results_url":null}],"has_more":true}` },
    { name: 'beside numbers and escapes that another writer would spell otherwise', text: `{"n":1.0e+2,"s":"\\u00e9\\/\\"]}","results_url":"${THEIRS}","u":"\u00e9\ud83d\ude00"}` },
  ])('$name leads to the gateway, and every other byte stays', ({ text }) => {
    expect(edited(text)).toBe(text.replaceAll(THEIRS, OURS));
  });

  test.each([
    { name: 'is null', text: '{"results_url":null}' },
    { name: 'is not there', text: '{"id":"msgbatch_1"}' },
    { name: 'is no address', text: '{"results_url":"soon"}' },
    { name: 'stands deeper than the API has it', text: `{"other":{"results_url":"${THEIRS}"},"data":[{"more":{"results_url":"${THEIRS}"}}]}` },
    { name: 'is only spoken of', text: `{"note":"\\"results_url\\":\\"${THEIRS}\\""}` },
  ])('that $name changes nothing', ({ text }) => {
    expect(edited(text)).toBe(text);
  });

  test('keeps its path and query, whatever host it names', () => {
    expect(edited('{"results_url":"http://10.0.0.1:8080/v1/messages/batches/x/results?page=2"}')).toBe(`{"results_url":"${BASE}/v1/messages/batches/x/results?page=2"}`);
  });

  test('of any JSON: what is parsed afterwards differs in nothing else', () => {
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 1, 2), (fields, indent) => {
      const text = JSON.stringify({ ...fields, results_url: THEIRS }, null, indent);
      expect(edited(text)).toBe(text.replace(`"${THEIRS}"`, `"${OURS}"`));
    }));
  });
});

describe('a list', () => {
  const list = '{"data":[{"id":"a","x":1}, {"id":"b"} ,{"id":"c","y":"]"}],"first_id":"a","has_more":true,"last_id":"c","next_page":null}';
  const only = (...ids: string[]): string => withOnly(Buffer.from(list), (id) => ids.includes(id)).toString();

  test('of one\'s own alone stays as it is, to the byte', () => {
    expect(only('a', 'b', 'c')).toBe(list);
  });

  test.each([
    { keep: ['b'], shown: '{"data":[{"id":"b"}],"first_id":"b","has_more":true,"last_id":"b","next_page":null}' },
    { keep: ['a', 'c'], shown: '{"data":[{"id":"a","x":1},{"id":"c","y":"]"}],"first_id":"a","has_more":true,"last_id":"c","next_page":null}' },
    { keep: [], shown: '{"data":[],"first_id":null,"has_more":true,"last_id":null,"next_page":null}' },
  ])('shows $keep, and names no other id', ({ keep, shown }) => {
    expect(only(...keep)).toBe(shown);
  });

  test('that is none is not given out', () => {
    for (const text of ['{}', '{"data":{}}', '[]', 'no', '']) expect(() => withOnly(Buffer.from(text), () => false)).toThrow(SyntaxError);
  });

  test.each([
    { name: 'forwards', query: 'limit=2', fields: { has_more: true, last_id: 'c' }, next: '?limit=2&after_id=c' },
    { name: 'backwards', query: 'before_id=x', fields: { has_more: true, first_id: 'a', last_id: 'c' }, next: '?before_id=a' },
    { name: 'by page', query: 'page=1', fields: { has_more: true, next_page: '2' }, next: '?page=2' },
    { name: 'no further than its end', query: '', fields: { has_more: false, last_id: 'c' }, next: null },
  ])('goes on $name', ({ query, fields, next }) => {
    expect(nextPageQuery(query, fields)).toBe(next);
  });
});
