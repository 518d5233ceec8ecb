// test/alert/rules.test.ts: every rule of the gateway, seen to fire and seen to stay silent, over looks a minute apart and the states in between.

import { expect, test } from 'vitest';
import { ALERT_RULES, type AlertRule, type AlertState } from '../../server/domain/alert.ts';
import type { Standing } from '../../server/domain/budget.ts';
import { periodAt } from '../../server/domain/calendar.ts';
import type { VirtualKey } from '../../server/domain/directory.ts';
import { epochMs, type KeyId, type WorkspaceId } from '../../server/domain/ids.ts';
import { nanoFromUsd, nanodollars } from '../../server/domain/money.ts';
import type { ReconciledDay } from '../../server/domain/reconciliation.ts';
import type { BurnWindows, Figures, HeadroomNow, Outlook, SpendNow } from '../../server/alert/figures.ts';
import { readingsOf, round } from '../../server/alert/round.ts';
import { budget } from '../admin/gateway.ts';
import { settings } from '../observe/gateway.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
/** Noon on the 10th of a month of thirty days. */
const T0 = Date.UTC(2026, 10, 10, 12);
const CHANNELS = ['ops', 'mail'];
const usd = (amount: number) => nanodollars(nanoFromUsd(amount.toFixed(9)));

const quiet = { total: 100_000, bad: 0 };
const windows = (more: Partial<BurnWindows> = {}): BurnWindows => ({ m5: quiet, m30: quiet, h1: quiet, h2: quiet, h6: quiet, d1: quiet, d3: quiet, ...more });
const share = (total: number, ratio: number) => ({ total, bad: Math.round(total * ratio) });

const calm: Omit<Figures, 'now'> = {
  zone: 'UTC', rules: { ...settings().alerts.rules, anomaly: { enabled: true, floorUsdPerHour: 5, mad: 4, weeks: 8, forMs: 20 * MINUTE } }, notify: null,
  standings: [], outlooks: new Map(), spend: [], traffic: { lastHour: 300, pastWeeks: [310, 290, 305, 300] }, errors: windows(), firstToken: windows(), limited: { total: 1000, bad: 0 }, usage: { total: 1000, bad: 0 }, headroom: [], caps: [], keys: [], keyActivity: [], keyHabits: null, keyNews: new Map(), unpriced: [],
  reconciled: [], ledger: { writable: true, trouble: null, lost: 0, lostLately: 0 }, pricesVerifiedAt: epochMs(T0 - 5 * DAY), failing: CHANNELS.map((channel) => ({ channel, dead: 0, waitingMs: 0 })),
};

const standing = (spent: number, more: Partial<Standing> = {}): Standing => ({
  budget: budget('support-month', usd(400), { mode: 'soft', alertAt: [0.5, 0.8, 1] }), period: periodAt('month', epochMs(T0), 'UTC'), spent: usd(spent), held: usd(0), ...more,
});
const hard = budget('support-month', usd(400), { mode: 'hard', alertAt: [] });
const outlook = (p50: number): Pick<Figures, 'standings' | 'outlooks'> => {
  const now = standing(100);
  const expected: Outlook = { p50: usd(p50), p90: usd(p50 * 1.2), reachesAt: p50 > 400 ? epochMs(T0 + 9 * DAY) : null };
  return { standings: [now], outlooks: new Map([[now.budget.id, expected]]) };
};
const spend = (lastHour: number, usual: number, more: Partial<SpendNow> = {}): SpendNow => ({ workspace: 'support', lastHour: usd(lastHour), pastWeeks: [1, 0.9, 1.1, 1].map((part) => usd(usual * part)), yesterday: usd(usual), top: null, ...more });
const room = (more: Partial<HeadroomNow>): HeadroomNow => ({ credential: 'default', modelClass: 'opus-4', dimension: 'requests', lowest: 0.5, minutesBelowWarning: 0, minutesBelowCritical: 0, clear: true, ...more });
const key = (more: Partial<VirtualKey>): VirtualKey => ({ id: 'triage' as KeyId, workspace: 'support' as WorkspaceId, workflow: null, workflows: null, secretHash: 'x', origin: 'issued', createdAt: epochMs(T0 - 200 * DAY), expiresAt: null, revokedAt: null, lastUsedAt: epochMs(T0 - DAY), hint: null, ...more });
const habits = (models: readonly string[], busiestHour: number, hoursOfDay: readonly number[] = [9, 10, 11, 12, 13, 14]): Figures['keyHabits'] => new Map([['triage', { models: new Set(models), busiestHour, hoursOfDay: new Set(hoursOfDay), days: 20 }]]);
const usual = { key: 'triage', calls: 40, rejected: 0, models: ['claude-haiku-4-5'] };
const usualHabits = habits(['claude-haiku-4-5'], 100);
const news = (networks: number, clients: readonly string[]): Figures['keyNews'] => new Map([['triage', { networks, clients, clientCount: clients.length }]]);
const reconciled = (ledger: number, provider: number): ReconciledDay => {
  const tokens = { input: 1000, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0, output: 100 };
  return { day: epochMs(T0 - DAY), providerWorkspace: null, workspaces: [], ledger: { cost: usd(ledger), tokens, webSearches: 0 }, estimated: usd(0), provider: { cost: usd(provider), tokens, webSearches: 0 } };
};
const models = (n: number): string[] => Array.from({ length: n }, (_, i) => `m${i}`);

/** Looks for `minutes`, one a minute; what was told, as `rule scope event severity`. */
function told(figures: (minute: number) => Partial<Figures>, minutes: number): string[] {
  const states = new Map<string, AlertState>();
  let incident = 0;
  return Array.from({ length: minutes + 1 }, (_, minute) => minute).flatMap((minute) => {
    const now = epochMs(T0 + minute * MINUTE);
    const readings = readingsOf({ ...calm, now, ...figures(minute) }, CHANNELS);
    return round(states, readings, new Set(), now, () => String(++incident)).told.map(({ event, state }) => `${minute}: ${state.rule} ${state.scope} ${event} ${state.text.severity}`);
  });
}

interface Row {
  readonly what: string;
  readonly figures: Partial<Figures> | ((minute: number) => Partial<Figures>);
  readonly minutes?: number;
  readonly told: readonly string[];
}

const CASES: Readonly<Record<AlertRule, readonly Row[]>> = {
  budget_refusing: [
    { what: 'three calls can cost more than is left, and an hour after the last of them none came', figures: { standings: [standing(180, { budget: hard, refused: { calls: 3, lastAt: epochMs(T0) } })] }, minutes: 70, told: ['0: budget_refusing support-month fired warning', '60: budget_refusing support-month resolved warning'] },
    { what: 'none was refused', figures: { standings: [standing(180, { budget: hard })] }, told: [] },
    { what: 'all is spent, which a threshold tells', figures: { standings: [standing(400, { budget: { ...hard, alertAt: [1] }, refused: { calls: 3, lastAt: epochMs(T0) } })] }, told: ['0: budget support-month fired critical'] },
    { what: 'a soft budget refuses nobody', figures: { standings: [standing(180, { budget: budget('support-month', usd(400), { mode: 'soft' }), refused: { calls: 3, lastAt: epochMs(T0) } })] }, told: [] },
  ],
  budget: [
    { what: 'half is spent', figures: { standings: [standing(200)] }, told: ['0: budget support-month fired info'] },
    { what: 'half, then four fifths, then all is spent', figures: (m) => ({ standings: [standing([200, 320, 400][Math.min(m, 2)]!, { period: { kind: 'month', from: epochMs(T0 - 20 * DAY), to: epochMs(T0 + 10 * DAY) } })] }), told: ['0: budget support-month fired info', '1: budget support-month raised warning', '2: budget support-month raised critical'] },
    { what: 'a nano-dollar less than half is spent', figures: { standings: [standing(0, { spent: nanodollars(199_999_999_999n) })] }, told: [] },
    { what: 'half is spent of a limit that a grant has raised by as much', figures: { standings: [standing(200, { granted: usd(400) })] }, told: [] },
    {
      what: 'all is spent, a grant comes, and it ends', figures: (m) => ({ standings: [standing(400, m < 2 || m >= 5 ? {} : { granted: usd(500) })] }), minutes: 8,
      told: ['0: budget support-month fired critical', '2: budget support-month resolved critical', '5: budget support-month fired critical'],
    },
    { what: 'nothing is to be told at', figures: { standings: [standing(400, { budget: budget('support-month', usd(400), { alertAt: [] }) })] }, told: [] },
  ],
  pace: [
    { what: 'four fifths are spent in the first third', figures: { standings: [standing(320, { budget: budget('support-month', usd(400), { alertAt: [] }) })] }, told: ['0: pace support-month fired warning'] },
    { what: 'a grant makes it half the pace', figures: { standings: [standing(320, { granted: usd(400), budget: budget('support-month', usd(400), { alertAt: [] }) })] }, told: [] },
    { what: 'half is spent in half a month', figures: { standings: [standing(200, { budget: budget('support-month', usd(400), { alertAt: [] }), period: { kind: 'month', from: epochMs(T0 - 15 * DAY), to: epochMs(T0 + 15 * DAY) } })] }, told: [] },
    { what: 'a day budget is spent by noon', figures: { standings: [standing(396, { budget: budget('support-day', usd(400), { alertAt: [], period: 'day' }), period: { kind: 'day', from: epochMs(T0 - DAY / 2), to: epochMs(T0 + DAY / 2) } })] }, told: [] },
  ],
  forecast: [
    { what: 'the median path ends above the limit for an hour', figures: outlook(450), minutes: 90, told: ['60: forecast support-month fired warning'] },
    { what: 'it did so for fifty minutes', figures: (m) => outlook(m < 50 ? 450 : 300), minutes: 120, told: [] },
    { what: 'the median path ends at the limit', figures: outlook(400), minutes: 90, told: [] },
    { what: 'a grant covers it', figures: { ...outlook(450), standings: [standing(100, { granted: usd(100) })] }, minutes: 90, told: [] },
    { what: 'there is too little to go by', figures: { standings: [standing(100)], outlooks: new Map([[standing(100).budget.id, null]]) }, minutes: 90, told: [] },
  ],
  anomaly: [
    { what: 'an hour costs four times the usual for twenty minutes', figures: { spend: [spend(40, 10)] }, minutes: 30, told: ['20: anomaly support fired warning'] },
    { what: 'an hour costs six times the usual', figures: { spend: [spend(60, 10)] }, minutes: 30, told: ['20: anomaly support fired critical'] },
    { what: 'it lasted ten minutes', figures: (m) => ({ spend: [spend(m < 10 ? 40 : 10, 10)] }), minutes: 60, told: [] },
    { what: 'an hour costs a third more than usual', figures: { spend: [spend(13, 10)] }, minutes: 30, told: [] },
    { what: 'an hour costs ten times the usual, and that is five dollars less than a floor', figures: { spend: [spend(5, 0.5)] }, minutes: 30, told: [] },
    { what: 'the hour was always as dear as that now and then', figures: { spend: [spend(30, 10, { pastWeeks: [10, 40, 12, 35, 8, 30].map(usd) })] }, minutes: 30, told: [] },
    { what: 'there is only yesterday, and it cost a quarter', figures: { spend: [spend(40, 10, { pastWeeks: [usd(10)] })] }, minutes: 30, told: ['20: anomaly support fired warning'] },
    { what: 'there is nothing to compare with', figures: { spend: [spend(40, 10, { pastWeeks: [], yesterday: null })] }, minutes: 30, told: [] },
  ],
  errors: [
    { what: 'a fifth of the calls of an hour fail', figures: { errors: windows({ m5: share(100, 0.2), h1: share(1000, 0.2) }) }, told: ['0: errors gateway fired critical'] },
    { what: 'four in a hundred fail all day', figures: { errors: windows({ h2: share(1000, 0.04), d1: share(10_000, 0.04) }) }, told: ['0: errors gateway fired warning'] },
    { what: 'it is over since five minutes', figures: { errors: windows({ m5: share(100, 0), h1: share(1000, 0.2) }) }, told: [] },
    { what: 'one call of four fails', figures: { errors: windows({ m5: share(4, 0.25), h1: share(4, 0.25), m30: share(4, 0.25), h6: share(4, 0.25) }) }, told: [] },
    { what: 'one in two hundred fails', figures: { errors: windows({ m5: share(10_000, 0.005), h1: share(100_000, 0.005), h2: share(100_000, 0.005), d1: share(100_000, 0.005), h6: share(100_000, 0.005), d3: share(100_000, 0.005) }) }, told: [] },
    {
      // The short window of the slowest pair falls below its rate at every calm hour.
      what: 'one and a half in a hundred fail for days, and every other hour fewer', figures: (m) => ({ errors: windows({ h6: share(5000, Math.floor(m / 60) % 2 === 0 ? 0.02 : 0.005), d3: share(60_000, 0.015) }) }), minutes: 2_000,
      told: ['0: errors gateway fired warning'],
    },
    {
      what: 'fewer fail than fired it, then at last for six hours fewer than the hysteresis', figures: (m) => ({ errors: windows({ h6: share(5000, m < 60 ? 0.02 : 0.005), d3: share(60_000, m < 60 ? 0.0101 : m < 120 || m === 300 ? 0.0096 : 0.0094) }) }), minutes: 800,
      told: ['0: errors gateway fired warning', '661: errors gateway resolved warning'],
    },
    {
      what: 'a fifth of the calls of an hour fail, in waves', figures: (m) => ({ errors: windows({ m5: share(100, m % 20 < 5 ? 0.2 : 0.1), h1: share(1000, m < 60 ? 0.2 : 0.13) }) }), minutes: 120,
      told: ['0: errors gateway fired critical', '70: errors gateway resolved critical'],
    },
    {
      // Its day and its three days are far above what they may be for as long as they last: that hour is over all the same.
      what: 'an hour of failing calls is over', figures: (m) => ({ errors: windows({ m5: share(100, m < 60 ? 0.9 : 0), h1: share(1000, m < 60 ? 0.9 : 0), d1: share(20_000, 0.045), d3: share(60_000, 0.015) }) }), minutes: 300,
      told: ['0: errors gateway fired critical', '70: errors gateway resolved critical'],
    },
  ],
  first_token: [
    {
      what: 'a fifth of the answers of days begin late, and every other hour fewer', figures: (m) => ({ firstToken: windows({ h2: share(2000, Math.floor(m / 60) % 2 === 0 ? 0.2 : 0.05), d1: share(20_000, 0.16) }) }), minutes: 2_000,
      told: ['0: first_token gateway fired warning'],
    },
    { what: 'eight of ten answers of an hour begin late', figures: { firstToken: windows({ m5: share(100, 0.8), h1: share(1000, 0.8) }) }, told: ['0: first_token gateway fired critical'] },
    { what: 'ten answers begin late', figures: { firstToken: windows({ m5: share(10, 1), h1: share(10, 1) }) }, told: [] },
    { what: 'four in a hundred begin late', figures: { firstToken: windows({ m5: share(1000, 0.04), h1: share(1000, 0.04), m30: share(1000, 0.04), h6: share(1000, 0.04), h2: share(1000, 0.04), d1: share(1000, 0.04), d3: share(1000, 0.04) }) }, told: [] },
  ],
  headroom: [
    { what: 'less than a fifth was left in five of ten minutes', figures: { headroom: [room({ lowest: 0.15, minutesBelowWarning: 5, clear: false })] }, told: ['0: headroom default/opus-4/requests fired warning'] },
    { what: 'less than a tenth was left in five of ten minutes', figures: { headroom: [room({ lowest: 0.05, minutesBelowWarning: 6, minutesBelowCritical: 5, clear: false })] }, told: ['0: headroom default/opus-4/requests fired critical'] },
    { what: 'two calls in a hundred are limited', figures: { limited: { total: 1000, bad: 20 } }, told: ['0: headroom gateway fired critical'] },
    { what: 'it dipped for four minutes', figures: { headroom: [room({ lowest: 0.05, minutesBelowWarning: 4, minutesBelowCritical: 4, clear: false })] }, told: [] },
    { what: 'four of twenty calls are limited', figures: { limited: { total: 20, bad: 4 } }, told: [] },
  ],
  provider_cap: [
    { what: 'the provider says that a spend limit is reached', figures: { caps: [{ credential: 'default', code: 'enforced_spend_limit_reached', count: 3 }] }, told: ['0: provider_cap default/enforced_spend_limit_reached fired critical'] },
    { what: 'it said so, an hour ago', figures: (m) => ({ caps: m < 60 ? [{ credential: 'default', code: 'billing_error', count: 3 }] : [] }), minutes: 90, told: ['0: provider_cap default/billing_error fired critical', '60: provider_cap default/billing_error resolved critical'] },
    { what: 'it says nothing of the kind', figures: { caps: [] }, told: [] },
  ],
  key_unused: [
    { what: 'a key was not used for 31 days', figures: { keys: [key({ lastUsedAt: epochMs(T0 - 31 * DAY) })] }, told: ['0: key_unused triage fired info'] },
    { what: 'a key was never used since it was made 100 days ago', figures: { keys: [key({ lastUsedAt: null, createdAt: epochMs(T0 - 100 * DAY) })] }, told: ['0: key_unused triage fired warning'] },
    { what: 'keys were used, revoked, run out or are of unknown age', figures: { keys: [key({ lastUsedAt: epochMs(T0 - 29 * DAY) }), key({ id: 'b' as KeyId, lastUsedAt: null, revokedAt: epochMs(T0 - DAY) }), key({ id: 'c' as KeyId, lastUsedAt: null, expiresAt: epochMs(T0 - DAY) }), key({ id: 'd' as KeyId, lastUsedAt: null, createdAt: null })] }, told: [] },
    { what: 'an old secret of a rotated key is not used any more', figures: { keys: [key({}), key({ lastUsedAt: epochMs(T0 - 60 * DAY) })] }, told: [] },
  ],
  key_leak: [
    { what: 'a key tries many models and is mostly refused, and they are new to it', figures: { keyActivity: [{ key: 'triage', calls: 40, rejected: 30, models: models(6) }], keyHabits: habits(['claude-haiku-4-5'], 100) }, told: ['0: key_leak triage fired critical'] },
    { what: 'a key tries many models and is mostly refused, as it always did', figures: { keyActivity: [{ key: 'triage', calls: 40, rejected: 30, models: models(6) }], keyHabits: habits(models(6), 100) }, told: [] },
    { what: 'a key is busier than ever with the model it always calls', figures: { keyActivity: [{ key: 'triage', calls: 900, rejected: 0, models: ['claude-haiku-4-5'] }], keyHabits: habits(['claude-haiku-4-5'], 50) }, told: [] },
    { what: 'a key comes from a network and with a client that are new to it', figures: { keyActivity: [usual], keyHabits: usualHabits, keyNews: news(1, ['curl']) }, told: ['0: key_leak triage fired critical'] },
    { what: 'a key comes from a new network, with models that it never called', figures: { keyActivity: [{ ...usual, models: models(2) }], keyHabits: usualHabits, keyNews: news(1, []) }, told: ['0: key_leak triage fired critical'] },
    { what: 'a key comes from a new network and is busy at an hour at which it never is', figures: { keyActivity: [{ ...usual, calls: 90 }], keyHabits: habits(['claude-haiku-4-5'], 100, [1, 2, 3]), keyNews: news(1, []) }, told: ['0: key_leak triage fired critical'] },
    { what: 'what was new of a key is known an hour later', figures: (m) => ({ keyActivity: [usual], keyHabits: usualHabits, keyNews: m < 60 ? news(1, ['curl']) : new Map() }), minutes: 130, told: ['0: key_leak triage fired critical', '120: key_leak triage resolved critical'] },
    { what: 'a key only comes from a new network', figures: { keyActivity: [usual], keyHabits: usualHabits, keyNews: news(2, []) }, told: [] },
    { what: 'a key only comes with another client', figures: { keyActivity: [usual], keyHabits: usualHabits, keyNews: news(0, ['curl']) }, told: [] },
    { what: 'a key from a new network is busy at an hour next to its usual ones', figures: { keyActivity: [{ ...usual, calls: 90 }], keyHabits: habits(['claude-haiku-4-5'], 100, [9, 10]), keyNews: news(1, []) }, told: [] },
    { what: 'a secret that was replaced is tried', figures: { keys: [key({ endedSecretTriedAt: epochMs(T0 - MINUTE) })] }, told: ['0: key_leak triage fired warning'] },
    { what: 'a secret that was replaced is tried, and the key is used as stolen ones are', figures: (m) => ({ keys: [key({ endedSecretTriedAt: epochMs(T0 - MINUTE) })], keyActivity: [usual], keyHabits: usualHabits, keyNews: m < 3 ? new Map() : news(1, ['curl']) }), minutes: 5, told: ['0: key_leak triage fired warning', '3: key_leak triage raised critical'] },
    { what: 'a secret that was replaced was tried two hours ago', figures: { keys: [key({ endedSecretTriedAt: epochMs(T0 - 120 * MINUTE) })] }, told: [] },
  ],
  no_traffic: [
    { what: 'no call comes in an hour that is usually busy', figures: { traffic: { lastHour: 0, pastWeeks: [310, 290, 305, 300] } }, minutes: 20, told: ['10: no_traffic gateway fired warning'] },
    { what: 'one call comes', figures: { traffic: { lastHour: 1, pastWeeks: [310, 290, 305, 300] } }, minutes: 20, told: [] },
    { what: 'no call comes at night', figures: { traffic: { lastHour: 0, pastWeeks: [3, 0, 2, 4] } }, minutes: 20, told: [] },
    { what: 'it was a holiday before, too', figures: { traffic: { lastHour: 0, pastWeeks: [0, 300, 0] } }, minutes: 20, told: [] },
    { what: 'the gateway is two weeks old', figures: { traffic: { lastHour: 0, pastWeeks: [310, 290] } }, minutes: 20, told: [] },
    { what: 'calls come again within ten minutes', figures: (m) => ({ traffic: { lastHour: m < 9 ? 0 : 5, pastWeeks: [310, 290, 305] } }), minutes: 20, told: [] },
  ],
  unpriced: [
    { what: 'a model without price is called', figures: { unpriced: [{ model: 'claude-new-9', count: 2, refused: false }] }, told: ['0: unpriced claude-new-9 fired warning'] },
    { what: 'calls of a model without price are refused', figures: { unpriced: [{ model: 'claude-new-9', count: 2, refused: true }] }, told: ['0: unpriced claude-new-9 fired warning'] },
    { what: 'every model has a price', figures: { unpriced: [] }, told: [] },
  ],
  usage_missing: [
    { what: 'two answers in a hundred tell no usage, and an hour later none', figures: (m) => ({ usage: { total: 500, bad: m < 60 ? 10 : 0 } }), minutes: 90, told: ['0: usage_missing gateway fired warning', '70: usage_missing gateway resolved warning'] },
    { what: 'one in a hundred does not', figures: { usage: { total: 500, bad: 5 } }, told: [] },
    { what: 'four of ten do not', figures: { usage: { total: 10, bad: 4 } }, told: [] },
    { what: 'there are no answers', figures: { usage: { total: 0, bad: 0 } }, told: [] },
  ],
  ledger: [
    { what: 'the ledger cannot be written, and then it can', figures: (m) => ({ ledger: { writable: m >= 3, trouble: m >= 3 ? null : 'disk full', lost: 0, lostLately: 0 } }), told: ['0: ledger gateway fired critical', '4: ledger gateway resolved critical'] },
    { what: 'rows are given up while it can be written, and five minutes later none are', figures: (m) => ({ ledger: { writable: true, trouble: null, lost: 3, lostLately: m < 5 ? 3 : 0 } }), minutes: 8, told: ['0: ledger gateway fired critical', '6: ledger gateway resolved critical'] },
    { what: 'the ledger can be written', figures: {}, told: [] },
    { what: 'rows were given up long ago', figures: { ledger: { writable: true, trouble: null, lost: 3, lostLately: 0 } }, told: [] },
  ],
  price_book: [
    { what: 'prices were last checked 31 days ago', figures: { pricesVerifiedAt: epochMs(T0 - 31 * DAY) }, told: ['0: price_book gateway fired warning'] },
    { what: 'prices were checked 29 days ago', figures: { pricesVerifiedAt: epochMs(T0 - 29 * DAY) }, told: [] },
    { what: 'the book does not say when', figures: { pricesVerifiedAt: null }, told: [] },
  ],
  reconciliation: [
    { what: 'the bill of a day is three dollars in a hundred higher', figures: { reconciled: [reconciled(97, 100)] }, told: ['0: reconciliation organization fired warning'] },
    { what: 'the ledger has more than the bill', figures: { reconciled: [reconciled(103, 100)] }, told: ['0: reconciliation organization fired warning'] },
    { what: 'the bill is two in a hundred higher', figures: { reconciled: [reconciled(98, 100)] }, told: [] },
    { what: 'the bill is a third higher, and that is fifty cents', figures: { reconciled: [reconciled(1, 1.5)] }, told: [] },
    { what: 'an older day was far off', figures: { reconciled: [reconciled(100, 100), { ...reconciled(50, 100), day: epochMs(T0 - 3 * DAY) }] }, told: [] },
    { what: 'one of two workspaces is off', figures: { reconciled: [{ ...reconciled(100, 100), providerWorkspace: 'wrkspc_a' }, { ...reconciled(50, 100), providerWorkspace: 'wrkspc_b' }] }, told: ['0: reconciliation wrkspc_b fired warning'] },
    { what: 'nothing is compared', figures: { reconciled: [] }, told: [] },
  ],
  delivery: [
    { what: 'a message was given up', figures: { failing: [{ channel: 'ops', dead: 1, waitingMs: 0 }, { channel: 'mail', dead: 0, waitingMs: 0 }] }, told: ['0: delivery ops fired critical'] },
    { what: 'a message is tried for eleven minutes', figures: { failing: [{ channel: 'ops', dead: 0, waitingMs: 11 * MINUTE }] }, told: ['0: delivery ops fired critical'] },
    { what: 'a message is tried for five minutes', figures: { failing: [{ channel: 'ops', dead: 0, waitingMs: 5 * MINUTE }] }, told: [] },
  ],
};

const rows = Object.entries(CASES).flatMap(([rule, cases]) => cases.map((one) => ({ rule, verb: one.told.length > 0 ? 'tells' : 'is silent', ...one })));

test.each(rows)('$rule $verb when $what', ({ figures, minutes = 5, told: expected }) => {
  expect(told(typeof figures === 'function' ? figures : () => figures, minutes)).toEqual(expected);
});

test('every rule is seen to fire and seen to stay silent', () => {
  expect(Object.keys(CASES).sort()).toEqual([...ALERT_RULES].sort());
  expect(Object.entries(CASES).filter(([, cases]) => !cases.some((c) => c.told.length > 0) || !cases.some((c) => c.told.length === 0))).toEqual([]);
});

test.each(ALERT_RULES.filter((rule) => rule !== 'budget'))('%s says nothing where the config turns it off', (rule) => {
  const name = rule.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const off = rule === 'anomaly' ? { ...calm.rules, anomaly: { ...calm.rules.anomaly, enabled: false } } : { ...calm.rules, [name]: { ...calm.rules[name as 'pace'], enabled: false } };
  const firing = CASES[rule].find((one) => one.told.length > 0)!;
  const figures = typeof firing.figures === 'function' ? firing.figures : () => firing.figures as Partial<Figures>;
  const said = told((minute) => ({ ...figures(minute), rules: off }), firing.minutes ?? 5);
  expect(said.filter((line) => line.includes(`: ${rule} `))).toEqual([]);
});

test.each([
  { name: 'names nobody: who is told of the rest', own: null, told: ['mail'] },
  { name: 'names a channel: that one', own: ['ops'], told: ['ops'] },
  { name: 'wants nobody told: nobody', own: [], told: [] },
])('a budget that $name', ({ own, told: expected }) => {
  const figures = { ...outlook(450), ...calm, standings: [standing(330, { budget: budget('support-month', usd(400), { notify: own }) })], outlooks: outlook(450).outlooks, now: epochMs(T0), notify: ['mail'] };
  const readings = readingsOf(figures, CHANNELS).filter(({ scope }) => scope === 'support-month');
  expect(readings.map(({ rule }) => rule)).toEqual(['budget', 'budget_refusing', 'pace', 'forecast']);
  for (const { notify } of readings) expect(notify).toEqual(expected);
});

test('an anomaly names the workflow, the model and the user that cost most', () => {
  const top = { workflow: 'agent', model: 'claude-sonnet-4-6', cost: usd(35), user: { name: 'u-17', cost: usd(31) } };
  const [reading] = readingsOf({ ...calm, now: epochMs(T0), spend: [spend(40, 10, { top })] }, CHANNELS).filter(({ rule }) => rule === 'anomaly');
  expect(reading!.text).toContain('Most of it is agent on claude-sonnet-4-6.');
  expect(reading!.facts.map(({ label, value }) => `${label}: ${value}`)).toEqual(expect.arrayContaining(['Excess: $30.00', 'Top contributor: agent on claude-sonnet-4-6: $35.00 in this hour and the one before, 87.5% of the last hour', 'Top user: u-17: $31.00 in the same time']));
});

test('the end of failing calls says how many fail then, not how many did', () => {
  const states = new Map<string, AlertState>();
  const look = (minute: number, ratio: number) => {
    const now = epochMs(T0 + minute * MINUTE);
    const errors = windows({ h6: share(5000, ratio), d3: share(60_000, ratio) });
    return round(states, readingsOf({ ...calm, now, errors }, CHANNELS), new Set(), now, () => 'i').told.map(({ event, state }) => `${event}: ${state.text.title}`);
  };
  expect([look(0, 0.011), look(60, 0.02), look(120, 0.005), look(480, 0.004)].flat()).toEqual([expect.stringMatching(/^fired: Calls fail: 1\.1% in the last three days$/), expect.stringMatching(/^resolved: Calls fail: 0\.4% in the last three days$/)]);
});

const textOf = (rule: AlertRule, figures: Partial<Figures>): string => {
  const { title, text } = readingsOf({ ...calm, now: epochMs(T0), ...figures }, CHANNELS).find((reading) => reading.rule === rule)!;
  return `${title}. ${text}`;
};

test.each([
  { name: 'thousands and tenths of a percent', said: textOf('errors', { errors: windows({ h6: { total: 5_066, bad: 55 }, d3: { total: 5_066, bad: 55 } }) }), words: ['Calls fail: 1.1% in the last three days.', '55 of 5,066 calls. 1% is what'] },
  { name: 'two digits below one percent', said: textOf('reconciliation', { reconciled: [reconciled(99.57, 100)] }), words: ['are 0.43% apart'] },
  { name: 'what is not quite all', said: textOf('errors', { errors: windows({ m5: { total: 100_000, bad: 99_999 }, h1: { total: 100_000, bad: 99_999 } }) }), words: ['Calls fail: >99.9% in the last hour', '99,999 of 100,000 calls'] },
  { name: 'one message', said: textOf('delivery', { failing: [{ channel: 'ops', dead: 1, waitingMs: 0 }] }), words: ['One message of the last day was given up. `tollgate alerts test'] },
  { name: 'messages', said: textOf('delivery', { failing: [{ channel: 'ops', dead: 1_200, waitingMs: 11 * MINUTE }] }), words: ['1,200 messages of the last day were given up. Another has been tried for 11 minutes. `tollgate'] },
  { name: 'a message that is still tried', said: textOf('delivery', { failing: [{ channel: 'ops', dead: 0, waitingMs: 11 * MINUTE }] }), words: ['reach ops. A message has been tried for 11 minutes. `tollgate'] },
])('a message writes $name as the rest of the product does', ({ said, words }) => {
  for (const each of words) expect(said).toContain(each);
});

test('who fails is not told of its own failure', () => {
  const reading = readingsOf({ ...calm, now: epochMs(T0), failing: [{ channel: 'ops', dead: 1, waitingMs: 0 }] }, CHANNELS).find(({ rule }) => rule === 'delivery')!;
  expect(reading.notify).toEqual(['mail']);
});
