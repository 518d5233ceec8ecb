// test/alert/live-day.test.ts: one day of the scene of test/long/alerts-month through the live engine: the loop is told once, in time, and ends; nothing else is told.

import { DateTime } from 'luxon';
import { expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { expectedOf } from './expected.ts';
import { live, type Life } from './live-month.ts';
import { LOOP, ZONE } from './month.ts';

const at = (text: string) => epochMs(DateTime.fromISO(text, { zone: ZONE }).toMillis());

test('a runaway loop is told once, when it has lasted twenty minutes, through a kill in the middle of it, and its end is told', async () => {
  const life: Life = { begin: at('2026-09-07'), from: at('2026-10-07T08:00'), to: at('2026-10-07T19:00'), troubled: true, killedAt: [epochMs(LOOP.from + 100 * 60_000)] };
  const lived = await live(life);
  const { must, may } = expectedOf(lived, life);
  const firings = lived.said.filter(({ resolved }) => !resolved).map((one) => ({ what: `${one.rule} ${one.scope} ${one.severity}`, at: Date.parse(one.at) }));
  expect(must.map(({ what }) => what)).toContain('anomaly engineering critical');
  expect(firings.map(({ what }) => what).filter((what) => !may.some((one) => one.what === what)).sort()).toEqual(must.map(({ what }) => what).sort());
  for (const { what, from, to } of must) {
    const told = firings.find((one) => one.what === what)!.at;
    expect(told).toBeGreaterThanOrEqual(from);
    expect(told).toBeLessThanOrEqual(to);
  }
  expect(lived.said.filter(({ resolved, rule }) => resolved && rule === 'anomaly')).toHaveLength(1);
  // The replay looks every five minutes, and sees the same day.
  expect(lived.replayed.map(({ event, rule, scope }) => `${event === 'resolved' ? 'resolved' : 'fired'} ${rule} ${scope}`)).toEqual(lived.said.map(({ resolved, rule, scope }) => `${resolved ? 'resolved' : 'fired'} ${rule} ${scope}`));
  for (const [index, { at: when }] of lived.replayed.entries()) expect(Math.abs(when - Date.parse(lived.said[index]!.at))).toBeLessThanOrEqual(5 * 60_000);
}, 300_000);
