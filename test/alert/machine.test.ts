// test/alert/machine.test.ts: what becomes of an alert: told once per threshold and period, whatever the clock does.

import { expect, test } from 'vitest';
import type { AlertState, Reading } from '../../server/domain/alert.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { step, stepGone } from '../../server/alert/machine.ts';

const T0 = Date.UTC(2026, 10, 1);
const MINUTE = 60_000;

const reading = (tier: number, more: Partial<Reading> = {}): Reading => ({
  rule: 'budget', scope: 'support-month', period: epochMs(T0), basis: '400', tier, keeps: tier, severity: 'warning', forMs: 0, clearMs: 0, rearmMs: null,
  title: 't', text: 'x', facts: [], value: tier, threshold: 1, unit: 'usd', notify: null, ...more,
});

/** One look a minute; the events, `.` where nothing was told. */
function run(looks: readonly Reading[], minutes: readonly number[] = looks.map((_, index) => index)): { events: string; last: AlertState | null } {
  let state: AlertState | null = null;
  let n = 0;
  const events = looks.map((each, index) => {
    const after = step(state, each, epochMs(T0 + (minutes[index] as number) * MINUTE), () => `i${++n}`);
    state = after.state;
    return after.event ?? '.';
  });
  return { events: events.join(' '), last: state };
}

const held = (tier: number): Reading => reading(tier, { forMs: 2 * MINUTE, rearmMs: 0 });

test.each([
  { name: 'tells each tier once, however often it is seen', looks: [0, 1, 1, 2, 2, 3, 3].map((tier) => reading(tier)), events: '. fired . raised . raised .' },
  { name: 'tells only the highest of tiers that are reached at once', looks: [reading(3), reading(3)], events: 'fired .' },
  { name: 'does not resolve within the hysteresis', looks: [reading(1), reading(0, { keeps: 1 }), reading(0)], events: 'fired . resolved' },
  { name: 'does not tell a tier twice in a period', looks: [reading(1), reading(0), reading(1), reading(0)], events: 'fired resolved . .' },
  { name: 'tells a tier anew against another limit', looks: [reading(1), reading(0, { basis: '800' }), reading(1, { basis: '800' })], events: 'fired resolved fired' },
  { name: 'waits for as long as the rule asks', looks: [1, 1, 1, 1].map(held), events: '. . fired .' },
  { name: 'starts to wait anew after a look that saw nothing', looks: [1, 1, 0, 1, 1, 1].map(held), events: '. . . . . fired' },
  { name: 'tells an episode again once it was over', looks: [1, 1, 1, 0, 1, 1, 1].map(held), events: '. . fired resolved . . fired' },
])('an alert $name', ({ looks, events }) => {
  expect(run(looks).events).toBe(events);
});

test('a clock that jumps ahead does not fire what was seen once', () => {
  expect(run([held(1), held(1)], [0, 600]).events).toBe('. fired');
  expect(run([held(1)], [600]).events).toBe('.');
});

test('a clock that is set back tells nothing twice, and still lets an alert end', () => {
  expect(run([reading(1), reading(1), reading(1), reading(0)], [60, 0, 1, 2]).events).toBe('fired . . resolved');
  expect(run([held(1), held(1), held(1)], [60, 0, 2]).events).toBe('. . fired');
});

test('an alert that no rule speaks of any more is resolved, once', () => {
  const { last } = run([reading(1)]);
  const gone = stepGone(last!, epochMs(T0 + MINUTE));
  expect(gone).toMatchObject({ event: 'resolved', state: { state: 'resolved' } });
  expect(stepGone(gone.state!, epochMs(T0 + 2 * MINUTE)).event).toBeNull();
});

test('what is told knows when each tier was reached', () => {
  const { last } = run([reading(1), reading(1), reading(3)]);
  expect(last!.reachedAt).toEqual([T0, T0 + 2 * MINUTE, T0 + 2 * MINUTE]);
});

test('what costs $60 an hour more than usual for two hours comes to about $120, counted once however often it is looked at', () => {
  // The hour before each minute: it fills up for an hour, stays full for one, and empties for one.
  const excess = (minute: number): number => 60 * Math.max(0, Math.min(minute, 120, 60, 180 - minute) / 60);
  for (const every of [1, 5]) {
    const minutes = Array.from({ length: 180 / every }, (_, i) => (i + 1) * every);
    const { last } = run(minutes.map((minute) => reading(excess(minute) > 20 ? 1 : 0, { keeps: 1, excessPerHour: excess(minute) })), minutes);
    expect(last!.extra).toBeGreaterThan(108);
    expect(last!.extra).toBeLessThan(132);
  }
});
