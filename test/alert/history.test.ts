// test/alert/history.test.ts: what is read of the past hour by hour is what one reading of all of it tells, in a zone whose hours begin at a quarter, too.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { History } from '../../server/alert/history.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Reports } from '../../server/domain/reports.ts';
import { openReports } from '../../server/store/sqlite/reader-client.ts';
import type { OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { chanceOf } from '../standin/chance.ts';
import { caller, clockAt, cost, openEntry, settlement } from '../store/samples.ts';
import { scratch } from '../store/scratch.ts';
import { readerEntry, usd } from './scene.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const WEEK = 168 * HOUR;
const BEGIN = Date.UTC(2026, 9, 1, 3, 20);
const NOW = BEGIN + 9 * 24 * HOUR;

describe.each(['Asia/Kathmandu', 'Europe/Berlin'])('in %s', (zone) => {
  const disk = scratch();
  let ledger: OpenLedger;
  let reports: Reports;
  let number = 0;
  const options = () => ({ reports, budgets: [], zone, weeks: 2, keys: true });

  /** Calls of a time, as they would have come. */
  async function calls(from: number, to: number): Promise<void> {
    const written: Promise<unknown>[] = [];
    for (let at = from; at < to; at += 17 * MINUTE) {
      const chance = chanceOf('history', at);
      const id = `req_${String(++number).padStart(6, '0')}`;
      const model = `model-${Math.floor(chance.next() * 4)}`;
      written.push(
        ledger.ledger.open(openEntry(id, { admittedAt: epochMs(at), caller: caller({ workspace: chance.next() < 0.5 ? 'support' : 'shop', key: `key-${Math.floor(chance.next() * 3)}` }), modelSent: model, modelRequested: model })),
        ledger.ledger.settle(settlement(id, { endedAt: epochMs(at), cost: cost({ total: usd(chance.next()), modelServed: model }), attempts: [] })),
      );
    }
    await Promise.all(written);
  }

  beforeAll(async () => {
    ledger = await disk.open({ clock: clockAt(epochMs(NOW)), timezone: zone });
    reports = openReports({ file: disk.file, workerEntry: readerEntry, timezone: zone });
    await calls(BEGIN, NOW - 30 * HOUR);
  });
  afterAll(async () => {
    await reports.close();
    await ledger.ledger.close();
    disk.remove();
  });

  test('reading on hour by hour, over a day, comes to the same as reading all', async () => {
    let known = await History.read(options(), epochMs(NOW - 30 * HOUR), epochMs(NOW - 30 * HOUR));
    const first = known;
    let wholes = 0;
    for (let at = NOW - 30 * HOUR; at < NOW; at += HOUR) {
      await calls(at, at + HOUR);
      const next = await History.read(options(), epochMs(at + HOUR), epochMs(at + HOUR), known);
      if (next !== known) wholes++;
      known = next;
    }
    // Once a day all of it is read anew.
    expect([wholes, known === first]).toEqual([1, false]);
    const whole = await History.read(options(), epochMs(NOW), epochMs(NOW));
    for (let at = NOW; at < NOW + WEEK; at += 23 * MINUTE) {
      for (const workspace of ['support', 'shop']) expect(known.usual(workspace, epochMs(at))).toEqual(whole.usual(workspace, epochMs(at)));
      expect(known.usualCalls(epochMs(at))).toEqual(whole.usualCalls(epochMs(at)));
    }
    expect(known.habits).toEqual(whole.habits);
  });

  test('a clock that was set back has it all read anew', async () => {
    const known = await History.read(options(), epochMs(NOW), epochMs(NOW));
    const earlier = await History.read(options(), epochMs(NOW - HOUR), epochMs(NOW - HOUR), known);
    expect(earlier).not.toBe(known);
    expect(earlier.usual('support', epochMs(NOW - HOUR))).toEqual((await History.read(options(), epochMs(NOW - HOUR), epochMs(NOW - HOUR))).usual('support', epochMs(NOW - HOUR)));
  });
});
