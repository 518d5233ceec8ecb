// server/bill/statement.ts: a workspace's month as a bill: quantities, unit prices and amounts that add up, in whole cents too.

import { nanodollars, type Nanodollars, type Picodollars } from '../domain/money.ts';
import type { CostLine } from '../domain/price.ts';
import type { BilledCall, UsageRow } from '../domain/reports.ts';
import { apportion } from './apportion.ts';
import { chargesOf, type Charge } from './charges.ts';

export interface StatementLine {
  readonly workflow: string;
  readonly model: string;
  /** `past_rows`: days whose single calls are past retention, of which only sums are kept. */
  readonly kind: Charge['kind'] | 'past_rows';
  readonly factors: readonly string[];
  readonly calls: number;
  readonly quantity: number;
  /** Null where quantity times price is not what makes the amount. */
  readonly unitPrice: Picodollars | null;
  readonly amount: Nanodollars;
  /** The amount in cents; all of them add up to `totalCents`. */
  readonly cents: bigint;
}

export interface Statement {
  readonly lines: readonly StatementLine[];
  readonly calls: number;
  readonly total: Nanodollars;
  readonly totalCents: bigint;
  /** The part that did not come from complete usage. */
  readonly estimated: Nanodollars;
  readonly cacheSavings: Nanodollars;
  readonly priceVersions: readonly string[];
}

type Open = Omit<StatementLine, 'cents' | 'amount' | 'quantity' | 'calls'> & { amount: bigint; quantity: number; calls: number };

const ORDER: readonly StatementLine['kind'][] = ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'output', 'web_search', 'code_execution', 'unexplained', 'past_rows'];
const CENT = 10_000_000n;

/** Gathers calls one by one, so that a month need not be held in memory. */
export function openStatement(): { add(detail: BilledCall, lines: readonly CostLine[]): void; addPast(rows: readonly UsageRow[]): void; close(): Statement } {
  const lines = new Map<string, Open>();
  const versions = new Set<string>();
  let calls = 0;
  let estimated = 0n;
  let cacheSavings = 0n;

  const lineOf = (line: Omit<Open, 'amount' | 'quantity' | 'calls'>): Open => {
    const key = JSON.stringify([line.workflow, line.model, line.kind, String(line.unitPrice), line.factors]);
    let found = lines.get(key);
    if (found === undefined) lines.set(key, (found = { ...line, amount: 0n, quantity: 0, calls: 0 }));
    return found;
  };

  return {
    add(detail, costLines) {
      const { row } = detail;
      calls++;
      if (row.estimated) estimated += row.cost;
      cacheSavings += row.cacheSavings;
      for (const charge of chargesOf(detail, costLines)) {
        const line = lineOf({ workflow: row.workflow, model: charge.model, kind: charge.kind, factors: charge.factors, unitPrice: charge.unitPrice });
        line.amount += charge.cost;
        line.quantity += charge.quantity;
        line.calls++;
        if (charge.priceVersion !== null) versions.add(charge.priceVersion);
      }
    },
    /** @param rows usage by workflow and model of the days before the first row that is kept */
    addPast(rows) {
      for (const row of rows) {
        calls += row.requests - row.refused;
        estimated += row.estimatedCost;
        cacheSavings += row.cacheSavings;
        if (row.cost === 0n) continue;
        const line = lineOf({ workflow: String(row.group.workflow ?? ''), model: String(row.group.model ?? ''), kind: 'past_rows', factors: [], unitPrice: null });
        line.amount += row.cost;
        line.calls += row.requests - row.refused;
      }
    },
    close() {
      const all = [...lines.values()].sort(
        (a, b) => compare(a.workflow, b.workflow) || compare(a.model, b.model) || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || compare(a.factors.join(), b.factors.join()) || Number((b.unitPrice ?? 0n) - (a.unitPrice ?? 0n)),
      );
      const total = all.reduce((sum, line) => sum + line.amount, 0n);
      const totalCents = (total + CENT / 2n) / CENT;
      const cents = apportion(totalCents, all.map((line) => line.amount));
      return {
        lines: all.map((line, at) => ({ ...line, amount: nanodollars(line.amount), cents: cents[at] as bigint })),
        calls, total: nanodollars(total), totalCents, estimated: nanodollars(estimated), cacheSavings: nanodollars(cacheSavings), priceVersions: [...versions].sort(),
      };
    },
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
