// server/store/sqlite/savings.ts: decisions about savings for the main thread, over the writer.

import type { Baseline, SavingDecision, SavingDecisions, SavingState } from '../../domain/advice.ts';
import { epochMs } from '../../domain/ids.ts';
import { nanodollars } from '../../domain/money.ts';
import { OP } from './operations.ts';
import type { StoredSaving } from './savings-table.ts';
import type { WriterClient } from './writer-client.ts';

export const savingDecisionsOf = (writer: WriterClient): SavingDecisions => ({
  list: async () => (await writer.ask<readonly StoredSaving[]>({ kind: 'savings' })).map(decisionOf),
  save: ({ id, state, at, actor, owner, reason, baseline }) => writer.write([OP.saving, id, state, at, actor, owner, reason, baseline === null ? null : textOf(baseline)]),
});

const decisionOf = (stored: StoredSaving): SavingDecision => ({ ...stored, state: stored.state as SavingState, at: epochMs(stored.at), baseline: stored.baseline === null ? null : baselineOf(stored.baseline) });

const textOf = (baseline: Baseline): string => JSON.stringify(baseline, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));

function baselineOf(text: string): Baseline {
  const stored = JSON.parse(text) as { from: number; to: number; actions: number; cost: string; perDay: string };
  return { from: epochMs(stored.from), to: epochMs(stored.to), actions: stored.actions, cost: nanodollars(BigInt(stored.cost)), perDay: nanodollars(BigInt(stored.perDay)) };
}
