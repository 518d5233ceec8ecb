// test/admin/export.test.ts: exports show what the tables show, and no cell of them runs in a spreadsheet.

import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import request from 'supertest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { writeRequests } from '../../server/http/admin/export-csv.ts';
import type { ActionsAnswer, RequestRow, RequestsAnswer, UsageAnswer } from '../../server/http/admin/wire.ts';
import { workspace } from '../observe/gateway.ts';
import { caller, cost, NOON, openEntry, refusedEntry, settlement } from '../store/samples.ts';
import { adminGateway, type AdminGateway } from './gateway.ts';

const PAYLOADS = [
  '=1+1', '+1+1', '-1+1', '@SUM(A1)', '\t=1+1', '\r=1+1', '\n=1+1', '\0=1+1', '=HYPERLINK("http://evil.example","x")', '=cmd|\' /C calc\'!A0', '＝1+1', '"=1+1', 'a,"b"\r\n=c', '-2+3+cmd|\'/C calc\'!A0',
];
let gateway: AdminGateway;

beforeAll(async () => {
  gateway = await adminGateway({ workspaces: new Map([workspace('support', ['triage', 'summary']), workspace('quiet', [])]) });
  const longAgo = epochMs(NOON - 90 * 86_400_000);
  await gateway.ledger.open(openEntry('req_former', { admittedAt: longAgo, caller: caller({ workspace: 'former' }) }));
  await gateway.ledger.settle(settlement('req_former', { endedAt: longAgo }));
  for (const [n, user] of PAYLOADS.entries()) {
    const id = `req_${String(n).padStart(3, '0')}`;
    await gateway.ledger.open(openEntry(id, { admittedAt: epochMs(NOON - 60_000 + n), caller: caller({ user }) }));
    await gateway.ledger.settle(settlement(id, { endedAt: epochMs(NOON - 59_000 + n), cost: cost({ cacheSavings: nanodollars(-77n) }) }));
  }
});
afterAll(() => gateway.close());

/** RFC 4180, read back. */
function parse(csv: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)?.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'));
    if (end === '\r\n') rows.push([]);
    if (end === '') break;
  }
  return rows.filter((row) => row.length > 1);
}
const records = (csv: string): Record<string, string>[] => {
  const [header = [], ...rows] = parse(csv);
  return rows.map((row) => Object.fromEntries(header.map((name, at) => [name, row[at] ?? ''])));
};

test('requests are exported as the table shows them, newest first', async () => {
  const answer = await request(gateway.port.app).get('/api/export/requests.csv?from=now-1d');
  expect([answer.status, answer.headers['content-type'], answer.headers['content-disposition']]).toEqual([200, 'text/csv; charset=utf-8; header=present', 'attachment; filename="tollgate-requests-2026-03-03.csv"']);
  const rows = records(answer.text);
  const table = ((await request(gateway.port.app).get('/api/requests?from=now-1d')).body as RequestsAnswer).rows;
  expect(rows.map((row) => [row['id'], row['cost_usd'], row['admitted_at'], row['input_tokens'], row['outcome']])).toEqual(table.map((row) => [row.id, row.cost_usd, row.admitted_at, String(row.tokens.input), row.outcome]));
  expect(rows[0]?.['cache_savings_usd']).toBe('-0.000000077');
});

test('no text of a caller begins a formula, and what it was can be read behind the apostrophe', async () => {
  const rows = records((await request(gateway.port.app).get('/api/export/requests.csv?from=now-1d')).text);
  const users = rows.map((row) => row['user'] ?? '');
  expect(users.filter((user) => /^[=+\-@\t\r\n\0＝]/.test(user))).toEqual([]);
  expect(users.map((user) => user.replace(/^'/, ''))).toEqual(PAYLOADS.toReversed());
});

test('usage is exported as the table shows it', async () => {
  const query = 'from=now-1d&group_by=user,outcome';
  const rows = records((await request(gateway.port.app).get(`/api/export/usage.csv?${query}`)).text);
  const table = ((await request(gateway.port.app).get(`/api/usage?${query}`)).body as UsageAnswer).rows;
  expect(rows.map((row) => [row['user']?.replace(/^'/, ''), row['requests'], row['cost_usd']])).toEqual(table.map((row) => [row.user, String(row.requests), row.cost_usd]));
});

test('an export of more groups than it can hold says so, and is not cut without a word', async () => {
  const hourAgo = epochMs(NOON - 7 * 86_400_000);
  for (let from = 0; from <= 10_000; from += 2_000) {
    await Promise.all(Array.from({ length: Math.min(2_000, 10_001 - from) }, (_, n) => gateway.ledger.refuse(refusedEntry(`req_many_${from + n}`, { admittedAt: hourAgo, endedAt: hourAgo, caller: caller({ user: `user-${from + n}` }) }))));
  }
  const ask = (more: string) => request(gateway.port.app).get(`/api/export/usage.csv?from=now-8d&to=now-6d&group_by=user${more}`);
  const whole = await ask('');
  expect([whole.status, whole.body.error.message]).toEqual([400, 'There are more than 10,000 groups. Narrow the time or the filters, group by less, or take the rows themselves (/api/export/requests.csv).']);
  expect(records((await ask('&limit=3')).text)).toHaveLength(3);
  expect(records((await ask('&user=user-77')).text)).toHaveLength(1);
});

test('a day and a month are written as their zone has them, with the offset: a spreadsheet must not file them a day or a month early', async () => {
  const query = 'from=now-1d&group_by=day,month';
  const [row] = records((await request(gateway.port.app).get(`/api/export/usage.csv?${query}`)).text);
  const [shown] = ((await request(gateway.port.app).get(`/api/usage?${query}`)).body as UsageAnswer).rows;
  expect(row).toMatchObject({ day: '2026-03-04T00:00:00.000+01:00', month: '2026-03-01T00:00:00.000+01:00' });
  expect([row!['day'], row!['month']].map((text) => new Date(text!).toISOString())).toEqual([shown!.day, shown!.month]);
});

test('actions are exported as the table shows them', async () => {
  const query = 'from=now-1d&group_by=workspace,workflow';
  const rows = records((await request(gateway.port.app).get(`/api/export/actions.csv?${query}`)).text);
  const table = ((await request(gateway.port.app).get(`/api/actions?${query}`)).body as ActionsAnswer).rows;
  expect(table).toHaveLength(1);
  expect(rows.map((row) => [row['workflow'], row['actions'], row['cost_usd'], row['per_action_p95_usd']])).toEqual(table.map((row) => [row.workflow, String(row.actions), row.cost_usd, row.per_action_usd.p95]));
});

test.each([
  { query: 'estimated=true', actions: 0 }, { query: 'refusal=rate_limited', actions: 0 }, { query: 'tag=team=blue', actions: 1 }, { query: 'tag=team=red', actions: 0 },
  { query: 'estimated=maybe', error: 'estimated:' }, { query: 'group_by=colour', error: 'group_by' },
])('a question about actions takes $query or says what is wrong', async ({ query, actions, error }) => {
  const answer = await request(gateway.port.app).get(`/api/actions?from=now-1d&${query}`);
  if (error === undefined) expect([answer.status, answer.body.total.actions]).toEqual([200, actions]);
  else expect([answer.status, answer.body.error.message]).toEqual([400, expect.stringContaining(error)]);
});

test('an export is audited', async () => {
  const { body } = await request(gateway.port.app).get('/api/audit');
  expect(body.rows.map((row: { action: string }) => row.action)).toContain('export.requests');
});

test('an export that fails half-way is cut short, not ended', async () => {
  const table = ((await request(gateway.port.app).get('/api/requests?from=now-1d&limit=1')).body as RequestsAnswer).rows;
  async function* rows(): AsyncGenerator<RequestRow> {
    yield* table;
    throw new Error('the reader died');
  }
  const to = new PassThrough();
  const read = text(to);
  await expect(writeRequests(rows(), to)).rejects.toThrow('the reader died');
  await expect(read).rejects.toThrow();
});

test.each([
  { path: '/api/statement?workspace=support&month=2026-13', says: 'month' },
  { path: '/api/statement?workspace=support&month=2027-01', says: 'a month that has begun' },
  { path: '/api/statement?month=2026-03', says: 'workspace' },
  { path: '/api/export/focus.csv?version=1.4', says: 'version' },
])('$path is refused before anything is written', async ({ path, says }) => {
  const answer = await request(gateway.port.app).get(path);
  expect([answer.status, answer.body.error.message]).toEqual([400, expect.stringContaining(says)]);
});

test.each([
  { workspace: 'suport', says: 'There is no workspace "suport"; did you mean support?' },
  { workspace: 'nobody', says: /^There is no workspace "nobody"; there is .*support/ },
  // Spent by a workspace that the config has lost since.
  { workspace: 'formr', says: 'There is no workspace "formr"; did you mean former?' },
])('there is no statement of $workspace, as JSON or as CSV', async ({ workspace, says }) => {
  for (const path of ['/api/statement', '/api/export/statement.csv']) {
    const answer = await request(gateway.port.app).get(`${path}?workspace=${workspace}`);
    expect([answer.status, answer.body.error]).toEqual([404, { code: 'not_found', message: typeof says === 'string' ? says : expect.stringMatching(says) }]);
  }
});

test('a workspace that is only in the ledger has statements, also of months without a call', async () => {
  const answer = await request(gateway.port.app).get('/api/statement?workspace=former');
  expect([answer.status, answer.body.calls, answer.body.lines]).toEqual([200, 0, []]);
});

test('a statement of a workspace without a call is empty, not an error', async () => {
  const answer = await request(gateway.port.app).get('/api/statement?workspace=quiet');
  expect([answer.status, answer.body.lines, answer.body.total_usd, answer.body.running]).toEqual([200, [], '0.000000000', true]);
});
