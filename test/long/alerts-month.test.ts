// test/long/alerts-month.test.ts: a replay of a month of ledger rows: each of three incidents fires once, when it should, and nothing else does.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAlerts, type Alerts } from '../../server/alert/alerts.ts';
import type { Replayed } from '../../server/domain/alert.ts';
import { nanoFromUsd } from '../../server/domain/money.ts';
import type { Reports } from '../../server/domain/reports.ts';
import type { Settings } from '../../server/domain/settings.ts';
import { openReports } from '../../server/store/sqlite/reader-client.ts';
import type { OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { budget } from '../admin/gateway.ts';
import { settings as baseSettings } from '../observe/gateway.ts';
import { clockAt, logbook } from '../store/samples.ts';
import { scratch } from '../store/scratch.ts';
import { BEGIN, callsOf, COLLAPSE, entryOf, LEAK, LOOP, MONTH, slots, ZONE } from '../alert/month.ts';

const disk = scratch();
const clock = clockAt(BEGIN);
let store: OpenLedger;
let reports: Reports;
let alerts: Alerts;
let fired: readonly Replayed[];

const scope = (workspace: string) => ({ workspace, workflow: null, key: null, user: null, model: null });
const budgets = [
  budget('support-month', 1_000_000_000_000n, { scope: scope('support'), mode: 'soft', alertAt: [0.8, 1], notify: ['hook'] }),
  budget('engineering-month', 1_000_000_000_000n, { scope: scope('engineering'), mode: 'soft', alertAt: [0.8, 1], notify: ['hook'] }),
  budget('research-month', nanoFromUsd('170'), { scope: scope('research'), mode: 'soft', alertAt: [1], notify: ['hook'] }),
];

beforeAll(async () => {
  store = await disk.open({ clock, timezone: ZONE });
  reports = openReports({ file: disk.file, workerEntry: new URL('../../dist/server/store/sqlite/reader.js', import.meta.url), timezone: ZONE });
  const base = baseSettings();
  const settings: Settings = { ...base, timezone: ZONE, budgets, alerts: { ...base.alerts, anomaly: { enabled: true, floorUsdPerHour: 2, mad: 4, weeks: 8, forMs: 1_200_000 } } };
  alerts = createAlerts({
    settings: () => settings, store: store.alerts, clock, log: logbook(), reports, standings: () => [], grants: () => [], reconciled: () => [], headroom: () => [], ledgerHealth: () => store.ledger.health(), keys: async () => [], priceRows: () => [],
  });
  let number = 0;
  for (const slot of slots(BEGIN, MONTH.to)) {
    const entries = callsOf(slot).map((call) => entryOf(call, `req_${String(++number).padStart(8, '0')}`));
    const written = Promise.all(entries.flatMap(({ opened, settlement }) => [store.ledger.open(opened), store.ledger.settle(settlement)]));
    if (number % 200 < entries.length) await written;
  }
  clock.at = MONTH.to;
  fired = (await alerts.replay({ since: MONTH.from, rule: null })).filter(({ event }) => event === 'fired');
}, 300_000);

afterAll(async () => {
  await alerts.close();
  await reports.close();
  await store.ledger.close();
  disk.remove();
});

test('three incidents are found, each once, and nothing else', () => {
  expect(fired.map(({ rule, scope: of }) => `${rule} ${of}`)).toEqual(['anomaly engineering', 'anomaly support', 'forecast research-month']);
});

test('the loop within an hour and a half, the collapse within two, the leak while most of the month\'s money is still there', () => {
  const [loop, collapse, leak] = fired;
  expect(loop!.at - LOOP.from).toBeGreaterThanOrEqual(20 * 60_000);
  expect(loop!.at - LOOP.from).toBeLessThanOrEqual(90 * 60_000);
  expect(collapse!.at - COLLAPSE.from).toBeGreaterThanOrEqual(20 * 60_000);
  expect(collapse!.at - COLLAPSE.from).toBeLessThanOrEqual(120 * 60_000);
  expect(leak!.at).toBeGreaterThan(LEAK.from);
  expect(leak!.at).toBeLessThan(LEAK.to);
});
