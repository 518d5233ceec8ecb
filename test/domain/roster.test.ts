// test/domain/roster.test.ts: a roster holds who entered and has not left, whatever the order.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Roster, type Seat } from '../../server/domain/roster.ts';

test('a roster is the set of those who entered and have not left', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant('enter' as const), fc.nat(20)), { maxLength: 60 }), (steps) => {
      const roster = new Roster<number>();
      const inside = new Map<number, Seat<number>>();
      const everSeated: Seat<number>[] = [];
      for (const [member, step] of steps.entries()) {
        if (step === 'enter') {
          const seat = roster.enter(member);
          inside.set(member, seat);
          everSeated.push(seat);
        } else if (everSeated.length > 0) {
          // Also those who left before: leaving twice changes nothing.
          const seat = everSeated[step % everSeated.length]!;
          roster.leave(seat);
          inside.delete(seat.member);
        }
      }
      expect(roster.size).toBe(inside.size);
      expect([...roster].sort()).toEqual([...inside.keys()].sort());
    }),
  );
});

test('members may leave while the roster is walked', () => {
  const roster = new Roster<string>();
  const seats = ['a', 'b', 'c'].map((name) => roster.enter(name));
  const met: string[] = [];
  for (const name of roster) {
    met.push(name);
    for (const seat of seats) roster.leave(seat);
  }
  expect(met).toEqual(['a', 'b', 'c']);
  expect(roster.size).toBe(0);
});
