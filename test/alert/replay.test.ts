// test/alert/replay.test.ts: what would have fired, from rows of a real ledger: every rule that rows can tell of fires, and the others say why they cannot.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { ALERT_RULES, type Replay } from '../../server/domain/alert.ts';
import type { VirtualKey } from '../../server/domain/directory.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { UNLISTED } from '../../server/domain/price.ts';
import { replay } from '../../server/alert/replay.ts';
import { openReports } from '../../server/store/sqlite/reader-client.ts';
import { settings as baseSettings } from '../observe/gateway.ts';
import { budget } from '../admin/gateway.ts';
import { caller, clockAt, cost, noCost, openEntry, refusedEntry, settlement } from '../store/samples.ts';
import { scratch } from '../store/scratch.ts';
import { readerEntry, usd } from './scene.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Noon of the 20th; the replay begins six days before. */
const NOW = epochMs(Date.UTC(2026, 10, 20, 12));
const FROM = epochMs(NOW - 6 * DAY);
const ZONE = 'UTC';

const disk = scratch();
let replayed: Replay;
let fired: string[];

const key = (id: string, more: Partial<VirtualKey> = {}): VirtualKey => ({
  id: id as VirtualKey['id'], workspace: 'support' as VirtualKey['workspace'], workflow: null, workflows: null, secretHash: id, origin: 'issued', createdAt: epochMs(NOW - 200 * DAY), expiresAt: null, revokedAt: null, lastUsedAt: NOW, hint: null, ...more,
});

beforeAll(async () => {
  const store = await disk.open({ clock: clockAt(NOW), timezone: ZONE });
  const reports = openReports({ file: disk.file, workerEntry: readerEntry, timezone: ZONE });
  let n = 0;
  const id = (): string => `req_${String(++n).padStart(6, '0')}`;
  const written: Promise<unknown>[] = [];
  const call = (at: number, more: { workspace?: string; key?: string; model?: string; dollars?: number; status?: number; failed?: boolean; errorType?: string; firstTokenMs?: number; unlisted?: boolean; untold?: boolean } = {}): void => {
    const name = id();
    const { workspace = 'support', model = 'claude-haiku-4-5', status = more.failed === true ? 529 : 200 } = more;
    const opened = openEntry(name, { admittedAt: epochMs(at), caller: caller({ workspace, key: more.key ?? 'busy' }), modelRequested: model, modelSent: model });
    const bill = status === 200 ? cost({ total: usd(more.dollars ?? 0.001), modelServed: model, ...(more.unlisted === true ? { estimated: true, estimateMethod: UNLISTED, basis: 'ceiling' as const } : {}), ...(more.untold === true ? { estimated: true, estimateMethod: 'prompt from bytes sent' } : {}) }) : noCost;
    written.push(store.ledger.open(opened), store.ledger.settle(settlement(name, {
      endedAt: epochMs(at), status, outcome: status === 200 ? 'ok' : status === 402 || status === 400 ? 'client_error' : 'upstream_error', errorType: more.errorType ?? null, cost: bill, timeToFirstTokenMs: status === 200 ? (more.firstTokenMs ?? 800) : null, attempts: [],
    })));
  };
  // Four weeks of the usual: a call every half hour.
  for (let at = NOW - 34 * DAY; at < NOW; at += 30 * MINUTE) call(at);
  // A key that was called once, 33 days before now.
  call(NOW - 33 * DAY, { key: 'forgotten' });
  // Day 1: an hour in which half of the calls fail, and many are limited.
  for (let i = 0; i < 40; i++) call(FROM + DAY + i * MINUTE, i % 2 === 0 ? { failed: true, status: 429 } : {});
  // Day 2: the provider wants money; answers begin late; a model that no book knows.
  call(FROM + 2 * DAY, { status: 402, errorType: 'billing_error' });
  for (let i = 0; i < 60; i++) call(FROM + 2 * DAY + 2 * HOUR + i * MINUTE, { firstTokenMs: 30_000 });
  call(FROM + 2 * DAY + 5 * HOUR, { model: 'claude-new-9', unlisted: true });
  // And a while in which answers do not tell what they used.
  for (let i = 0; i < 6; i++) call(FROM + 2 * DAY + 6 * HOUR + i * MINUTE, { untold: true });
  // Day 3: somebody tries a stolen key on many models, mostly in vain.
  for (let i = 0; i < 12; i++) {
    const name = id();
    written.push(store.ledger.refuse(refusedEntry(name, { admittedAt: epochMs(FROM + 3 * DAY + i * MINUTE), endedAt: epochMs(FROM + 3 * DAY + i * MINUTE), caller: caller({ key: 'busy' }), modelRequested: `claude-guess-${i % 6}`, refusal: 'model_not_allowed', status: 403 })));
  }
  // Day 4: a dear afternoon.
  for (let i = 0; i < 90; i++) call(FROM + 4 * DAY + i * MINUTE, { dollars: 0.6 });
  await Promise.all(written);
  const base = baseSettings();
  replayed = await replay({
    settings: {
      ...base, timezone: ZONE,
      budgets: [budget('support-month', usd(60), { mode: 'soft', alertAt: [0.5] })],
      alerts: { ...base.alerts, anomaly: { ...base.alerts.anomaly, enabled: true } },
    },
    reports, grants: [], keys: [key('busy'), key('forgotten'), key('gone', { revokedAt: epochMs(NOW - 100 * DAY) }), key('later', { createdAt: epochMs(NOW - DAY), lastUsedAt: null })], from: FROM, to: NOW, rule: null,
  });
  fired = replayed.rows.filter(({ event }) => event === 'fired').map(({ rule, scope, at }) => `${rule} ${scope} on day ${Math.floor((at - FROM) / DAY)}`);
  await reports.close();
  await store.ledger.close();
});
afterAll(() => disk.remove());

test('every rule that rows can tell of fires when it would have, once', () => {
  expect(fired.sort()).toEqual([
    'anomaly support on day 4',
    'budget support-month on day 4',
    'errors gateway on day 1',
    'first_token gateway on day 2',
    'headroom gateway on day 1',
    'key_leak busy on day 3',
    'key_unused forgotten on day 3',
    'provider_cap unknown/billing_error on day 2',
    'unpriced claude-new-9 on day 2',
    'usage_missing gateway on day 2',
  ]);
});

test('what is silent here says why: a rule is replayed, or has a gap', () => {
  const seen = new Set(replayed.rows.map(({ rule }) => rule));
  const whole = replayed.gaps.filter((gap) => gap.whole).map(({ rule }) => rule);
  // The budget here is half spent when two thirds of the month are over, its spend has no habit, and two calls an hour are missed by nobody.
  expect(ALERT_RULES.filter((rule) => !seen.has(rule) && !whole.includes(rule))).toEqual(['pace', 'forecast', 'no_traffic']);
  expect(whole.filter((rule) => seen.has(rule))).toEqual([]);
  for (const { why } of replayed.gaps) expect(why.length).toBeGreaterThan(10);
});

test.each([
  // Thresholds that the opening balance has passed already are told in one, the highest.
  { name: 'on the hour', begins: 0, shares: [35, 65, 95] },
  { name: 'inside an hour', begins: 30 * MINUTE, shares: [65, 95] },
  { name: 'after all of it', begins: 55 * MINUTE, shares: [95] },
])('a replay that begins $name counts each dollar once', async ({ begins, shares }) => {
  const own = scratch();
  const store = await own.open({ clock: clockAt(NOW), timezone: ZONE });
  const reports = openReports({ file: own.file, workerEntry: readerEntry, timezone: ZONE });
  try {
    const noon = NOW - DAY;
    // Four dollars in the hour before noon, three soon after it, three late in the same hour.
    for (const [n, { at, dollars }] of [{ at: noon - HOUR, dollars: 4 }, { at: noon + 10 * MINUTE, dollars: 3 }, { at: noon + 50 * MINUTE, dollars: 3 }].entries()) {
      const name = `req_once_${n}`;
      await store.ledger.open(openEntry(name, { admittedAt: epochMs(at), caller: caller({ workspace: 'support' }) }));
      await store.ledger.settle(settlement(name, { endedAt: epochMs(at), cost: cost({ total: usd(dollars) }) }));
    }
    const soft = { mode: 'soft', alertAt: [0.35, 0.65, 0.95, 1.05], alertForecast: false } as const;
    // By user, what came before is read from rows; otherwise from roll-ups.
    const budgets = [budget('support-month', usd(10), soft), budget('mia-day', usd(10), { ...soft, period: 'day', scope: { workspace: null, workflow: null, key: null, user: 'mia', model: null } })];
    const { rows } = await replay({ settings: { ...baseSettings(), timezone: ZONE, budgets }, reports, grants: [], keys: [], from: epochMs(noon + begins), to: epochMs(noon + 3 * HOUR), rule: 'budget' });
    const told = (id: string): unknown[] => rows.filter(({ scope }) => scope === id).map(({ title }) => Number(/reached (\d+)%/.exec(title)?.[1]));
    expect({ month: told('support-month'), day: told('mia-day') }).toEqual({ month: shares, day: shares });
  } finally {
    await reports.close();
    await store.ledger.close();
    own.remove();
  }
});
