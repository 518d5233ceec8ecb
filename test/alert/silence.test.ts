// test/alert/silence.test.ts: a silence keeps messages back and loses nothing: what fires under it is on record, and is told when it ends if it still fires.

import { afterEach, expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { isAbout, MOST_SILENCES, silenceOf, type Silence } from '../../server/domain/silence.ts';
import { budgetScene, saidTo } from './scene.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let scene: Awaited<ReturnType<typeof budgetScene>>;
let closed = true;
const begin = async (...more: Parameters<typeof budgetScene>): Promise<void> => {
  scene = await budgetScene(...more);
  closed = false;
};
afterEach(async () => {
  if (!closed) await scene.close();
  closed = true;
});

const told = () => saidTo(scene.receiver).map(({ rule, severity, resolved, repeated }) => `${resolved ? 'resolved' : repeated ? 'still' : 'firing'} ${rule} ${severity}`);
const silence = (hours: number, more: Partial<Pick<Silence, 'rule' | 'scope'>> = {}) => scene.alerts().silence({ rule: 'budget', scope: 'support-*', until: epochMs(scene.time.clock.at + hours * HOUR), reason: 'load test', actor: 'jane', ...more });

test('what fires under a silence is shown and recorded, not sent, and is told once the silence is over', async () => {
  await begin();
  await silence(2);
  scene.spend(330);
  await scene.pass(HOUR);
  expect(told()).toEqual([]);
  expect(scene.alerts().states()).toMatchObject([{ state: 'firing', rule: 'budget', tier: 2, announced: false }]);
  expect(scene.alerts().open().count).toBe(0);
  expect(scene.alerts().deliveries()).toMatchObject([{ channel: 'hook', rule: 'budget', result: 'silenced', attempt: 0, status: null }]);
  expect(scene.alerts().deliveries()[0]!.detail).toMatch(/^silenced by jane until .*: load test$/);
  await scene.pass(HOUR + 2 * MINUTE);
  expect(told()).toEqual(['firing budget warning']);
  await scene.pass(HOUR);
  expect(told()).toEqual(['firing budget warning']);
  expect(scene.alerts().open()).toEqual({ count: 1, worst: 'warning' });
});

test('what fires and ends under a silence is never told', async () => {
  await begin();
  await silence(2);
  scene.spend(330);
  await scene.pass(10 * MINUTE);
  scene.limit(1_000);
  await scene.pass(3 * HOUR);
  expect(scene.alerts().states()).toMatchObject([{ state: 'resolved' }]);
  expect(told()).toEqual([]);
});

test('the end of what was told before a silence is told within it; its rise is told after it', async () => {
  await begin();
  scene.spend(210);
  await scene.pass(5 * MINUTE);
  expect(told()).toEqual(['firing budget info']);
  await silence(1);
  scene.spend(330);
  await scene.pass(30 * MINUTE);
  expect(told()).toEqual(['firing budget info']);
  await scene.pass(HOUR);
  expect(told()).toEqual(['firing budget info', 'firing budget warning']);
  await silence(1);
  scene.limit(1_000);
  await scene.pass(10 * MINUTE);
  expect(told()).toEqual(['firing budget info', 'firing budget warning', 'resolved budget warning']);
});

test('lifting a silence tells at once what still fires, and taking it on under the silence needs no message', async () => {
  await begin();
  const first = await silence(3);
  scene.spend(330);
  await scene.pass(MINUTE);
  await scene.alerts().lift(first!.id);
  await scene.pass(2_000);
  expect(told()).toEqual(['firing budget warning']);
  await silence(3);
  scene.spend(400);
  await scene.pass(MINUTE);
  const [state] = scene.alerts().states();
  await scene.alerts().acknowledge(state!.fingerprint, 'jane');
  await scene.pass(4 * HOUR);
  expect(told()).toEqual(['firing budget warning']);
  expect(await scene.alerts().lift('silence_nobody')).toBeNull();
});

test('a message that still waits when the silence begins is not sent', async () => {
  await begin({ gatherMs: 30_000 });
  scene.spend(330);
  await scene.pass(MINUTE);
  expect(scene.alerts().waiting()).toHaveLength(1);
  await silence(1);
  expect(scene.alerts().waiting()).toEqual([]);
  await scene.pass(30 * MINUTE);
  expect(told()).toEqual([]);
  expect(scene.alerts().deliveries().map(({ result }) => result)).toEqual(['silenced']);
  await scene.pass(HOUR);
  expect(told()).toEqual(['firing budget warning']);
});

test('a silence outlives a restart, and so does what it keeps back', async () => {
  await begin();
  await silence(2);
  scene.spend(330);
  await scene.pass(10 * MINUTE);
  await scene.restart('killed');
  expect(scene.alerts().silences()).toMatchObject([{ rule: 'budget', scope: 'support-*', reason: 'load test', actor: 'jane', liftedAt: null }]);
  await scene.pass(HOUR);
  expect(told()).toEqual([]);
  await scene.pass(HOUR);
  expect(told()).toEqual(['firing budget warning']);
});

test('open pages hear of a silence, of what fires under it, and how many are open', async () => {
  await begin();
  scene.spend(330);
  await scene.pass(MINUTE);
  const made = await silence(1);
  await scene.alerts().lift(made!.id);
  scene.limit(1_000);
  await scene.pass(MINUTE);
  expect(scene.happened.map(({ event, open, state }) => [event, open, state?.rule ?? null])).toEqual([['fired', 1, 'budget'], ['silenced', 0, null], ['unsilenced', 1, null], ['resolved', 0, 'budget']]);
});

test('there are at most a hundred in force, and ended ones make room', async () => {
  await begin();
  for (let i = 0; i < MOST_SILENCES; i++) expect(await silence(1, { scope: `b${i}` })).not.toBeNull();
  expect(await silence(1, { scope: 'one-more' })).toBeNull();
  await scene.pass(HOUR);
  expect(await silence(1, { scope: 'one-more' })).not.toBeNull();
});

test.each([
  { rule: 'budget', scope: null, about: true },
  { rule: null, scope: 'support-month', about: true },
  { rule: null, scope: 'support-*', about: true },
  { rule: null, scope: '*', about: true },
  { rule: 'forecast', scope: 'support-month', about: false },
  { rule: 'budget', scope: 'support', about: false },
  { rule: 'budget', scope: 'upport-month', about: false },
] as const)('rule $rule and scope $scope match an alert of a budget: $about', ({ rule, scope, about }) => {
  expect(isAbout({ rule, scope }, { rule: 'budget', scope: 'support-month' })).toBe(about);
});

test('of several the one that lasts longest counts, and none past its end', () => {
  const one = (id: string, until: number, liftedAt: number | null = null): Silence => ({ id, rule: null, scope: '*', createdAt: epochMs(0), until: epochMs(until), reason: 'r', actor: 'a', liftedAt: liftedAt === null ? null : epochMs(liftedAt) });
  const alert = { rule: 'budget', scope: 'x' } as const;
  expect(silenceOf([one('a', 10), one('b', 20), one('c', 30, 1)], alert, epochMs(5))?.id).toBe('b');
  expect(silenceOf([one('a', 10)], alert, epochMs(10))).toBeNull();
});
