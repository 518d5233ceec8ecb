// test/alert/engine.test.ts: the alert engine over its database: told once whatever restarts, clock steps and calls there are; evaluated by time and after settlements, never per call.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { openEntry, settlement } from '../store/samples.ts';
import { budgetScene, saidTo } from './scene.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let scene: Awaited<ReturnType<typeof budgetScene>>;
beforeEach(async () => {
  scene = await budgetScene();
});
afterEach(() => scene.close());

const told = () => saidTo(scene.receiver).map(({ rule, severity, resolved }) => `${resolved ? 'resolved' : 'firing'} ${rule} ${severity}`);

test.each(['closed', 'killed'] as const)('a gateway that was %s tells nothing twice, and still tells the end', async (how) => {
  scene.spend(330);
  await scene.pass(2 * MINUTE);
  const [before] = scene.alerts().states();
  await scene.restart(how);
  await scene.pass(HOUR);
  expect(told()).toEqual(['firing budget warning']);
  expect(scene.alerts().states()).toMatchObject([{ state: 'firing', incident: before!.incident, since: before!.since }]);
  scene.spend(0);
  await scene.restart(how);
  await scene.pass(2 * MINUTE);
  expect(told()).toEqual(['firing budget warning', 'resolved budget warning']);
  expect(new Set(saidTo(scene.receiver).map(({ incident }) => incident)).size).toBe(1);
});

test('a message that could not be sent before a kill is sent after it, with the id it had', async () => {
  scene.receiver.answers.push({ status: 503 });
  scene.spend(330);
  await scene.pass(MINUTE + 2_000);
  expect(scene.receiver.received).toHaveLength(1);
  await scene.restart('killed');
  await scene.pass(MINUTE);
  expect(scene.receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([scene.receiver.received[0]!.headers['webhook-id'], scene.receiver.received[0]!.headers['webhook-id']]);
});

test.each([-25, -1, 1, 25])('a clock that steps by %i hours tells nothing twice', async (hours) => {
  scene.spend(330);
  await scene.pass(2 * MINUTE);
  scene.time.clock.at = epochMs(scene.time.clock.at + hours * HOUR);
  for (let i = 0; i < 5; i++) await scene.alerts().look();
  await scene.pass(Math.max(0, -hours) * HOUR + 5 * MINUTE);
  expect(told()).toEqual(['firing budget warning']);
});

test('a thousand calls that settle within a second are one look, a second later', async () => {
  const before = scene.happened.length;
  scene.spend(210);
  for (let i = 0; i < 1_000; i++) scene.alerts().observer.settled({ opened: openEntry(`req_${i}`), settlement: settlement(`req_${i}`) });
  await scene.pass(900);
  expect(scene.happened).toHaveLength(before);
  await scene.pass(200);
  expect(scene.happened.map(({ event }) => event)).toEqual(['fired']);
  expect(scene.happened[0]!.at % MINUTE).toBe(1_000);
  await scene.pass(HOUR);
  expect(told()).toEqual(['firing budget info']);
});

test('an alert that nobody takes on is told again, through a restart, and one that somebody has taken on is not', async () => {
  await scene.close();
  scene = await budgetScene({}, { repeatMs: 24 * HOUR });
  scene.spend(330);
  await scene.pass(MINUTE + 2_000);
  await scene.restart('closed');
  // A day passes; the engine looks at its ends alone.
  scene.time.clock.at = epochMs(scene.time.clock.at + 24 * HOUR);
  await scene.pass(3 * MINUTE);
  expect(saidTo(scene.receiver).map(({ repeated }) => repeated)).toEqual([false, true]);
  const [state] = scene.alerts().states();
  await scene.alerts().acknowledge(state!.fingerprint, 'jane');
  scene.time.clock.at = epochMs(scene.time.clock.at + 24 * HOUR);
  await scene.pass(3 * MINUTE);
  expect(saidTo(scene.receiver)).toHaveLength(2);
});

test('the end of what was critical is told as such, to a channel that hears of nothing less, though it had calmed down before', async () => {
  await scene.close();
  scene = await budgetScene({}, { minSeverity: 'critical' });
  scene.spend(410);
  await scene.pass(2 * MINUTE);
  // Past 80 % of the new limit only, and then below everything.
  scene.limit(500);
  await scene.pass(2 * MINUTE);
  expect(scene.alerts().states()).toMatchObject([{ state: 'firing', text: { severity: 'warning' } }]);
  scene.spend(0);
  await scene.pass(2 * MINUTE);
  expect(told()).toEqual(['firing budget critical', 'resolved budget critical']);
});
