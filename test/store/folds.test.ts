// test/store/folds.test.ts: folds say what their rows say, make way in the transaction that makes them untrue, and can be cut short anywhere.

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import type { Filter, Grouping } from '../../server/domain/reports.ts';
import { bucketsIn } from '../../server/store/sqlite/buckets.ts';
import { recut } from '../../server/store/sqlite/recovery.ts';
import { report } from '../../server/store/sqlite/reports.ts';
import { openSource, type Source } from '../../server/store/sqlite/reports-source.ts';
import { deleteOldRows } from '../../server/store/sqlite/retention.ts';
import { calls, everything, filters, PLACES } from './told-calls.ts';
import { anyCall, verdictsOf, writtenLedger, type ToldCall, type WrittenLedger } from './written-ledger.ts';

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

const DAY = 86_400_000;
const HOUR = 3_600_000;

function opened(zone = 'UTC'): { ledger: WrittenLedger; source: Source } {
  const ledger = writtenLedger(zone);
  const source = openSource(ledger.file, zone);
  closing.push(() => (source.close(), ledger.remove()));
  return { ledger, source };
}

const standing = ({ db }: WrittenLedger): Record<'hour' | 'day' | 'block', number> => {
  const of = (grain: number): number => db.prepare<[number], number>('SELECT count(*) FROM fold_done WHERE grain = ?').pluck().get(grain) ?? 0;
  return { hour: of(1), day: of(2), block: of(3) };
};

const GROUPINGS: readonly (readonly Grouping[])[] = [
  [], ['workspace'], ['workspace', 'workflow', 'model'], ['model', 'outcome'], ['outcome', 'day'], ['workspace', 'day'], ['month'], ['user'], ['user', 'day'], ['user', 'model'], ['user', 'workspace', 'month'], ['hour'], ['workspace', 'hour'], ['key', 'hour'], ['user', 'hour'],
];

/** All that the dashboard asks for, by whole days and by instants inside hours. */
function answers(source: Source, from: number, to: number, filter: Partial<Filter> = {}): unknown[] {
  const range = { from: epochMs(from), to: epochMs(to) };
  const asked = { ...everything, ...filter, ...range };
  const inOrder = <Row>(rows: readonly Row[]): Row[] => rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const shapes = report(source, 'shapes', { filter: asked, most: 100_000 });
  return [
    { ...shapes, speeds: inOrder(shapes.speeds) },
    ...([[], ['day'], ['workspace', 'workflow'], ['workspace', 'hour']] as const).map((groupBy) => inOrder(report(source, 'reasons', { filter: asked, groupBy }).rows)),
    ...([[], ['day'], ['workspace', 'workflow'], ['month', 'workspace'], ['hour']] as const).map((groupBy) => inOrder(report(source, 'verdicts', { filter: asked, groupBy }).rows)),
    ...[{ policy: ['budget:month'] }, { verdict: ['would_refuse', 'refuse'] }].flatMap((said) =>
      ([[], ['outcome', 'day'], ['workspace', 'hour']] as const).map((groupBy) => report(source, 'usage', { filter: { ...asked, ...said }, groupBy, limit: 10_000 }))),
    ...GROUPINGS.map((groupBy) => {
      const { rows, total } = report(source, 'usage', { filter: asked, groupBy, limit: 10_000 });
      // When a user called last is read from rows alone.
      return { rows: rows.map(({ lastAt: _, ...row }) => row), total };
    }),
    report(source, 'facets', { ...range, limit: 50 }),
    ...[null, 'support'].map((workspace) => report(source, 'hourlySpend', { scope: { workspace, workflow: null, key: null, user: null, model: null }, ...range }).toSorted((a, b) => a.hour - b.hour)),
    report(source, 'hourlySpend', { scope: { workspace: null, workflow: 'triage', key: null, user: null, model: 'claude-haiku-4-5' }, ...range }).toSorted((a, b) => a.hour - b.hour),
  ];
}

/** Three weeks of some calls in three hours of each day, on the hour and past it, by users enough for several parts. */
const weeks: readonly ToldCall[] = Array.from({ length: 700 }, (_, n) => ({
  ...anyCall, at: Date.UTC(2026, 5, 1) + Math.floor((n * 21) / 700) * DAY + (3 + (n % 3) * 6) * HOUR + (n % 7) * 480_001, workspace: n % 5 === 0 ? 'research' : 'support', workflow: n % 3 === 0 ? 'triage' : 'digest', user: n % 11 === 0 ? null : `user-${n % 37}`, action: n % 6 === 0 ? null : `a-${n % 23}`,
  outcome: n % 13 === 0 ? 'upstream_error' : n % 17 === 0 ? 'refused' : 'ok', cost: n % 100 === 0 ? 2n ** 52n + BigInt(n) : BigInt(n * n * 1_000), cacheSavings: BigInt(n % 2 === 0 ? -n : n), estimated: n % 19 === 0, tokens: { ...anyCall.tokens, output: n % 130 }, durationMs: 100 + n, timeToFirstTokenMs: n % 4 === 0 ? null : 50 + n,
  said: n % 9 === 0 ? [['budget:month', 'would_refuse'], ['budget:day', 'would_refuse']] : n % 8 === 0 ? [['cheaper_models:support', n % 16 === 0 ? 'rewrite' : 'would_rewrite']] : n % 17 === 0 && n % 2 === 0 ? [['limit:support/requests', 'refuse']] : [],
}));
const AFTER = Date.UTC(2026, 6, 20);
const FROM = Date.UTC(2026, 5, 2, 3, 20);
const TO = Date.UTC(2026, 5, 20, 14, 50);

describe('a fold', () => {
  test('answers as roll-ups and rows do, and in their place', () => {
    const { ledger, source } = opened();
    ledger.write(weeks);
    const before = [answers(source, FROM, TO), answers(source, FROM, TO, { workspace: ['support'] }), answers(source, FROM, TO, { user: ['user-3', ''] }), answers(source, FROM, TO, { model: ['claude-haiku-4-5-20251001'], outcome: ['ok', 'refused'] })];
    ledger.fold(AFTER);
    expect(standing(ledger).day).toBe(21);
    expect(standing(ledger).block).toBe(4);
    const after = [answers(source, FROM, TO), answers(source, FROM, TO, { workspace: ['support'] }), answers(source, FROM, TO, { user: ['user-3', ''] }), answers(source, FROM, TO, { model: ['claude-haiku-4-5-20251001'], outcome: ['ok', 'refused'] })];
    expect(after).toEqual(before);

    // Nothing but folds is left of whole days: the figures of those are still there.
    const days = [Date.UTC(2026, 5, 3), Date.UTC(2026, 5, 20)] as const;
    const whole = answers(source, ...days);
    ledger.db.exec('DELETE FROM rollup; DELETE FROM call; DELETE FROM attempt');
    // By user and hour with more than the workspace, and the model that was sent, only rows and roll-ups know; none is asked here but the last of these.
    expect(answers(source, ...days)).toEqual(whole);
  });

  test.each(PLACES.filter((_, n) => n === 1 || n === 6))('of any history, cut and filtered in any way, in $zone around $change, is what comes without', ({ zone, change }) => {
    const questions = fc.array(filters(change), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(calls(change), calls(change), questions, fc.integer({ min: -4, max: 25 }), (early, late, asked, days) => {
        const { ledger, source } = opened(zone);
        const reports = () => asked.map((filter) => answers(source, filter.from, filter.to, filter));
        ledger.write(early);
        ledger.fold(change + days * DAY);
        // Calls that come late to folded days: their folds make way at once.
        ledger.write(late);
        const inPart = reports();
        ledger.fold(change + days * DAY);
        const whole = reports();
        ledger.db.exec('DELETE FROM fold_done');
        const without = reports();
        expect(inPart).toEqual(without);
        expect(whole).toEqual(without);
        closing.splice(0).forEach((close) => close());
      }),
      { numRuns: 2 },
    );
  });

  test('makes way for a late call, the one of its hour, its day and its block, and comes again', () => {
    const { ledger, source } = opened();
    ledger.write(weeks);
    ledger.fold(AFTER);
    const all = standing(ledger);
    ledger.write([{ ...anyCall, at: Date.UTC(2026, 5, 9, 9, 30), user: 'late' }]);
    const left = standing(ledger);
    expect(left).toEqual({ hour: all.hour - 1, day: all.day - 1, block: all.block - 1 });
    expect(report(source, 'usage', { filter: { ...everything, user: ['late'] }, groupBy: [], limit: 1 }).total.requests).toBe(1);
    ledger.fold(AFTER);
    expect(standing(ledger)).toEqual(all);
    expect(report(source, 'usage', { filter: { ...everything, from: epochMs(Date.UTC(2026, 5, 1)), to: epochMs(Date.UTC(2026, 6, 1)), user: ['late'] }, groupBy: [], limit: 1 }).total.requests).toBe(1);
  });

  test('of a day without a call makes way for the first, where a block stood over it', () => {
    const { ledger, source } = opened();
    const quiet = Date.UTC(2026, 5, 9);
    ledger.write(weeks.filter(({ at }) => at < quiet || at >= quiet + DAY));
    ledger.fold(AFTER);
    const range = { from: epochMs(Date.UTC(2026, 5, 1)), to: epochMs(Date.UTC(2026, 6, 1)) };
    const count = (): number => report(source, 'usage', { filter: { ...everything, ...range }, groupBy: [], limit: 1 }).total.requests;
    const before = count();
    ledger.write([{ ...anyCall, at: quiet + 10 * HOUR }]);
    expect(count()).toBe(before + 1);
  });

  test('of a block holds a day that comes late before the first of the others once', () => {
    const { ledger, source } = opened();
    // A block of eight days begins on 2026-06-04.
    const [early, later] = [Date.UTC(2026, 5, 5, 10), Date.UTC(2026, 5, 8, 10)];
    const count = (): number => report(source, 'usage', { filter: { ...everything, from: epochMs(Date.UTC(2026, 5, 1)), to: epochMs(Date.UTC(2026, 5, 20)) }, groupBy: ['workspace'], limit: 9 }).total.requests;
    ledger.write([{ ...anyCall, at: later }]);
    ledger.fold(AFTER);
    ledger.write([{ ...anyCall, at: early }]);
    expect(standing(ledger).block).toBe(0);
    ledger.fold(AFTER);
    expect([count(), standing(ledger).block]).toEqual([2, 1]);
  });

  test('that was cut short at any step says nothing untrue, and is finished by the next process', () => {
    const { ledger, source } = opened();
    ledger.write(weeks);
    const truth = answers(source, FROM, TO);
    for (let round = 0; round < 60; round++) {
      // A folding that is never taken up again, as after a kill; the next begins without knowing of it.
      ledger.fold(AFTER, 61);
      ledger.forgetFolding();
      if (round % 15 === 0) expect(answers(source, FROM, TO)).toEqual(truth);
    }
    ledger.fold(AFTER);
    expect(standing(ledger)).toMatchObject({ day: 21, block: 4 });
    expect(answers(source, FROM, TO)).toEqual(truth);
  });

  test('begins anew when what it sums changes while it is made', () => {
    const { ledger, source } = opened();
    const day = Date.UTC(2026, 5, 10);
    ledger.write(weeks.filter(({ at }) => at >= day && at < day + DAY));
    const count = (): number => report(source, 'usage', { filter: { ...everything, from: epochMs(day), to: epochMs(day + DAY) }, groupBy: ['user'], limit: 100 }).total.requests;
    const before = count();
    for (let late = 0; late < 40; late++) {
      ledger.fold(AFTER, 3);
      ledger.write([{ ...anyCall, at: day + (late % 24) * HOUR + 5, user: 'late' }]);
      expect(count()).toBe(before + late + 1);
    }
    ledger.fold(AFTER);
    ledger.fold(AFTER);
    expect(standing(ledger).day).toBe(1);
    expect(count()).toBe(before + 40);
  });

  test('is not made of an hour or a day that is still going on, nor while a call of it is in flight', () => {
    const { ledger } = opened();
    const day = Date.UTC(2026, 5, 10);
    ledger.write([{ ...anyCall, at: day + 20 * HOUR }, { ...anyCall, at: day + 21 * HOUR, outcome: null }]);
    ledger.fold(day + 20.5 * HOUR);
    expect(standing(ledger)).toEqual({ hour: 0, day: 0, block: 0 });
    ledger.fold(day + 21.2 * HOUR);
    expect(standing(ledger)).toEqual({ hour: 1, day: 0, block: 0 });
    ledger.fold(day + DAY + 5 * 60_000);
    expect(standing(ledger)).toEqual({ hour: 1, day: 0, block: 0 });
    ledger.fold(day + DAY + HOUR);
    expect(standing(ledger).day).toBe(1);
  });

  test('tells sizes, speeds and reasons of all calls', () => {
    const { ledger, source } = opened();
    ledger.write([3, 4, 7, 8, 300, 0].map((output, n) => ({ ...anyCall, at: anyCall.at + n, tokens: { ...anyCall.tokens, output }, timeToFirstTokenMs: 200, durationMs: 1_200 })));
    ledger.write([{ ...anyCall, outcome: 'refused' }, { ...anyCall, outcome: 'refused', at: anyCall.at + DAY }, { ...anyCall, outcome: 'upstream_error', tokens: { ...anyCall.tokens, output: 0 } }]);
    const ask = () => {
      const { calls: served, sizes, speeds, overhead } = report(source, 'shapes', { filter: everything, most: 100 });
      expect(served).toBe(7);
      expect(sizes.map((step) => [step.from, step.answers])).toEqual([[2, 1], [4, 2], [8, 1], [16, 0], [32, 0], [64, 0], [128, 0], [256, 1]]);
      expect(speeds.map((one) => one.answers)).toEqual([1]);
      expect(Math.abs((speeds[0]?.p50 ?? 0) - 300)).toBeLessThan(9);
      expect(Math.abs((overhead.p95 ?? 0) - 0.25)).toBeLessThan(0.01);
      const { rows, total } = report(source, 'reasons', { filter: everything, groupBy: ['day'] });
      expect(total).toBe(3);
      expect(rows.map((row) => [row.outcome, row.reason, row.group.day, row.calls]).toSorted()).toEqual([
        ['refused', 'rate_limited', Date.UTC(2026, 5, 10), 1], ['refused', 'rate_limited', Date.UTC(2026, 5, 11), 1], ['upstream_error', 'overloaded_error', Date.UTC(2026, 5, 10), 1],
      ]);
    };
    ask();
    ledger.fold(AFTER);
    ask();
  });

  test('counts actions as their rows do: how many, of how many calls, at what cost, and what most of them cost within 3 %', () => {
    const { ledger, source } = opened();
    ledger.write(weeks);
    const questions = [[FROM, TO], [FROM, FROM + 30 * HOUR], [Date.UTC(2026, 5, 1), Date.UTC(2026, 5, 22)]].flatMap(([from = 0, to = 0]) =>
      ([[], ['workspace', 'workflow'], ['day'], ['hour'], ['workflow', 'month']] as const).flatMap((groupBy) =>
        [{}, { workspace: ['support'] }, { workspace: ['research', 'support'], workflow: ['digest'] }, { model: ['claude-haiku-4-5-20251001'] }].map((filter) => ({ filter: { ...everything, ...filter, from: epochMs(from), to: epochMs(to) }, groupBy, most: 100_000 }))));
    const ask = () => questions.map((question) => report(source, 'actions', question));
    const before = ask();
    ledger.fold(AFTER);
    const after = ask();
    const exact = ({ p50: _, p95: __, ...rest }: (typeof before)[number]['total']): unknown => rest;
    const near = (found: bigint | null, truth: bigint | null): boolean => (found === null || truth === null ? found === truth : Math.abs(Number(found) - Number(truth)) <= Number(truth) * 0.03 + 1);
    for (const [i, { rows, total, steps, dearest, from }] of after.entries()) {
      const truth = before[i] as (typeof before)[number];
      expect(exact(total)).toEqual(exact(truth.total));
      expect(from).toBe(truth.from);
      expect([near(total.p50, truth.total.p50), near(total.p95, truth.total.p95)]).toEqual([true, true]);
      expect(new Map(rows.map((row) => [JSON.stringify(row.group), exact(row)]))).toEqual(new Map(truth.rows.map((row) => [JSON.stringify(row.group), exact(row)])));
      expect(steps.reduce((sum, step) => sum + step.actions, 0)).toBe(truth.steps.reduce((sum, step) => sum + step.actions, 0));
      expect(dearest.map(({ cost, calls: count }) => [cost, count])).toEqual(truth.dearest.map(({ cost, calls: count }) => [cost, count]));
      for (const one of dearest) expect(one.action).toMatch(/^a-\d+$/);
    }
  });

  test('tells what rules said, of calls that have ended, of a day by its fold alone', () => {
    const { ledger, source } = opened();
    ledger.write(weeks);
    ledger.write([{ ...anyCall, at: AFTER - HOUR, outcome: null, said: [['budget:month', 'would_refuse']] }]);
    const count = (verdict: string): number => weeks.reduce((sum, call) => sum + verdictsOf(call).filter(([, said]) => said === verdict).length, 0);
    const filter = { ...everything, from: epochMs(Date.UTC(2026, 5, 1)), to: epochMs(AFTER) };
    const ask = () => report(source, 'verdicts', { filter: { ...filter, verdict: ['would_refuse', 'refuse'] }, groupBy: [] });
    const before = ask();
    expect(before.total).toBe(count('would_refuse') + count('refuse'));
    expect(before.rows.map(({ policy, verdict }) => [policy, verdict])).toEqual(expect.arrayContaining([['budget:month', 'would_refuse'], ['budget:day', 'would_refuse'], ['limit:support/requests', 'refuse'], [null, 'refuse']]));
    ledger.fold(AFTER);
    ledger.db.exec('DELETE FROM verdict');
    expect(ask()).toEqual(before);
  });

  test('outlives its rows', () => {
    const { ledger, source } = opened();
    ledger.write(weeks);
    ledger.fold(AFTER);
    const asked = (): unknown => report(source, 'usage', { filter: { ...everything, from: epochMs(FROM), to: epochMs(Date.UTC(2026, 5, 20, 14)) }, groupBy: ['user', 'workspace'], limit: 1_000 });
    // The range begins inside an hour, whose rows go; a whole one is told by its fold.
    const whole = (): unknown => report(source, 'usage', { filter: { ...everything, from: epochMs(Date.UTC(2026, 5, 2, 3)), to: epochMs(Date.UTC(2026, 5, 20, 14)) }, groupBy: ['user', 'workspace'], limit: 1_000 });
    const [before, beforeWhole] = [asked(), whole()];
    while (deleteOldRows(ledger.db, { now: AFTER, days: 10, zone: 'UTC' }) > 0);
    expect(whole()).toEqual(beforeWhole);
    expect(asked()).not.toEqual(before);
  });

  test('of another zone is made anew', () => {
    const { ledger } = opened('UTC');
    ledger.write(weeks);
    ledger.fold(AFTER);
    recut(ledger.db, bucketsIn('Asia/Kathmandu'), 'Asia/Kathmandu');
    expect(standing(ledger)).toEqual({ hour: 0, day: 0, block: 0 });
    const source = openSource(ledger.file, 'Asia/Kathmandu');
    closing.unshift(() => source.close());
    const before = answers(source, FROM, TO);
    ledger.forgetFolding('Asia/Kathmandu');
    ledger.fold(AFTER);
    expect(standing(ledger).block).toBeGreaterThan(1);
    expect(answers(source, FROM, TO)).toEqual(before);
  });
});

describe('the check of a day', () => {
  const days = Array.from({ length: 21 }, (_, n) => Date.UTC(2026, 5, 1 + n));

  test('finds nothing in folds as they were made', () => {
    const { ledger, source } = opened();
    ledger.write(weeks);
    ledger.fold(AFTER);
    for (const day of days) expect(report(source, 'checkDay', { day }).drift).toEqual([]);
  });

  test('finds a figure of any view that was changed', () => {
    const { ledger, source } = opened();
    ledger.write(weeks);
    ledger.fold(AFTER);
    const widths: Readonly<Record<number, number>> = { 1: 5, 2: 6, 3: 2, 4: 6, 5: 2, 7: 3, 9: 4, 10: 4, 11: 7, 8: 3, 12: 3, 13: 2, 14: 3, 15: 7, 16: 6 };
    const of = ledger.db.prepare<[number, number], { bucket: number; part: number; content: Buffer }>('SELECT bucket, part, content FROM fold WHERE grain = ? AND view = ? ORDER BY bucket DESC, part LIMIT 1');
    const write = ledger.db.prepare('UPDATE fold SET content = ? WHERE grain = ? AND bucket = ? AND view = ? AND part = ?');
    const last = days.slice(-8);
    for (const [grain, view] of [[1, 2], [1, 3], ...[2, 3].flatMap((one) => [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 15, 16].map((two) => [one, two] as const)), [2, 5], [2, 13], [2, 14]] as const) {
      const { bucket, part, content } = of.get(grain, view)!;
      // The columns begin after the head, a multiple of eight; the first sum is the number of calls, which is never 0.
      const width = widths[view] as number;
      const changed = Buffer.from(content);
      let at = (4 + width + 18 + 7) & ~7;
      for (let column = 0; column < width; column++) at += ((content[4 + column] as number) * content.readUInt32LE(0) + 7) & ~7;
      changed[at] = (changed[at] as number) + 1;
      write.run(changed, grain, bucket, view, part);
      const drift = last.flatMap((day) => report(source, 'checkDay', { day }).drift);
      // A block of what only rows know is compared with its days: a day that was changed may show in both.
      expect([1, 2], `grain ${grain}, view ${view}`).toContain(drift.length);
      expect(drift[0]).toMatchObject({ kind: 'rollup', figure: 'calls', subject: expect.stringContaining('fold of') as unknown });
      expect((drift[0]?.found ?? 0n) - (drift[0]?.expected ?? 0n)).toBe(1n);
      write.run(content, grain, bucket, view, part);
    }
  });

  test('finds a distribution that was changed, and one of the dearest actions that is none', () => {
    const { ledger, source } = opened();
    ledger.write(weeks);
    ledger.fold(AFTER);
    const of = ledger.db.prepare<[number, number], { bucket: number; part: number; content: Buffer }>('SELECT bucket, part, content FROM fold WHERE grain = ? AND view = ? ORDER BY bucket DESC, part LIMIT 1');
    const write = ledger.db.prepare('UPDATE fold SET content = ? WHERE grain = ? AND bucket = ? AND view = ? AND part = ?');
    const drifts = (grain: number, view: number, change: (content: Buffer) => void) => {
      const { bucket, part, content } = of.get(grain, view)!;
      const changed = Buffer.from(content);
      change(changed);
      write.run(changed, grain, bucket, view, part);
      const drift = days.slice(-8).flatMap((day) => report(source, 'checkDay', { day }).drift);
      write.run(content, grain, bucket, view, part);
      return drift;
    };
    // The last byte of a fold is how often its last value came.
    for (const [grain, view] of [[1, 2], [2, 1], [2, 3], [2, 9], [2, 12], [2, 14], [2, 15], [2, 16], [3, 2], [3, 4]] as const) {
      expect(drifts(grain, view, (content) => (content[content.length - 1] = content.at(-1)! + 1))[0], `grain ${grain}, view ${view}`).toMatchObject({ figure: expect.stringMatching(/distribution/) as unknown });
    }
    // The first column of the dearest is the call that leads to them.
    for (const grain of [2, 3]) expect(drifts(grain, 8, (content) => (content[(4 + 3 + 18 + 7) & ~7] = content[(4 + 3 + 18 + 7) & ~7]! ^ 1)).length, `grain ${grain}`).toBeGreaterThan(0);
  });
});
