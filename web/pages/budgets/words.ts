// web/pages/budgets/words.ts: alert rules in words, and which calls stand behind what fires.

import type { AlertFiring, BudgetRow } from '../../../server/http/admin/wire.ts';
import { addressWith, FILTERS } from '../../state/location.ts';
import { scopeWords } from './card.tsx';

export const RULE_WORDS: Readonly<Record<AlertFiring['rule'], { name: string; when: string }>> = {
  budget: { name: 'Budget threshold', when: 'a share of a budget is spent' },
  budget_refusing: { name: 'Refuses calls', when: 'a call can cost more than is left of a hard budget' },
  pace: { name: 'Spent too fast', when: 'a budget goes faster than its even pace' },
  forecast: { name: 'Will not last', when: 'a budget will be exceeded before its period ends' },
  anomaly: { name: 'Unusual spend', when: 'an hour costs far more than that hour of the week does' },
  errors: { name: 'Calls fail', when: 'too many calls fail at the provider or on the way' },
  first_token: { name: 'Slow to begin', when: 'answers begin late' },
  headroom: { name: 'Little room', when: "the provider's limits run low" },
  provider_cap: { name: 'Provider wants money', when: 'the provider refuses because credit or a spend limit ran out' },
  key_unused: { name: 'Key not used', when: 'a key is not used for long' },
  no_traffic: { name: 'No traffic', when: 'no call comes in an hour that is usually busy' },
  key_leak: { name: 'Key may be stolen', when: 'a key is used as stolen keys are, or a secret of it that has ended is still tried' },
  unpriced: { name: 'Model without a price', when: 'a model is not in the price book' },
  usage_missing: { name: 'Usage not told', when: 'answers do not tell what they used, and their cost is estimated' },
  ledger: { name: 'Ledger in trouble', when: 'the ledger cannot be written' },
  price_book: { name: 'Old prices', when: 'prices were not checked for long' },
  reconciliation: { name: 'Ledger and bill apart', when: "a day of the ledger and the provider's bill disagree" },
  delivery: { name: 'Alerts do not arrive', when: 'a channel cannot be reached' },
};

const HOUR_MS = 3_600_000;
const FAILED = ['upstream_error', 'connect_failed', 'upstream_reset', 'upstream_timeout', 'upstream_protocol'];

/** The address of the calls behind an alert; null where no call is behind it. */
export function callsBehind(alert: AlertFiring, budgets: readonly BudgetRow[]): string | null {
  const since = alert.since === null ? 'now-24h' : new Date(Date.parse(alert.since) - HOUR_MS).toISOString();
  const over = { from: since, to: alert.resolved_at };
  switch (alert.rule) {
    case 'budget_refusing': return addressWith({ [FILTERS.policy]: `budget:${alert.scope}`, [FILTERS.outcome]: 'refused', ...over }, 'requests');
    case 'budget': case 'pace': case 'forecast': {
      const budget = budgets.find((one) => one.id === alert.scope);
      return budget ? addressWith({ ...scopeWords(budget.scope).filter, from: budget.period.from, to: null }, 'requests') : null;
    }
    case 'anomaly': return addressWith({ [FILTERS.workspace]: alert.scope, ...over }, 'requests');
    case 'key_leak': return addressWith({ [FILTERS.key]: alert.scope, ...over }, 'requests');
    case 'unpriced': return addressWith({ [FILTERS.model]: alert.scope, from: 'now-7d', to: null }, 'requests');
    case 'errors': case 'headroom': case 'provider_cap': return addressWith({ [FILTERS.outcome]: FAILED, ...over }, 'requests');
    case 'usage_missing': return addressWith({ [FILTERS.estimated]: 'true', [FILTERS.outcome]: ['ok', 'truncated'], ...over }, 'requests');
    case 'first_token': return addressWith(over, 'requests');
    default: return null;
  }
}

export const SEVERITY_LOOKS = { critical: { tone: 'bad', sign: '✕', word: 'Critical' }, warning: { tone: 'warn', sign: '!', word: 'Warning' }, info: { tone: 'note', sign: 'i', word: 'To know' } } as const;
