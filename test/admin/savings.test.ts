// test/admin/savings.test.ts: savings over the admin API: found in a real ledger, decided on, audited, exported.

import request from 'supertest';
import { afterEach, expect, test } from 'vitest';
import type { SavingsAnswer } from '../../server/http/admin/wire.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { encodeMarks } from '../../server/identify/prompt-marks.ts';
import { cost, NOON, openEntry, settlement, tokens } from '../store/samples.ts';
import { adminGateway, TOKEN, type AdminGateway } from './gateway.ts';

let gateway: AdminGateway | null = null;
afterEach(async () => {
  await gateway?.close();
  gateway = null;
});

const prompt = (body: string): string => encodeMarks({ cacheTtl: null, thinking: true, unbounded: false, automatic: false, maxTokens: 64, messages: 1, body, marks: [{ part: 'messages', breakpoint: false, bytes: 900, hash: 'h0000000000' }] });

/** Ten calls of two dollars each, six of them the same as one before. */
async function withRepeats(): Promise<AdminGateway> {
  const made = (gateway = await adminGateway());
  for (let n = 0; n < 10; n++) {
    const id = `call_${n}`;
    await made.ledger.open(openEntry(id, { admittedAt: epochMs(NOON - 3_600_000 + n * 60_000) }));
    await made.ledger.settle(settlement(id, { cost: cost({ total: nanodollars(2_000_000_000n), tokens: tokens(2_000, 20) }), prompt: prompt(`body-${n % 4}-aaaa`) }));
  }
  return made;
}

const savings = async ({ port }: AdminGateway, query = ''): Promise<SavingsAnswer> => (await request(port.app).get(`/api/savings${query}`).expect(200)).body as SavingsAnswer;

test('what was found stands with its grade, its words, its evidence and its share of the total', async () => {
  const answer = await savings(await withRepeats());
  expect(answer).toMatchObject({ spend_usd: '20.000000000', recoverable_usd: '12.000000000', recoverable_most_usd: '12.000000000', calls: 10, coverage: 1, levers: 16 });
  const [row] = answer.rows;
  expect(row).toMatchObject({ id: 'repeated_calls:support/triage', grade: 'exact', low_usd: '12.000000000', high_usd: '12.000000000', calls: 6, small: false, state: 'open', reopened: false, owner: null, effect: null });
  expect(row!.examples).toEqual(['call_9', 'call_8', 'call_7', 'call_6', 'call_5']);
  expect(row!.snippet).toContain('sha256');
  // The weeks add up to the whole.
  expect(answer.weeks.reduce((sum, week) => sum + Number(week.recoverable_usd), 0)).toBe(12);
  expect(answer.weeks.at(-1)!.whole).toBe(false);
});

test('a filter leaves the findings and the money of other workflows out', async () => {
  const made = await withRepeats();
  expect(await savings(made, '?workspace=support&workflow=triage')).toMatchObject({ spend_usd: '20.000000000', rows: [{ workflow: 'triage' }] });
  expect(await savings(made, '?workspace=press')).toMatchObject({ spend_usd: '0.000000000', recoverable_usd: '0.000000000', rows: [] });
});

test('an empty ledger has nothing to say, and says so', async () => {
  gateway = await adminGateway();
  expect(await savings(gateway)).toMatchObject({ spend_usd: '0.000000000', calls: 0, coverage: null, rows: [] });
});

test('a decision is kept, audited, and takes the finding out of the total', async () => {
  const made = await withRepeats();
  const decide = (body: object) => request(made.port.app).post('/api/savings').set('content-type', 'application/json').send(body);
  const id = 'repeated_calls:support/triage';
  await decide({ id, state: 'doing', owner: 'ada' }).expect(200);
  expect(await savings(made)).toMatchObject({ recoverable_usd: '12.000000000', rows: [{ state: 'doing', owner: 'ada', decided_by: 'local' }] });
  // Who sees to it stays until someone else does.
  const { body } = await decide({ id, state: 'dismissed', reason: 'the poll is meant' }).expect(200);
  expect(body).toMatchObject({ saving: { state: 'dismissed', owner: 'ada', reason: 'the poll is meant' } });
  expect(await savings(made)).toMatchObject({ recoverable_usd: '0.000000000' });
  await decide({ id, state: 'open' }).expect(200);
  expect(await savings(made)).toMatchObject({ recoverable_usd: '12.000000000', rows: [{ state: 'open', reason: null }] });
  const { rows } = await made.reports.audit({ limit: 10, cursor: null });
  expect(rows.filter(({ action }) => action === 'saving.decide').map(({ subject, detail }) => [subject, JSON.parse(detail)])).toEqual([
    [id, { state: 'open', owner: 'ada', reason: null }], [id, { state: 'dismissed', owner: 'ada', reason: 'the poll is meant' }], [id, { state: 'doing', owner: 'ada', reason: null }],
  ]);
});

test.each([
  { name: 'a dismissal without a reason', body: { id: 'repeated_calls:support/triage', state: 'dismissed' }, status: 400, said: 'reason: expected the reason' },
  { name: 'a state that is none', body: { id: 'repeated_calls:support/triage', state: 'later' }, status: 400, said: 'state' },
  { name: 'a saving that nobody found', body: { id: 'premiums:support/triage', state: 'done' }, status: 404, said: 'no such saving' },
])('$name is refused, and nothing is kept', async ({ body, status, said }) => {
  const made = await withRepeats();
  const answer = await request(made.port.app).post('/api/savings').send(body).expect(status);
  expect((answer.body as { error: { message: string } }).error.message).toContain(said);
  expect((await savings(made)).rows[0]!.decided_at).toBeNull();
});

test('reading takes the token, and so does deciding', async () => {
  gateway = await adminGateway({ admin: { listen: { host: '127.0.0.1', port: 0 }, token: TOKEN, hosts: [] } });
  await request(gateway.port.app).get('/api/savings').expect(401);
  await request(gateway.port.app).post('/api/savings').send({ id: 'premiums:a/b', state: 'done' }).expect(401);
});

test('the export has the rows of the answer, and is audited', async () => {
  const made = await withRepeats();
  const { text } = await request(made.port.app).get('/api/export/savings.csv').expect(200);
  const [head, line] = text.split('\r\n');
  expect(head).toMatch(/^id,lever,title,workspace,workflow,models,grade,low_usd,high_usd,/);
  expect(line).toMatch(/^repeated_calls:support\/triage,repeated_calls,.*,exact,12\.000000000,12\.000000000,/);
  expect((await made.reports.audit({ limit: 1, cursor: null })).rows[0]!.action).toBe('export.savings');
});
