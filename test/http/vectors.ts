// test/http/vectors.ts: requests by which HTTP parsers have been made to disagree, as others have collected and published them.
//
// Two collections, named here so that a row can be compared with its source; the bytes are written anew for this gateway's paths.
// - Http11Probe (github.com/MDA2AV/Http11Probe): its classes "smuggling" and "malformed input". A row's name is that of the probe,
//   in lower case.
// - smuggler (github.com/defparam/smuggler): ways to disguise a Transfer-Encoding, after J. Kettle, "HTTP Desync Attacks" (2019).
// What each must lead to follows from RFC 9112 (sections 3.2, 5, 6 and 7), read strictly: the gateway refuses whatever two parsers
// could read in two ways, also where the RFC would let a server repair it.

import { BODY, message } from './raw.ts';

export interface Vector {
  readonly name: string;
  readonly bytes: string;
  /**
   * `refused`: at most one answer, a 4xx or 5xx, and the connection closed. `served`: answered with 200 by the provider, once, and the
   * connection is good for the next call. `answered`: nothing is wrong with its framing but its body is none of the API's, so a 400, and
   * the connection is good. `waits`: it is not over, so nothing comes of it.
   */
  readonly leads: 'refused' | 'served' | 'answered' | 'waits';
}

/** What an attacker wants the provider to see. */
export const SMUGGLED_PATH = '/v1/models/smuggled';
const smuggled = `GET ${SMUGGLED_PATH} HTTP/1.1\r\nHost: gateway\r\nx-api-key: sk-ant-client\r\nX: `;

const refused = (name: string, bytes: string): Vector => ({ name, bytes, leads: 'refused' });
const served = (name: string, bytes: string): Vector => ({ name, bytes, leads: 'served' });
const answered = (name: string, bytes: string): Vector => ({ name, bytes, leads: 'answered' });
const waits = (name: string, bytes: string): Vector => ({ name, bytes, leads: 'waits' });

const length = (value: string): string => message({ length: value });
const size = BODY.length;
/** A request whose body is told by these headers alone. */
const framed = (headers: readonly string[], body: string): string => message({ headers, length: null, body });
const chunks = (body: string, headers: readonly string[] = ['Transfer-Encoding: chunked']): string => framed(headers, body);
const hex = size.toString(16);
/** CL.TE: the length covers what a reader of chunks would take for a second request. */
const clte = (coding: string, told = (bytes: number) => `Content-Length: ${bytes}`): string => {
  const body = `0\r\n\r\n${smuggled}`;
  return framed([told(body.length), coding], body);
};
/** TE.CL: the length ends where a second request would begin. */
const tecl = (more: readonly string[] = []): string => framed(['Transfer-Encoding: chunked', 'Content-Length: 4', ...more], `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`);
const bodied = (method: string, path = '/v1/models'): string => `${method} ${path} HTTP/1.1\r\nHost: gateway\r\nx-api-key: sk-ant-client\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`;
const target = (path: string): string => message({ line: `POST ${path} HTTP/1.1` });
const inTrailers = (field: string): string => chunks(`${hex}\r\n${BODY}\r\n0\r\n${field}\r\n\r\n`);

export const SMUGGLING: readonly Vector[] = [
  refused('cl-te-both', `${framed([`Content-Length: ${size}`, 'Transfer-Encoding: chunked'], '')}${hex}\r\n${BODY}\r\n0\r\n\r\n`),
  refused('duplicate-cl', message({ headers: ['Content-Length: 5'] })),
  refused('duplicate-cl-smuggled-get', framed([`Content-Length: ${size}`, `Content-Length: ${size + smuggled.length}`], BODY + smuggled)),
  refused('cl-leading-zeros', length(`00${size}`)),
  refused('cl-leading-zeros-octal', length('0200')),
  refused('cl-octal', length('0o131')),
  refused('cl-negative', length('-1')),
  refused('cl-negative-zero', length('-0')),
  refused('cl-double-zero', framed(['Content-Length: 00'], smuggled)),
  refused('cl-plus', length(`+${size}`)),
  refused('cl-non-numeric', length(`${size}abc`)),
  refused('cl-hex-prefix', length('0x59')),
  refused('cl-internal-space', length('8 9')),
  refused('cl-underscore', length('8_9')),
  refused('cl-comma-different', length(`${size}, 5`)),
  refused('cl-comma-same', length(`${size}, ${size}`)),
  refused('cl-comma-triple', length(`${size}, ${size}, ${size}`)),
  served('cl-trailing-space', length(`${size} `)),
  served('cl-extra-leading-sp', length(`  ${size}`)),
  refused('cl0-body-poison', framed(['Content-Length: 0'], 'X')),
  refused('clte-pipeline', clte('Transfer-Encoding: chunked')),
  refused('clte-desync', clte('Transfer-Encoding: chunked')),
  refused('clte-conn-close', framed(['Connection: close', 'Content-Length: 6', 'Transfer-Encoding: chunked'], '0\r\n\r\nX')),
  refused('clte-smuggled-get', clte('Transfer-Encoding: chunked')),
  refused('clte-smuggled-head', clte('Transfer-Encoding: chunked').replace('GET', 'HEAD')),
  refused('clte-smuggled-get-te-trailing-space', clte('Transfer-Encoding: chunked ')),
  refused('clte-smuggled-get-te-leading-comma', clte('Transfer-Encoding: , chunked')),
  refused('clte-smuggled-get-te-case-mismatch', clte('Transfer-Encoding: ChUnKeD')),
  refused('clte-smuggled-get-te-obs-fold', clte('Transfer-Encoding:\r\n chunked')),
  refused('clte-smuggled-get-cl-plus', clte('Transfer-Encoding: chunked', (bytes) => `Content-Length: +${bytes}`)),
  refused('clte-smuggled-get-cl-non-numeric', clte('Transfer-Encoding: chunked', (bytes) => `Content-Length: ${bytes}x`)),
  refused('tecl-pipeline', tecl()),
  refused('tecl-desync', tecl()),
  refused('tecl-conn-close', tecl(['Connection: close'])),
  refused('tecl-smuggled-get', tecl()),
  refused('te-duplicate-headers', framed(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n')),
  refused('te-duplicate-headers-smuggled-get', clte('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity')),
  refused('te-double-chunked', chunks('0\r\n\r\n', ['Transfer-Encoding: chunked, chunked'])),
  served('te-case-mismatch', chunks(`${hex}\r\n${BODY}\r\n0\r\n\r\n`, ['Transfer-Encoding: Chunked'])),
  served('te-tab-before-value', chunks(`${hex}\r\n${BODY}\r\n0\r\n\r\n`, ['Transfer-Encoding:\tchunked'])),
  served('te-trailing-space', chunks(`${hex}\r\n${BODY}\r\n0\r\n\r\n`, ['Transfer-Encoding: chunked '])),
  refused('te-trailing-space with a length', message({ headers: ['Transfer-Encoding: chunked '] })),
  refused('te-sp-before-colon', message({ headers: ['Transfer-Encoding : chunked'] })),
  refused('te-not-final-chunked', chunks('0\r\n\r\n', ['Transfer-Encoding: chunked, gzip'])),
  refused('te-http10', message({ line: 'POST /v1/messages HTTP/1.0', headers: ['Transfer-Encoding: chunked'], length: null, body: '0\r\n\r\n' })),
  refused('te-empty-value', message({ headers: ['Transfer-Encoding:'] })),
  refused('te-leading-comma', chunks('0\r\n\r\n', ['Transfer-Encoding: , chunked'])),
  refused('te-trailing-comma', chunks('0\r\n\r\n', ['Transfer-Encoding: chunked,'])),
  refused('te-identity', message({ headers: ['Transfer-Encoding: identity'] })),
  refused('te-xchunked', message({ headers: ['Transfer-Encoding: xchunked'] })),
  refused('te-vtab', chunks('0\r\n\r\n', ['Transfer-Encoding: \x0bchunked'])),
  refused('te-formfeed', chunks('0\r\n\r\n', ['Transfer-Encoding: \x0cchunked'])),
  refused('te-null', chunks('0\r\n\r\n', ['Transfer-Encoding: chunked\0'])),
  refused('te-obs-fold', chunks('0\r\n\r\n', ['Transfer-Encoding:\r\n chunked'])),
  refused('options-te-obs-fold', 'OPTIONS /v1/messages HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n'),
  refused('chunked-with-params', chunks('0\r\n\r\n', ['Transfer-Encoding: chunked;ext=1'])),
  answered('transfer-encoding-underscore', message({ headers: ['Transfer_Encoding: chunked'], body: `0\r\n\r\n${smuggled}` })),
  refused('chunk-bare-semicolon', chunks(`${hex};\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-ext-invalid-token', chunks(`${hex};a[b]=1\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-ext-ctrl', chunks(`${hex};a=\0\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-ext-cr', chunks(`${hex};a=\rb\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-ext-lf', chunks(`${hex};a=1\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-underscore', chunks(`1_0\r\n${'x'.repeat(16)}\r\n0\r\n\r\n`)),
  refused('chunk-hex-prefix', chunks(`0x${hex}\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-size-plus', chunks(`+${hex}\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-size-trailing-ows', chunks(`${hex} \r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-leading-sp', chunks(` ${hex}\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-negative', chunks(`-1\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-missing-trailing-crlf', chunks(`${hex}\r\n${BODY}0\r\n\r\n`)),
  refused('chunk-spill', chunks(`${(size - 2).toString(16)}\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-invalid-size-desync', chunks(`+0\r\n\r\n${smuggled}`)),
  refused('chunk-lf-term', chunks(`${hex}\r\n${BODY}\n0\r\n\r\n`)),
  refused('chunk-bare-cr-term', chunks(`${hex}\r${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-lf-trailer', chunks(`${hex}\r\n${BODY}\r\n0\r\n\n${smuggled}`)),
  refused('trailer-cl', inTrailers('Content-Length: 5')),
  refused('trailer-te', inTrailers('Transfer-Encoding: chunked')),
  served('trailer-host', inTrailers('Host: elsewhere')),
  served('trailer-auth', inTrailers('Authorization: Bearer other')),
  served('trailer-content-type', inTrailers('Content-Type: text/evil')),
  refused('bare-cr-header-value', message({ headers: ['x-a: b\rTransfer-Encoding: chunked'] })),
  // As bytes it is two well-formed headers, so there is nothing to see in it; the second one is ours to drop.
  served('header-injection', message({ headers: ['x-a: b\r\nX-Injected: 1'] })),
  refused('multiple-host-comma', message({ host: 'gateway, elsewhere' })),
  refused('absolute-uri-host-mismatch', message({ line: 'POST http://elsewhere/v1/messages HTTP/1.1' })),
  served('expect-100-cl', message({ headers: ['Expect: 100-continue'] })),
  served('expect-100-cl-desync', message({ headers: ['Expect: 100-continue'] })),
  refused('get-cl-body-desync', bodied('GET')),
  refused('get-cl-prefix-desync', bodied('GET')),
  refused('head-cl-body', bodied('HEAD', '/v1/models/x')),
  refused('options-cl-body', bodied('OPTIONS', '/v1/messages')),
  refused('options-cl-body-desync', bodied('OPTIONS', '*')),
];

export const MALFORMED: readonly Vector[] = [
  refused('binary-garbage', '\x00\x01\x02\xff\xfe\x80 \x00\r\n\r\n'),
  refused('chunk-extension-long', chunks(`${hex};a=${'x'.repeat(100_000)}\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('chunk-size-overflow', chunks(`ffffffffffffffff0\r\n${BODY}\r\n0\r\n\r\n`)),
  refused('cl-empty', length('')),
  refused('cl-overflow', length('99999999999999999999')),
  served('cl-tab-before-value', length(`\t${size}`)),
  refused('control-chars-header', message({ headers: ['x-a: b\x01\x02'] })),
  waits('empty-request', ''),
  refused('h2-preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  waits('incomplete-request', 'POST /v1/messages HTTP/1.1\r\nHost: gateway\r\nx-api-key: sk'),
  refused('long-header-name', message({ headers: [`${'x'.repeat(100_000)}: 1`] })),
  refused('long-header-value', message({ headers: [`x-a: ${'x'.repeat(100_000)}`] })),
  refused('long-method', message({ line: `${'P'.repeat(100_000)} /v1/messages HTTP/1.1` })),
  refused('long-url', target(`/v1/messages?${'x'.repeat(100_000)}`)),
  refused('many-headers', message({ headers: Array.from({ length: 10_000 }, (_, n) => `x-${n}: ${n}`) })),
  refused('non-ascii-header-name', message({ headers: ['x-\xe4\xf6: 1'] })),
  refused('non-ascii-url', target('/v1/m\xe9ssages')),
  refused('nul-in-header-value', message({ headers: ['x-a: b\0c'] })),
  refused('nul-in-url', target('/v1/mess\0ages')),
  refused('post-cl-huge-no-body', message({ length: '999999999', body: '' })),
  served('range-overlapping', message({ headers: ['Range: bytes=0-9,5-14,10-19'] })),
  refused('url-backslash', target('/v1\\messages')),
  refused('url-overlong-utf8', target('/v1/%c0%af/messages')),
  refused('url-percent-crlf', target('/v1/messages%0d%0aX-Injected:1')),
  refused('url-percent-null', target('/v1/messages%00')),
  refused('whitespace-only-line', `   \r\n\r\n${message()}`),
];

/** Disguises of `Transfer-Encoding: chunked` beside a length: whoever reads the chunks sees a second request, whoever reads the length does not. */
const disguises: readonly (readonly [string, string])[] = [
  ['nameprefix1', ' Transfer-Encoding: chunked'], ['tabprefix1', 'Transfer-Encoding:\tchunked'], ['tabprefix2', 'Transfer-Encoding\t:\tchunked'],
  ['spacejoin1', 'Transfer Encoding: chunked'], ['underjoin1', 'Transfer_Encoding: chunked'], ['smashed', 'Transfer Encoding:chunked'],
  ['space1', 'Transfer-Encoding : chunked'], ['valueprefix1', 'Transfer-Encoding:  chunked'], ['vertprefix1', 'Transfer-Encoding:\x0bchunked'],
  ['commaCow', 'Transfer-Encoding: chunked, cow'], ['cowComma', 'Transfer-Encoding: cow, chunked'], ['contentEnc', 'Content-Encoding: chunked'],
  ['linewrapped1', 'Transfer-Encoding:\n chunked'], ['quoted', 'Transfer-Encoding: "chunked"'], ['aposed', "Transfer-Encoding: 'chunked'"],
  ['lazygrep', 'Transfer-Encoding: chunk'], ['sarcasm', 'TrAnSFer-EnCODinG: cHuNkeD'], ['yelling', 'TRANSFER-ENCODING: CHUNKED'],
  ['0dsuffix', 'Transfer-Encoding: chunked\r'], ['tabsuffix', 'Transfer-Encoding: chunked\t'], ['revdualchunk', 'Transfer-Encoding: cow\r\nTransfer-Encoding: chunked'],
  ['0dspam', 'Transfer\r-Encoding: chunked'], ['nested', 'Transfer-Encoding: cow chunked bar'], ['spaceFF', 'Transfer-Encoding:\xffchunked'],
  ['accentCH', 'Transfer-Encoding: ch\x96nked'], ['accentTE', 'Transf\x82r-Encoding: chunked'], ['x-rout', 'X:X\rTransfer-Encoding: chunked'], ['x-nout', 'X:X\nTransfer-Encoding: chunked'],
];
/** Every byte that is neither a printable character nor a blank. */
const oddBytes = [...Array.from({ length: 0x1f }, (_, n) => n + 1), ...Array.from({ length: 0x81 }, (_, n) => n + 0x7f)];

/** Well-formed headers of other names, which say nothing of the framing. */
const BY_LENGTH = new Set(['underjoin1', 'contentEnc']);

export const DISGUISES: readonly Vector[] = [
  ...disguises,
  ...oddBytes.flatMap((code) => {
    const byte = String.fromCharCode(code);
    const number = code.toString(16).padStart(2, '0');
    return [
      [`midspace-${number}`, `Transfer-Encoding:${byte}chunked`], [`postspace-${number}`, `Transfer-Encoding${byte}: chunked`],
      [`prespace-${number}`, `${byte}Transfer-Encoding: chunked`], [`endspace-${number}`, `Transfer-Encoding: chunked${byte}`],
    ] as const;
  }),
].map(([name, header]) => (BY_LENGTH.has(name) ? answered : refused)(name, clte(header)));
