// test/alert/month.ts: nine weeks of calls of three workspaces, the last month of them with three incidents in it.

import { DateTime } from 'luxon';
import { epochMs, type EpochMs } from '../../server/domain/ids.ts';
import type { LedgerEntry } from '../../server/domain/ledger.ts';
import type { Quote } from '../../server/domain/price.ts';
import type { Tokens } from '../../server/domain/usage.ts';
import { chanceOf } from '../standin/chance.ts';
import { ask, complete, pricing, tokens, usage } from '../price/rows.ts';
import { caller, openEntry, settlement } from '../store/samples.ts';

export const ZONE = 'Europe/Berlin';
const local = (text: string): EpochMs => epochMs(DateTime.fromISO(text, { zone: ZONE }).toMillis());

export const BEGIN = local('2026-08-24');
/** The month that is watched; its last Sunday has 25 hours. */
export const MONTH = { from: local('2026-10-01'), to: local('2026-11-01') };
export const LOOP = { from: local('2026-10-07T13:10'), to: local('2026-10-07T16:10') };
export const COLLAPSE = { from: local('2026-10-15T09:30'), to: local('2026-10-15T17:30') };
export const LEAK = { from: local('2026-10-09'), to: local('2026-10-27') };

const MODEL = 'claude-sonnet-4-6';
const SLOT_MS = 10 * 60_000;
const within = (at: number, span: { from: number; to: number }): boolean => at >= span.from && at < span.to;

interface Planned {
  readonly at: number;
  readonly workspace: string;
  readonly workflow: string;
  readonly tokens: Tokens;
  readonly failed: boolean;
}
export type PlannedCall = Planned;

/** The calls of ten minutes, in order. @param troubled without it, the same month in which nothing went wrong */
export function callsOf(slot: number, troubled = true): Planned[] {
  const time = DateTime.fromMillis(slot, { zone: ZONE });
  const busy = time.weekday <= 5 && time.hour >= 8 && time.hour < 19;
  const chance = chanceOf('month', slot);
  const planned: Planned[] = [];
  const add = (workspace: string, workflow: string, used: Tokens, at = slot + Math.floor(chance.next() * SLOT_MS)): void => {
    const scale = 0.9 + 0.2 * chance.next();
    const scaled = Object.fromEntries(Object.entries(used).map(([kind, count]) => [kind, Math.round(count * scale)])) as unknown as Tokens;
    planned.push({ at, workspace, workflow, tokens: scaled, failed: chance.next() < 0.002 });
  };
  const calls = busy ? 4 : time.minute === 0 ? 1 : 0;
  for (let i = 0; i < calls; i++) {
    // A prefix that the cache holds, but for the day on which something in it changes with every call.
    add('support', 'ticket-triage', troubled && within(slot, COLLAPSE) ? tokens({ cacheWrite5m: 100_000, input: 2_000, output: 500 }) : tokens({ cacheRead: 100_000, input: 2_000, output: 500 }));
    // A conversation that is never cut: a little longer every day.
    const days = troubled && within(slot, LEAK) ? (slot - LEAK.from) / 86_400_000 : 0;
    if (i < 2) add('research', 'digest', tokens({ input: Math.round(8_000 * 1.09 ** days), output: 400 }));
    if (i < 2) add('engineering', 'review', tokens({ input: 20_000, output: 1_500 }));
  }
  if (troubled && within(slot, LOOP)) for (let i = 0; i < 60; i++) add('engineering', 'agent', tokens({ input: 40_000, output: 800 }), slot + i * 10_000);
  return planned.sort((a, b) => a.at - b.at);
}

export const slots = function* (from: number, to: number): Iterable<number> {
  for (let slot = from; slot < to; slot += SLOT_MS) yield slot;
};

/** A call as the gateway would see it: its quote when it comes, its entry when it has ended. The scene counts in whole calls: each ends when it began. */
export function entryOf(call: Planned, id: string): { readonly quote: Quote; readonly entry: LedgerEntry } {
  const at = epochMs(call.at);
  const verdict = pricing.quote({ endpoint: 'messages', ask: ask({ model: MODEL }), model: MODEL, at });
  if (!verdict.ok) throw new Error('the book has no price for it');
  const quote = verdict.value;
  const ending = complete(usage(call.failed ? {} : call.tokens, { modelServed: MODEL }), call.failed ? { errorType: 'overloaded_error' } : {});
  const bill = pricing.cost(quote, call.failed ? { ...ending, status: 529, reading: { ...ending.reading, usage: null, complete: false } } : ending);
  const opened = openEntry(id, { admittedAt: at, caller: caller({ workspace: call.workspace, workflow: call.workflow, key: keyOf(call.workspace), user: null }), modelRequested: MODEL, modelSent: MODEL, held: quote.ceiling, price: quote.row, decisions: [] });
  return {
    quote,
    entry: {
      opened,
      settlement: settlement(id, { endedAt: at, outcome: call.failed ? 'upstream_error' : 'ok', status: call.failed ? 529 : 200, cost: bill, timeToFirstTokenMs: call.failed ? null : 900, attempts: [] }),
    },
  };
}

export const WORKSPACES = ['support', 'engineering', 'research'] as const;
export const keyOf = (workspace: string): string => `${workspace}-prod`;
