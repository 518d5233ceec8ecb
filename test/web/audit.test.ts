// test/web/audit.test.ts: what the page makes of the details in the audit.

import { expect, test } from 'vitest';
import { zoneName } from '../../web/format.ts';
import { detailOf } from '../../web/pages/policies/audit-detail.ts';

/** Runtimes name it differently. */
const CET = zoneName(Date.UTC(2026, 10, 30), 'Europe/Berlin');

test.each([
  { name: 'money as dollars, a time in the zone of the page', detail: { id: 'grant_1', amount_usd: '0.030000000', until: '2026-11-30T17:00:00.000Z', reason: 'trial' }, text: `id grant_1, amount $0.03, until 2026-11-30 18:00:00 ${CET}, reason trial` },
  { name: 'a time to its thousandths where it has some', detail: { hint: 'tgk…1a', old_ends_at: '2026-11-30T17:00:00.120Z' }, text: `hint tgk…1a, old ends at 2026-11-30 18:00:00.120 ${CET}` },
  { name: 'a difference below zero', detail: { calls: 3, difference_usd: '-1.500000000' }, text: 'calls 3, difference −$1.50' },
  { name: 'nothing for what is null', detail: { workspace: 'support', workflow: null, expires_at: null }, text: 'workspace support' },
  { name: 'a list as it is', detail: { found: [1, 2] }, text: 'found [1,2]' },
  { name: 'text as it is', detail: 'no JSON', text: 'no JSON' },
  { name: 'nothing for an empty detail', detail: {}, text: '' },
])('a detail shows $name', ({ detail, text }) => {
  expect(detailOf(detail, 'Europe/Berlin')).toBe(text);
});
