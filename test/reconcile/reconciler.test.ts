// test/reconcile/reconciler.test.ts: the provider's reports, read over HTTP from a stand-in, beside a real ledger.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createUpstream, type Upstream } from '../../server/forward/upstream.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { LedgerEntry } from '../../server/domain/ledger.ts';
import { usdString } from '../../server/domain/money.ts';
import { differenceOf, differenceRatio, latestRatio } from '../../server/domain/reconciliation.ts';
import type { Reports } from '../../server/domain/reports.ts';
import { createReconciler, type RunningReconciler } from '../../server/reconcile/reconciler.ts';
import { nanoFromCents } from '../../server/reconcile/provider-reports.ts';
import { openReports } from '../../server/store/sqlite/reader-client.ts';
import type { OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { callsOf, entryOf } from '../alert/month.ts';
import { handClock, settings } from '../observe/gateway.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import type { BilledRow } from '../standin/usage-reports.ts';
import { logbook } from '../store/samples.ts';
import { scratch } from '../store/scratch.ts';

const ADMIN_KEY = 'sk-ant-admin01-of-the-organization';
const DAY = 86_400_000;
/** Four in the morning, UTC: the day before is settled. */
const NOW = Date.UTC(2026, 8, 20, 4);
const FROM = Date.UTC(2026, 8, 5);
const ZONE = 'Asia/Kolkata';

const disk = scratch();
const clock = handClock();
let store: OpenLedger;
let reports: Reports;
let standin: Standin;
let upstream: Upstream;
let log: ReturnType<typeof logbook>;
/** What the provider billed, by UTC day and workspace: counted here, call by call. */
const billed = new Map<number, BilledRow[]>();
/** Laid over it by a test. */
let change: (row: BilledRow, day: number) => BilledRow;
const THEIRS: Readonly<Record<string, string | null>> = { support: 'wrkspc_01Support', engineering: null, research: null };

function bill({ opened, settlement }: LedgerEntry): void {
  const { tokens, total } = settlement.cost;
  const day = Math.floor(opened.admittedAt / DAY) * DAY;
  const cents = usdString(total).replace('.', '').replace(/^(-?)0*(\d+)(\d{7})$/, '$1$2.$3');
  billed.set(day, [...(billed.get(day) ?? []), {
    workspace: THEIRS[opened.caller.workspace] ?? null, model: 'claude-sonnet-4-6', uncachedInput: tokens.input, cacheWrite5m: tokens.cacheWrite5m, cacheWrite1h: tokens.cacheWrite1h, cacheRead: tokens.cacheRead, output: tokens.output, searches: 0, cents,
  }]);
}

beforeAll(async () => {
  store = await disk.open({ clock: { now: () => epochMs(NOW), monotonic: () => 0 }, timezone: ZONE });
  let number = 0;
  for (let hour = FROM; hour < NOW; hour += 3_600_000) {
    const entries = callsOf(hour).map((call) => entryOf(call, `req_${String(++number).padStart(8, '0')}`).entry);
    await Promise.all(entries.flatMap((entry) => [store.ledger.open(entry.opened), store.ledger.settle(entry.settlement)]));
    entries.forEach(bill);
  }
  reports = openReports({ file: disk.file, workerEntry: new URL('../../dist/server/store/sqlite/reader.js', import.meta.url), timezone: ZONE });
  standin = await startStandin({ clock: { now: () => NOW }, reports: { adminKey: ADMIN_KEY, billedOn: (day) => (billed.get(day) ?? []).map((row) => change(row, day)) } });
  upstream = createUpstream({ ...settings().upstream, origin: standin.url, connectTimeoutMs: 5_000, headersTimeoutMs: 5_000, idleTimeoutMs: 5_000, connections: 2 }, () => 0);
});
beforeEach(() => {
  change = (row) => row;
  clock.wall = NOW;
  clock.ran += 60_000;
  log = logbook();
});
afterAll(async () => {
  await upstream.close();
  await standin.close();
  await reports.close();
  await store.ledger.close();
  disk.remove();
});

const reconciler = (reconciliation = { adminKey: ADMIN_KEY as string | null, workspaces: new Map<string, string>() }): RunningReconciler =>
  createReconciler({ settings: () => settings({ reconciliation }), provider: upstream.own, reports, clock, log });

test('two weeks of UTC days agree to the nano-dollar and to the token, over every page of the reports', async () => {
  const before = standin.requests();
  const { days, trouble, at } = await reconciler().look();
  expect([trouble, at]).toEqual([null, NOW]);
  expect(days.map(({ day }) => day)).toEqual(Array.from({ length: 14 }, (_, n) => Date.UTC(2026, 8, 19) - n * DAY));
  for (const row of days) {
    expect(row.ledger).toEqual(row.provider);
    expect(row.ledger.cost).toBeGreaterThan(0n);
    expect(differenceRatio(row)).toBe(0);
  }
  // Fourteen days in pages of five, of two reports.
  expect(standin.requests() - before).toBe(6);
});

test('a day of which the provider bills more is found, and says by how much', async () => {
  change = (row, day) => (day === Date.UTC(2026, 8, 19) ? { ...row, cents: (Number(row.cents) * 1.04).toFixed(7), uncachedInput: row.uncachedInput * 2 } : row);
  const one = reconciler();
  const { days } = await one.look();
  expect(latestRatio(one.latest())).toBeCloseTo(-0.04 / 1.04, 6);
  expect(differenceOf(days[0]!)).toBeLessThan(0n);
  expect(days[0]!.provider.tokens.input).toBe(days[0]!.ledger.tokens.input * 2);
  expect(differenceRatio(days[1]!)).toBe(0);
});

test('workspaces are compared each with the one it goes to, several together where they share one', async () => {
  change = (row) => (row.workspace === null ? row : { ...row, cents: `${Number(row.cents) * 2}` });
  const { days } = await reconciler({ adminKey: ADMIN_KEY, workspaces: new Map([['support', 'wrkspc_01Support'], ['engineering', 'default'], ['research', 'default']]) }).look();
  expect(days.filter(({ day }) => day === Date.UTC(2026, 8, 19)).map((row) => [row.providerWorkspace, row.workspaces, Number(differenceRatio(row).toFixed(3))])).toEqual([['wrkspc_01Support', ['support'], -0.5], ['default', ['engineering', 'research'], 0]]);
});

test('a day is not compared until its reports are in', async () => {
  clock.wall = Date.UTC(2026, 8, 20, 2, 59);
  expect((await reconciler().look()).days[0]!.day).toBe(Date.UTC(2026, 8, 18));
});

test('a key that is not an Admin key is named as the trouble, and what was known before stays', async () => {
  let adminKey = ADMIN_KEY;
  const one = createReconciler({ settings: () => settings({ reconciliation: { adminKey, workspaces: new Map() } }), provider: upstream.own, reports, clock, log });
  await one.look();
  adminKey = 'sk-ant-api03-an-ordinary-key';
  clock.ran += 60_000;
  const { trouble, days } = await one.look();
  expect(trouble).toBe('/v1/organizations/usage_report/messages answered 401: is it an Admin key (sk-ant-admin…)?');
  expect(days).toHaveLength(14);
  expect(JSON.stringify(log.lines)).not.toContain(adminKey);
});

test('the provider is asked once a minute at most, and not at all without a key', async () => {
  const one = reconciler();
  await one.look();
  const before = standin.requests();
  await Promise.all([one.look(), one.look()]);
  expect(standin.requests()).toBe(before);
  const off = reconciler({ adminKey: null, workspaces: new Map() });
  expect(off.enabled).toBe(false);
  expect(await off.look()).toEqual({ at: null, trouble: null, days: [] });
  expect(standin.requests()).toBe(before);
});

test.each([['0', 0n], ['123', 1_230_000_000n], ['0.0000001', 1n], ['12.34567891', 123_456_789n], ['-0.5', -5_000_000n]])('%s cents are %i nano-dollars', (cents, nano) => {
  expect(nanoFromCents(cents)).toBe(nano);
});
test.each(['', 'NaN', '1e3', '1,5', '--1'])('%j is no amount', (cents) => {
  expect(() => nanoFromCents(cents)).toThrow('no decimal number');
});
