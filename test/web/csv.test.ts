// test/web/csv.test.ts: the files that pages make of their tables are written as the server writes its exports.

import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { writeVerdicts } from '../../server/http/admin/export-csv.ts';
import { csvOf } from '../../web/parts/csv.ts';
import { PAYLOADS } from '../browser/payloads.ts';

test('any text is written as the server writes it: quoted where it must be, and never as a formula', async () => {
  const starts = ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '\uFF1D', '\uFF0B', '\uFF0D', '\uFF20', '"', ',', ';', ' ', "'"];
  const texts = [...PAYLOADS, ...starts.flatMap((start) => [start, `${start}SUM(A1)`, `${start}"a",b\r\nc`, `a${start}b`]), 'plain', 'ümläut – 日本'];
  const rows = texts.map((policy, calls) => ({ policy, verdict: 'refuse' as const, calls }));
  const to = new PassThrough();
  const [written] = await Promise.all([text(to), writeVerdicts({ group_by: [], timezone: 'UTC', rows }, to)]);
  expect(csvOf({ policy: (row) => row.policy, verdict: (row) => row.verdict, calls: (row) => row.calls }, rows)).toBe(written);
});

test('money keeps all nine places, figures may be negative, and what is not known stays empty', () => {
  const rows = [{ cost: 12_345_000_000_001n, change: -5, note: '-5' }, { cost: -400_000n, change: null, note: null }];
  expect(csvOf<(typeof rows)[number]>({ cost_usd: (row) => row.cost, change: (row) => row.change, note: (row) => row.note }, rows)).toBe("cost_usd,change,note\r\n12345.000000001,-5,'-5\r\n-0.000400000,,\r\n");
});
