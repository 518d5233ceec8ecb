// server/alert/rules/reconciliation.ts: a day on which the ledger and the provider's bill are too far apart.

import type { Reading } from '../../domain/alert.ts';
import { HOUR_MS } from '../../domain/durations.ts';
import { nanoFromUsd } from '../../domain/money.ts';
import { differenceOf, differenceRatio, latestDay, type ReconciledDay } from '../../domain/reconciliation.ts';
import type { Figures } from '../figures.ts';
import { dollars, percent } from './show.ts';

/** The latest day that was compared; a day that comes closer later, as reports that are late make it, ends the alert. */
export function billDrift({ reconciled, rules, notify }: Figures): Reading[] {
  const { enabled, above, floorUsd } = rules.reconciliation;
  if (!enabled) return [];
  const floor = nanoFromUsd(floorUsd.toFixed(9));
  return latestDay(reconciled).map((row): Reading => {
    const ratio = differenceRatio(row);
    const difference = differenceOf(row);
    const size = difference < 0n ? -difference : difference;
    const fires = Math.abs(ratio) > above && size >= floor;
    const day = new Date(row.day).toISOString().slice(0, 10);
    return {
      // Every day is a matter of its own.
      rule: 'reconciliation', scope: row.providerWorkspace ?? 'organization', period: row.day, basis: '', tier: fires ? 1 : 0, keeps: fires ? 1 : 0, severity: 'warning', forMs: 0, clearMs: HOUR_MS, rearmMs: null,
      title: `Ledger and bill are ${percent(Math.abs(ratio))} apart on ${day}`,
      text: `The ledger says ${dollars(row.ledger.cost)}, the provider ${dollars(row.provider.cost)}. ${causesOf(row)}`,
      facts: [
        { label: 'Day (UTC)', value: day },
        { label: 'Ledger', value: dollars(row.ledger.cost) },
        { label: 'Provider', value: dollars(row.provider.cost) },
        { label: 'Estimated in the ledger', value: dollars(row.estimated) },
      ],
      value: Math.abs(ratio), threshold: above, unit: 'ratio', notify,
    };
  });
}

/** What to look at first, by the side that has more. */
function causesOf(row: ReconciledDay): string {
  const all = ({ tokens }: ReconciledDay['ledger']): number => tokens.input + tokens.cacheRead + tokens.cacheWrite5m + tokens.cacheWrite1h + tokens.output;
  if (differenceOf(row) < 0n) return all(row.provider) > all(row.ledger) * 1.005 ? 'The provider counts more tokens: calls that went past the gateway, or batches that are not booked yet.' : 'The tokens agree, the money does not: look for prices that are out of date.';
  return row.estimated > 0n ? 'Part of the ledger is estimated, where an answer broke off before its usage.' : 'The ledger has more: look for prices of your contract, a priority tier, which the cost report leaves out, or calls at the turn of the day.';
}
