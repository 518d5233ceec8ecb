// test/forward/headers.test.ts: what crosses the gateway in a header, and what does not.

import { expect, test } from 'vitest';
import { carryTrace, requestHeaders, responseHeaders } from '../../server/forward/headers.ts';

const ours = { kind: 'configured', name: 'default', secret: 'sk-ant-our-own-secret' } as const;
const theirs = { kind: 'callers_own' } as const;

test('headers keep their order, spelling and values, and unknown ones pass', () => {
  const raw = ['Anthropic-Beta', 'a-2026-01-01,b', 'anthropic-version', '2023-06-01', 'X-Stainless-Lang', 'js', 'x-new-thing', 'é\u00ff'];
  expect(requestHeaders(raw, theirs, false)).toEqual(raw);
});

test.each([
  ['x-api-key', 'tg_client', ['x-api-key', ours.secret]],
  ['Authorization', 'Bearer tg_client', ['Authorization', `Bearer ${ours.secret}`]],
])('our provider key takes the place of the virtual key in %s', (name, value, expected) => {
  expect(requestHeaders([name, value], ours, false)).toEqual(expected);
});

test('two credentials become one', () => {
  expect(requestHeaders(['authorization', 'Bearer tg_a', 'x-api-key', 'tg_a'], ours, false)).toEqual(['authorization', `Bearer ${ours.secret}`]);
});

test('our provider key is sent also where the client sent none', () => {
  expect(requestHeaders([], ours, false)).toEqual(['x-api-key', ours.secret]);
});

test.each(['Host', 'Connection', 'Keep-Alive', 'Transfer-Encoding', 'TE', 'Trailer', 'Upgrade', 'Proxy-Authorization', 'Content-Length', 'Expect', 'Cookie', 'Via', 'Forwarded', 'X-Forwarded-For', 'x-tollgate-workflow', 'X-Tollgate-User', 'X-TOLLGATE-ANYTHING'])('%s does not go upstream', (name) => {
  expect(requestHeaders([name, 'v'], theirs, false)).toEqual([]);
});

test('a header that Connection names ends at this hop', () => {
  expect(requestHeaders(['Connection', 'close, X-Hop', 'x-hop', '1', 'x-stay', '2'], theirs, false)).toEqual(['x-stay', '2']);
});

test.each([
  ['gzip, deflate, br, zstd', 'gzip, deflate, br'],
  ['zstd', 'identity'],
  ['gzip;q=0.5, zstd;q=1', 'gzip;q=0.5'],
  ['*', '*'],
])('accept-encoding %s is offered as %s', (given, offered) => {
  expect(requestHeaders(['accept-encoding', given], theirs, false)).toEqual(['accept-encoding', offered]);
});

test('a body that was edited no longer has the encoding it came with', () => {
  expect(requestHeaders(['Content-Encoding', 'gzip'], theirs, true)).toEqual([]);
  expect(requestHeaders(['Content-Encoding', 'gzip'], theirs, false)).toEqual(['Content-Encoding', 'gzip']);
});

test('an answer keeps its headers but for those of the hop, of ours, and any that holds our key', () => {
  expect(responseHeaders(['Request-Id', 'req_1', 'Transfer-Encoding', 'chunked', 'Connection', 'keep-alive', 'x-tollgate-cost-usd', '9', 'x-echo', `key ${ours.secret}`, 'Set-Cookie', 'a=1', 'set-cookie', 'b=2'], ours)).toEqual(['Request-Id', 'req_1', 'Set-Cookie', 'a=1', 'set-cookie', 'b=2']);
});

test.each([
  { name: 'in its place and spelling', before: ['a', '1', 'TraceParent', 'old', 'b', '2'], state: null, after: ['a', '1', 'TraceParent', 'new', 'b', '2'] },
  { name: 'with its state behind it', before: ['tracestate', 'x=1', 'traceparent', 'old', 'b', '2'], state: 'x=1', after: ['traceparent', 'new', 'tracestate', 'x=1', 'b', '2'] },
  { name: 'at the end where there was none', before: ['a', '1'], state: null, after: ['a', '1', 'traceparent', 'new'] },
  { name: 'once where there were two', before: ['traceparent', 'old', 'a', '1', 'traceparent', 'older'], state: null, after: ['traceparent', 'new', 'a', '1'] },
  { name: 'without a state that had no parent', before: ['tracestate', 'x=1', 'TraceState', 'y=1'], state: null, after: ['traceparent', 'new'] },
])('the span of a call goes up $name', ({ before, state, after }) => {
  const headers = [...before];
  carryTrace(headers, { traceparent: 'new', tracestate: state });
  expect(headers).toEqual(after);
});
