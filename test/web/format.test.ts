// test/web/format.test.ts: figures on screen never say less, or more, than is true.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { axisMoney, billWords, change, compact, duration, exactMoney, fromNow, fullTime, money, moneyColumn, nanos, percent, shortMoney, upSince } from '../../web/format.ts';

describe('money', () => {
  test('is read exactly from its decimal string and written exactly again', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), (amount) => {
        const size = amount < 0n ? -amount : amount;
        const text = `${amount < 0n ? '-' : ''}${size / 1_000_000_000n}.${(size % 1_000_000_000n).toString().padStart(9, '0')}`;
        expect(nanos(text)).toBe(amount);
        expect(exactMoney(amount).replace(/[$,]/g, '').replace('−', '-')).toBe(text);
      }),
    );
  });

  test('that is not zero never reads as zero', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 18n }), (amount) => {
        for (const text of [money(amount), shortMoney(amount)]) expect(/[1-9]/.test(text)).toBe(true);
      }),
    );
  });

  test.each([
    { dollars: '0.000000000', text: '$0' },
    { dollars: '0.000000001', text: '<$0.0001' },
    { dollars: '0.000400000', text: '$0.0004' },
    { dollars: '0.012345678', text: '$0.01235' },
    { dollars: '0.500000000', text: '$0.50' },
    { dollars: '0.999900000', text: '$0.9999' },
    { dollars: '0.999990000', text: '$1.00' },
    { dollars: '1.005000000', text: '$1.01' },
    { dollars: '1234567.891000000', text: '$1,234,567.89' },
    { dollars: '-0.250000000', text: '−$0.25' },
  ])('of $dollars reads $text', ({ dollars, text }) => {
    expect(money(nanos(dollars))).toBe(text);
  });

  test.each([
    { amounts: ['0.000540000', '0.000541000', '12.304567891'], texts: ['$0.000540', '$0.000541', '$12.304568'] },
    { amounts: ['0.500000000', '0.250000000', '-3.000000000'], texts: ['$0.50', '$0.25', '−$3.00'] },
    { amounts: ['0.012345678', '0.000000000', '0.000000001'], texts: ['$0.01235', '$0', '<$0.0001'] },
    { amounts: ['0.000123456', '0.999999999'], texts: ['$0.000123', '$1.000000'] },
  ])('of a column has as many places everywhere: $texts', ({ amounts, texts }) => {
    const column = moneyColumn([null, ...amounts.map(nanos)]);
    expect(amounts.map((amount) => column(nanos(amount)))).toEqual(texts);
  });

  test.each([
    { ticks: [0, 7.5, 15, 22.5, 30], texts: ['$0.00', '$7.50', '$15.00', '$22.50', '$30.00'] },
    { ticks: [0, 37.5, 75, 112.5, 150], texts: ['$0.00', '$37.50', '$75.00', '$112.50', '$150.00'] },
    { ticks: [0, 20, 40], texts: ['$0', '$20', '$40'] },
    { ticks: [0, 0.1 + 0.2, 0.6], texts: ['$0.00', '$0.30', '$0.60'] },
    { ticks: [0, 0.000125, 0.00025], texts: ['$0.000000', '$0.000125', '$0.000250'] },
    { ticks: [0, 375, 750, 1125, 1500], texts: ['$0', '$375', '$750', '$1,125', '$1,500'] },
    { ticks: [0, 12_500, 25_000], texts: ['$0.0', '$12.5K', '$25.0K'] },
  ])('of an axis has as many places at every tick: $texts', ({ ticks, texts }) => {
    expect(ticks.map((tick) => axisMoney(tick, ticks))).toEqual(texts);
  });

  test('smaller than a cent reads so on a card', () => {
    expect(shortMoney(nanos('0.009999999'))).toBe('<$0.01');
    expect(shortMoney(nanos('0.000000000'))).toBe('$0.00');
  });
});

test.each([
  { share: 0, text: '0%' },
  { share: 0.0001, text: '<0.1%' },
  { share: 0.034, text: '3.4%' },
  { share: 0.9999, text: '>99.9%' },
  { share: 1, text: '100%' },
  { share: 1.187, text: '118.7%' },
])('a share of $share reads $text', ({ share, text }) => {
  expect(percent(share)).toBe(text);
});

test.each([
  { ms: null, text: '–' },
  { ms: 0.4, text: '<1 ms' },
  { ms: 820, text: '820 ms' },
  { ms: 4_210, text: '4.21 s' },
  { ms: 125_000, text: '2 m 05 s' },
  { ms: 7_380_000, text: '2 h 03 m' },
])('a duration of $ms ms reads $text', ({ ms, text }) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  { name: 'a rise in percent', now: 112, before: 100, enough: true, is: { text: '12%', direction: 'up' } },
  { name: 'a fall in percent', now: 50, before: 100, enough: true, is: { text: '50%', direction: 'down' } },
  { name: 'no percentage on a base of nothing', now: 5, before: 0, enough: true, is: { text: 'new', direction: 'up' } },
  { name: 'no percentage on a handful of requests', now: 5, before: 2, enough: false, is: { text: 'too few to compare', direction: 'flat' } },
  { name: 'a multiple where it grew more than tenfold', now: 2_000, before: 100, enough: true, is: { text: '×20', direction: 'up' } },
  { name: 'about the same where it hardly moved', now: 1_001, before: 1_000, enough: true, is: { text: 'about the same', direction: 'flat' } },
])('a change reads as $name', ({ now, before, enough, is }) => {
  expect(change(now, before, enough)).toEqual(is);
});

test('counts stay whole up to ten thousand', () => {
  expect([compact(9_999), compact(12_345), compact(3_750_000)]).toEqual(['9,999', '12.3K', '3.75M']);
});

test('a time in full names its zone, also over a clock change', () => {
  expect(fullTime(Date.UTC(2026, 6, 1, 12, 0, 0, 5), 'Europe/Berlin')).toBe('2026-07-01 14:00:00.005 CEST');
  expect(fullTime(Date.UTC(2026, 11, 1, 12, 0, 0, 5), 'Europe/Berlin')).toBe('2026-12-01 13:00:00.005 CET');
});

test.each([
  { ratio: 0, text: 'Bill agrees' },
  { ratio: -0.00398, text: 'Bill 0.4% above ledger' },
  { ratio: 0.025, text: 'Bill 2.5% below ledger' },
  { ratio: -0.0000001, text: 'Bill <0.1% above ledger' },
])('a ledger that differs by $ratio of the bill reads $text', ({ ratio, text }) => {
  expect(billWords(ratio)).toBe(text);
});

test.each([
  { off: 0, said: 'now' },
  { off: 900, said: 'now' },
  { off: -1_400, said: 'now' },
  { off: -2_000, said: '2 s ago' },
  { off: -90_000, said: '2 min ago' },
  { off: 3 * 3_600_000, said: 'in 3 h' },
  { off: 9 * 86_400_000, said: 'in 9 days' },
])('an instant $off ms off is said to be $said', ({ off, said }) => {
  expect(fromNow(1_000_000_000_000 + off, 1_000_000_000_000)).toBe(said);
});

test.each([
  { lasted: 41_600, text: '20:38, for 42 s' },
  { lasted: 59_700, text: '20:38, for 1 min' },
  { lasted: 3 * 3_600_000, text: '20:38, for 3 h' },
  { lasted: 5 * 3_600_000, text: '30 Nov, 20:38, for 5 h' },
  { lasted: 12 * 86_400_000, text: '30 Nov, 20:38, for 12 days' },
])('up since $text', ({ lasted, text }) => {
  expect(upSince(Date.UTC(2026, 10, 30, 20, 38), lasted, 'UTC')).toBe(text);
});
