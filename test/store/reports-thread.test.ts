// test/store/reports-thread.test.ts: the reading thread: answers, errors with a type, and a new thread where one is lost.

import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { BadQuery, ReportsUnavailable, type CallRow, type Reports } from '../../server/domain/reports.ts';
import { openReports, type ReportsOptions } from '../../server/store/sqlite/reader-client.ts';
import { openSource } from '../../server/store/sqlite/reports-source.ts';
import { openEntry, settlement } from './samples.ts';
import { scratch } from './scratch.ts';
import { everything } from './told-calls.ts';
import { anyCall, writtenLedger, type WrittenLedger } from './written-ledger.ts';

const workerEntry = new URL('../../dist/server/store/sqlite/reader.js', import.meta.url);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function ledgerOf(calls: number): WrittenLedger {
  const ledger = writtenLedger('UTC');
  closing.push(() => ledger.remove());
  ledger.write(Array.from({ length: calls }, (_, n) => ({ ...anyCall, at: anyCall.at + n, cost: 2n ** 60n / BigInt(calls) })));
  return ledger;
}

function readerOf(file: string, options: Partial<ReportsOptions> = {}): Reports {
  const reports = openReports({ file, workerEntry, timezone: 'UTC', ...options });
  closing.push(() => reports.close());
  return reports;
}

const total = async (reports: Reports): Promise<bigint> => (await reports.usage({ filter: everything, groupBy: [], limit: 1 })).total.cost;
const outcomeOf = (asked: Promise<unknown>): Promise<unknown> => asked.then(() => 'answered', (error: Error) => error.name);

describe('the reading thread', () => {
  test('answers every kind of question, money to the nano-dollar', async () => {
    const ledger = ledgerOf(2);
    ledger.audit(1, 'key.create');
    const reports = readerOf(ledger.file);
    expect(await total(reports)).toBe(2n ** 60n);
    const { rows } = await reports.requests({ filter: everything, limit: 1, cursor: null });
    expect(rows[0]?.cost).toBe(2n ** 59n);
    expect((await reports.request(rows[0]?.id ?? ''))?.row).toEqual(rows[0]);
    expect(await reports.request('req_none')).toBeNull();
    expect((await reports.facets({ from: anyCall.at as never, to: epochMs(anyCall.at + 1) }, 5)).workspace).toEqual(['support']);
    expect((await reports.audit({ limit: 5, cursor: null })).rows.map((line) => line.action)).toEqual(['key.create']);
    const scope = { workspace: null, workflow: null, key: null, user: null, model: null };
    expect(await reports.hourlySpend(scope, epochMs(anyCall.at), epochMs(anyCall.at + 1))).toEqual([{ hour: anyCall.at, cost: 2n ** 60n }]);
  });

  test('sees what was committed since its last answer', async () => {
    const ledger = ledgerOf(1);
    const reports = readerOf(ledger.file);
    const before = await total(reports);
    ledger.write([{ ...anyCall, cost: 5n }]);
    expect(await total(reports)).toBe(before + 5n);
  });

  test('tells of a call what the ledger has promised, at each step of its life', async () => {
    const place = scratch();
    const opened = await place.open();
    closing.push(() => place.remove(), () => opened.ledger.close());
    const reports = readerOf(place.file, { timezone: 'Europe/Berlin' });
    const query = { filter: everything, limit: 1, cursor: null };
    const spentAndOutcome = async () => [await total(reports), (await reports.requests(query)).rows[0]?.outcome];

    const entry = openEntry('req_00000000000000000000000001');
    await opened.ledger.open(entry);
    expect(await spentAndOutcome()).toEqual([0n, null]);
    const ended = settlement(entry.id);
    await opened.ledger.settle(ended);
    expect(await spentAndOutcome()).toEqual([ended.cost.total, ended.outcome]);

    const detail = await reports.request(entry.id);
    expect(detail?.prices).toEqual(ended.cost.prices);
    expect(detail?.decisions).toEqual(entry.decisions);
    expect(detail?.attempts).toEqual(ended.attempts.map((attempt) => ({ ...attempt, limits: null, clientWaitMs: 0 })));
    expect(detail?.row).toMatchObject({ held: entry.held, tokens: ended.cost.tokens, serverTools: ended.cost.serverTools, modelRequested: entry.modelRequested });
  });

  test('reads an export in pages, oldest first, every row once', async () => {
    const ledger = ledgerOf(2_500);
    const rows: CallRow[] = [];
    for await (const row of readerOf(ledger.file).everyRequest(everything)) rows.push(row);
    expect(rows.map((row) => row.admittedAt)).toEqual(Array.from({ length: 2_500 }, (_, n) => anyCall.at + n));
  });

  test('gives a bad cursor back as a bad query, and goes on', async () => {
    const reports = readerOf(ledgerOf(1).file);
    await expect(reports.requests({ filter: everything, limit: 1, cursor: 'x' })).rejects.toBeInstanceOf(BadQuery);
    expect(await total(reports)).toBe(2n ** 60n);
  });

  test('turns questions away past its queue, and answers those in it', async () => {
    const reports = readerOf(ledgerOf(1).file, { queueLimit: 2 });
    const asked = [1, 2, 3, 4, 5].map(() => outcomeOf(total(reports)));
    // One is being answered, two wait.
    expect(await Promise.all(asked)).toEqual(['answered', 'answered', 'answered', 'ReportsUnavailable', 'ReportsUnavailable']);
  });

  test('gives up on an answer that takes too long, and answers the next from a new thread', async () => {
    const ledger = ledgerOf(1);
    // Without a write-ahead log a writer can shut readers out, which makes a query take as long as a test wants.
    ledger.db.pragma('journal_mode = DELETE');
    const reports = readerOf(ledger.file, { timeoutMs: 4_000 });
    expect(await total(reports)).toBe(2n ** 60n);
    ledger.db.exec('BEGIN EXCLUSIVE');
    const waiting = [outcomeOf(total(reports)), outcomeOf(total(reports))];
    expect(await Promise.all(waiting)).toEqual(['ReportsUnavailable', 'ReportsUnavailable']);
    ledger.db.exec('COMMIT');
    expect(await total(reports)).toBe(2n ** 60n);
  });

  test('that is lost is started anew with the next question', async () => {
    const ledger = ledgerOf(1);
    const crashes: string[] = [];
    const folder = mkdtempSync(join(tmpdir(), 'tollgate-reports-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'moved.db');
    const reports = readerOf(file, { onCrash: (error) => crashes.push(error.message) });
    await expect(total(reports)).rejects.toBeInstanceOf(ReportsUnavailable);
    expect(crashes).toHaveLength(1);
    ledger.db.pragma('journal_mode = DELETE');
    renameSync(ledger.file, file);
    expect(await total(reports)).toBe(2n ** 60n);
  });

  test('once closed refuses, what waits too, and closes twice', async () => {
    const reports = readerOf(ledgerOf(1).file);
    const asked = [outcomeOf(total(reports)), outcomeOf(total(reports))];
    await reports.close();
    await reports.close();
    expect(await Promise.all(asked)).toEqual(['ReportsUnavailable', 'ReportsUnavailable']);
    await expect(total(reports)).rejects.toBeInstanceOf(ReportsUnavailable);
  });

  test('reads over a connection that cannot write', () => {
    const ledger = ledgerOf(1);
    const source = openSource(ledger.file, 'UTC');
    closing.push(() => source.close());
    expect(() => source.all('DELETE FROM call RETURNING id', [])).toThrow(/readonly/);
  });
});
