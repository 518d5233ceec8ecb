// server/http/admin/encode-statement.ts: a statement in the words of the wire.

import type { Statement, StatementLine } from '../../bill/statement.ts';
import type { Budget } from '../../domain/budget.ts';
import type { Period } from '../../domain/calendar.ts';
import { wasInForce, type Grant } from '../../domain/grant.ts';
import { epochMs, type EpochMs } from '../../domain/ids.ts';
import { nanodollars, picodollars, usdString, type Nanodollars } from '../../domain/money.ts';
import { priceKind } from '../../domain/price.ts';
import type { ActionFigures } from '../../domain/reports.ts';
import { TOKEN_KIND_NAMES } from '../../domain/usage.ts';
import { exactUsd, iso, isoOrNull } from './encode.ts';
import { monthName } from './month.ts';
import type * as wire from './wire.ts';

interface Told {
  readonly workspace: string;
  readonly month: Period;
  /** The end of the month, or now while it runs. */
  readonly to: EpochMs;
  readonly now: EpochMs;
  readonly timezone: string;
  /** Null where every call of the month is kept. */
  readonly rowsFrom: EpochMs | null;
  readonly statement: Statement;
  readonly actions: ActionFigures | null;
  readonly budgets: readonly Budget[];
  readonly grants: readonly Grant[];
  readonly trend: readonly { readonly month: EpochMs; readonly cost: Nanodollars }[];
}

const cents = (amount: bigint): string => `${amount / 100n}.${(amount % 100n).toString().padStart(2, '0')}`;

export function statementAnswer({ workspace, month, to, now, timezone, rowsFrom, statement, actions, budgets, grants, trend }: Told): wire.StatementAnswer {
  const { total, estimated } = statement;
  return {
    workspace,
    month: monthName(month.from, timezone),
    period: { from: iso(month.from), to: iso(month.to) },
    until: iso(to),
    timezone,
    running: now < month.to,
    made_at: iso(now),
    rows_from: isoOrNull(rowsFrom),
    calls: statement.calls,
    lines: statement.lines.map(lineAnswer),
    total_usd: usdString(total),
    total_cents_usd: cents(statement.totalCents),
    estimated_usd: usdString(estimated),
    exact_ratio: total > 0n ? Number(((total - estimated) * 1_000_000n) / total) / 1e6 : null,
    cache_savings_usd: usdString(statement.cacheSavings),
    price_versions: statement.priceVersions.map((version) => ({ version, kind: priceKind(version) })),
    actions: actions && actions.actions > 0 ? { actions: actions.actions, per_action_usd: usdString(nanodollars(actions.cost / BigInt(actions.actions))) } : null,
    budgets: budgets.map((budget) => {
      // Those that held when the month ended, or hold now.
      const granted = grants.filter((grant) => grant.budget === budget.id && wasInForce(grant, epochMs(to - 1))).reduce((sum, { amount }) => sum + amount, 0n);
      return { id: budget.id, limit_usd: usdString(budget.limit), granted_usd: usdString(nanodollars(granted)), left_usd: usdString(nanodollars(budget.limit + granted - total)) };
    }),
    trend: trend.map((one) => ({ month: monthName(one.month, timezone), cost_usd: usdString(one.cost) })),
  };
}

const lineAnswer = (line: StatementLine): wire.StatementLine => ({
  workflow: line.workflow, model: line.model, kind: line.kind in TOKEN_KIND_NAMES ? TOKEN_KIND_NAMES[line.kind as keyof typeof TOKEN_KIND_NAMES] : (line.kind as 'web_search' | 'code_execution' | 'unexplained' | 'past_rows'),
  factors: [...line.factors], calls: line.calls, quantity: line.quantity, unit_price_usd: line.unitPrice === null ? null : exactUsd(picodollars(line.unitPrice)), amount_usd: usdString(line.amount), amount_cents_usd: cents(line.cents),
});
