// test/alert/unpriced.test.ts: which calls make a model one without a price: those that were priced as the dearest, or turned away for want of one.

import { expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { beatOfEntry, beatOfRefusal } from '../../server/alert/beat.ts';
import { Pulse } from '../../server/alert/pulse.ts';
import { ask, complete, pricing, quoted, tokens, usage } from '../price/rows.ts';
import { cost, openEntry, refusedEntry, settlement } from '../store/samples.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const DAY_MS = 86_400_000;

test('is the advisor, where it is the one without', () => {
  const pulse = new Pulse(10_000);
  const parts = [{ type: 'message', model: null, tokens: tokens({ input: 5 }) }, { type: 'advisor_message', model: 'claude-sage-1', tokens: tokens({ input: 5 }) }];
  const billed = pricing.cost(quoted(ask()), complete(usage({ input: 5 }, { parts, modelServed: 'claude-sonnet-4-6' })));
  pulse.note(beatOfEntry({ opened: openEntry('1', { modelSent: 'claude-sonnet-4-6' }), settlement: settlement('1', { endedAt: epochMs(NOW), cost: billed }) }));
  expect(pulse.unpriced(NOW + 1, DAY_MS)).toEqual([{ model: 'claude-sage-1', count: 1, refused: false }]);
});

test('a name that the provider turned down too is none, whatever prices stand in for it', () => {
  const pulse = new Pulse(10_000);
  const settled = (id: string, model: string, total: bigint, basis: 'ceiling' | 'listed') =>
    pulse.note(beatOfEntry({ opened: openEntry(id, { modelSent: model }), settlement: settlement(id, { endedAt: epochMs(NOW), cost: cost({ total: nanodollars(total), basis, modelServed: null }) }) }));
  settled('1', 'claude-nova-9', 5n, 'ceiling');
  settled('2', 'claude-nova-9', 5n, 'ceiling');
  settled('3', 'claude-typo', 0n, 'ceiling');
  settled('4', 'claude-haiku-4-5', 5n, 'listed');
  pulse.note(beatOfRefusal(refusedEntry('5', { endedAt: epochMs(NOW), modelRequested: 'claude-nova-10', refusal: 'unpriced_model' })));
  pulse.note(beatOfRefusal(refusedEntry('6', { endedAt: epochMs(NOW), modelRequested: 'claude-typo', refusal: 'model_not_allowed' })));
  expect(pulse.unpriced(NOW + 1, DAY_MS)).toEqual([{ model: 'claude-nova-9', count: 2, refused: false }, { model: 'claude-nova-10', count: 1, refused: true }]);
});
