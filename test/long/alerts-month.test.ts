// test/long/alerts-month.test.ts: a month through the live engine, with three incidents and without: each is told once, when it should be, and nothing is told that the month did not bring.

import { beforeAll, describe, expect, test } from 'vitest';
import { DateTime } from 'luxon';
import { epochMs } from '../../server/domain/ids.ts';
import { expectedOf } from '../alert/expected.ts';
import { live, type Life, type Lived } from '../alert/live-month.ts';
import { BEGIN, COLLAPSE, LEAK, LOOP, MONTH, ZONE } from '../alert/month.ts';

const instant = (at: number): string => DateTime.fromMillis(at, { zone: ZONE }).toFormat('MM-dd HH:mm:ss');

describe.each([
  { name: 'with a runaway loop, a cache collapse and a slow leak', troubled: true },
  { name: 'in which nothing goes wrong', troubled: false },
])('a month $name', ({ troubled }) => {
  // Killed once while the leak goes on, and once more in the middle of a night.
  const life: Life = { begin: BEGIN, from: MONTH.from, to: MONTH.to, troubled, killedAt: [epochMs(MONTH.from + 11.5 * 86_400_000), epochMs(MONTH.from + 20.1 * 86_400_000)] };
  let lived: Lived;
  let firings: { what: string; at: number }[];
  beforeAll(async () => {
    lived = await live(life);
    firings = lived.said.filter(({ resolved }) => !resolved).map(({ rule, scope, severity, at }) => ({ what: `${rule} ${scope} ${severity}`, at: Date.parse(at) }));
    console.log([`limits ${JSON.stringify(lived.limits)}, ${lived.spent.length} calls, ${lived.looks} looks, deliveries ${JSON.stringify(lived.results)}`, ...lived.said.map(({ rule, scope, severity, at, resolved }) => `${instant(Date.parse(at))} ${resolved ? 'resolved' : 'fired'} ${rule} ${scope} ${severity}`)].join('\n'));
  }, 1_800_000);

  test('what has to be told is told, each once, within its time', () => {
    const { must, may } = expectedOf(lived, life);
    const told = firings.filter(({ what }) => !may.some((one) => one.what === what));
    expect(told.map(({ what }) => what).sort()).toEqual(must.map(({ what }) => what).sort());
    for (const { what, from, to } of must) {
      const at = told.find((one) => one.what === what)!.at;
      expect([what, at >= from && at <= to ? 'in time' : `at ${instant(at)}, expected from ${instant(from)} to ${instant(to)}`]).toEqual([what, 'in time']);
    }
  });

  test('nothing is told twice, and nothing was lost on the way', () => {
    expect(firings.length).toBe(new Set(firings.map(({ what }) => what)).size);
    expect(Object.keys(lived.results)).toEqual(['delivered']);
  });

  test('a replay of the ledger says the same, to its five minutes', () => {
    const replayed = lived.replayed.filter(({ event }) => event !== 'resolved').map(({ rule, scope, severity, at }) => ({ what: `${rule} ${scope} ${severity}`, at }));
    expect(replayed.map(({ what }) => what).sort()).toEqual(firings.map(({ what }) => what).sort());
    // A forecast moves with the hour in which its past is read: it may differ by that.
    for (const { what, at } of replayed) expect(Math.abs(at - firings.find((one) => one.what === what)!.at), what).toBeLessThanOrEqual(what.startsWith('forecast') ? 3_600_000 : 5 * 60_000);
  });

  test.runIf(troubled)('every incident is told first by the rule that is for it, and what ended is said to have ended', () => {
    const first = (scope: RegExp, from: number) => firings.find(({ what, at }) => scope.test(what) && at >= from)!;
    expect(first(/engineering/, LOOP.from).what).toBe('anomaly engineering critical');
    // By then the month has brought support to half of its budget, which is told for what it is.
    expect(firings.find(({ what, at }) => /support/.test(what) && !what.includes('info') && at >= COLLAPSE.from)!.what).toBe('anomaly support critical');
    expect(firings.find(({ what, at }) => /research/.test(what) && !what.includes('info') && at >= LEAK.from)!.what).toBe('forecast research-month warning');
    const over = lived.said.filter(({ resolved, rule }) => resolved && rule === 'anomaly').map(({ scope, at }) => ({ scope, at: Date.parse(at) }));
    expect(over.map(({ scope }) => scope)).toEqual(['engineering', 'support']);
    for (const [index, { to }] of [LOOP, COLLAPSE].entries()) {
      expect(over[index]!.at).toBeGreaterThan(to);
      expect(over[index]!.at).toBeLessThan(to + 3 * 3_600_000);
    }
  });

  test.runIf(!troubled)('a month in which nothing goes wrong tells of nothing but the money that was spent', () => {
    expect(firings.filter(({ what }) => !what.startsWith('budget '))).toEqual([]);
  });
});
