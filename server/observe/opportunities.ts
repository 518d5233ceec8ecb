// server/observe/opportunities.ts: what the savings advisor found, as a gauge: per workspace, lever and certainty.

import { LEVER_GRADES, LEVERS, type Advisor, type Grade, type Lever, type SavingsView } from '../domain/advice.ts';
import { usdNumber } from '../domain/money.ts';

export interface Opportunity {
  readonly workspace: string;
  readonly lever: Lever;
  readonly confidence: Grade;
  readonly usd: number;
}

/** A scrape does not wait longer for a look over the ledger; it gets what was known before. */
const PATIENCE_MS = 250;

/**
 * Every lever with each certainty that it can have, for every workspace with calls, at 0 where there is nothing to gain. Exact, bounded and
 * estimated findings count what they save at least, signals what is at stake; what was done or dismissed counts nothing.
 */
export function opportunitiesOf({ advice, savings }: SavingsView): readonly Opportunity[] {
  const sums = new Map<string, Map<string, bigint>>();
  for (const { workspace } of advice.workflows) sums.set(workspace, new Map());
  for (const { state, finding: { workspace, lever, grade, low, atStake } } of savings) {
    const of = sums.get(workspace);
    if (of === undefined || state === 'done' || state === 'dismissed') continue;
    const key = `${lever} ${grade}`;
    of.set(key, (of.get(key) ?? 0n) + (grade === 'signal' ? atStake : low));
  }
  return [...sums].flatMap(([workspace, of]) =>
    LEVERS.flatMap((lever) => LEVER_GRADES[lever].map((confidence) => ({ workspace, lever, confidence, usd: usdNumber((of.get(`${lever} ${confidence}`) ?? 0n) as Parameters<typeof usdNumber>[0]) }))),
  );
}

/** Never rejects: while the ledger cannot be read, what was known before stands. */
export function createOpportunities({ advisor }: { readonly advisor: Pick<Advisor, 'view'> }): () => Promise<readonly Opportunity[]> {
  let known: readonly Opportunity[] = [];
  return async () => {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
    const fresh = advisor.view().then((view) => void (known = opportunitiesOf(view)), () => undefined);
    await Promise.race([fresh, patience]);
    clearTimeout(timer);
    return known;
  };
}
