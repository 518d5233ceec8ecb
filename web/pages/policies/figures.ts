// web/pages/policies/figures.ts: what was refused and why, and how the configuration stands against common rules of good use.

import type { BudgetsAnswer, KeysAnswer, PoliciesAnswer, ReasonRow, StatusAnswer, VerdictRow } from '../../../server/http/admin/wire.ts';
import { rowsBy } from '../../figures.ts';
import { percent } from '../../format.ts';

export interface Refused {
  readonly reason: string | null;
  readonly calls: number;
  /** The rows that they are the sum of. */
  readonly rows: readonly ReasonRow[];
}
/** Refused calls by reason, the most frequent first. */
export const refusedBy = (rows: readonly ReasonRow[]): Refused[] =>
  [...rowsBy(rows.filter((row) => row.outcome === 'refused'), (row) => row.reason ?? '').values()].map((some) => ({ reason: some[0]!.reason, calls: some.reduce((sum, row) => sum + row.calls, 0), rows: some })).toSorted((a, b) => b.calls - a.calls);

/** What dry runs say, and soft budgets past their limit. */
export const ON_TRIAL = ['would_refuse', 'would_rewrite'] as const satisfies readonly VerdictRow['verdict'][];

export interface Spoken {
  /** The rule; empty for refusals that no rule of the configuration made. */
  readonly policy: string;
  readonly verdicts: readonly VerdictRow['verdict'][];
  readonly calls: number;
  /** The rows that they are the sum of. */
  readonly rows: readonly VerdictRow[];
}
/** What rules said, of the given verdicts, by rule, the most frequent first. */
export const spokenBy = (rows: readonly VerdictRow[], verdicts: readonly VerdictRow['verdict'][]): Spoken[] =>
  [...rowsBy(rows.filter((row) => verdicts.includes(row.verdict)), (row) => row.policy ?? '').entries()]
    .map(([policy, some]) => ({ policy, verdicts: verdicts.filter((verdict) => some.some((row) => row.verdict === verdict)), calls: some.reduce((sum, row) => sum + row.calls, 0), rows: some }))
    .toSorted((a, b) => b.calls - a.calls);

/** The rules in force that only record what they would do, as the ledger names them as far as that is known. */
export function onTrial(policies: PoliciesAnswer, budgets: BudgetsAnswer): string[] {
  const ofScopes = policies.workspaces.flatMap((one) => [{ scope: one.id, rules: one.dry_run }, ...one.workflows.map((flow) => ({ scope: `${one.id}/${flow.id}`, rules: flow.dry_run }))]);
  return [
    ...ofScopes.flatMap(({ scope, rules }) => rules.map((rule) => `${rule === 'limits' ? 'limit' : rule}:${scope}`)),
    ...policies.limits.filter((limit) => limit.dry_run).map((limit) => `limit:${limit.id}`),
    ...budgets.rows.filter((budget) => budget.dry_run || budget.mode === 'soft').map((budget) => `budget:${budget.id}`),
  ];
}

export interface Check {
  readonly name: string;
  readonly state: 'pass' | 'warn' | 'unknown';
  readonly proof: string;
}

const limited = (limits: PoliciesAnswer['workspaces'][number]['limits']): boolean => Object.values(limits).some((limit) => limit !== null);

/** Eight rules of good use, each with what shows whether it is kept. */
export function checksOf({ policies, keys, budgets, status, signInRequired }: { policies: PoliciesAnswer; keys: KeysAnswer; budgets: BudgetsAnswer; status: StatusAnswer; signInRequired: boolean | null }): Check[] {
  const active = keys.rows.filter((key) => key.state === 'active');
  const endless = active.filter((key) => key.expires_at === null);
  const named = policies.workspaces.filter((one) => one.id !== 'default');
  const unbounded = policies.workspaces.filter((one) => one.models.allow === null && one.models.deny.length === 0 && one.workflows.every((flow) => flow.models.allow === null));
  const unlimited = policies.workspaces.filter((one) => !limited(one.limits));
  const hard = budgets.rows.filter((one) => one.mode === 'hard');
  const silent = budgets.rows.filter((one) => one.notify.length === 0);
  const list = (names: readonly string[]) => (names.length > 4 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more` : names.join(', '));
  // A rule that is not kept is named by what is missing: a warning beside the rule itself would assert what is not so.
  const check = (name: string, missing: string, good: boolean, proof: string): Check => ({ name: good ? name : missing, state: good ? 'pass' : 'warn', proof });
  return [
    check('Every call needs a key of ours', 'Calls need no key of ours', policies.access === 'keys', policies.access === 'keys' ? `${active.length} active keys` : 'access is open: who reaches the port may call'),
    check('Keys end', active.length === 0 ? 'No key is in force' : 'Keys without an end', active.length > 0 && endless.length === 0, active.length === 0 ? 'no key is active' : endless.length === 0 ? 'every active key has a last day' : `without a last day: ${list(endless.map((key) => key.id))}`),
    check('Uses are kept apart', 'Uses are not kept apart', named.length > 0, named.length > 0 ? `${named.length} ${named.length === 1 ? 'workspace' : 'workspaces'}` : 'everything is in one workspace'),
    check('Models are chosen', 'Models are not chosen everywhere', policies.workspaces.length > 0 && unbounded.length === 0, unbounded.length === 0 && policies.workspaces.length > 0 ? 'every workspace allows or denies by name' : `any model in: ${list(unbounded.map((one) => one.id)) || 'default'}`),
    check('Spend is bounded', 'Nothing bounds the spend', hard.length > 0, hard.length > 0 ? `${hard.length} hard ${hard.length === 1 ? 'budget' : 'budgets'}` : 'no hard budget: nothing refuses a runaway'),
    check('Somebody is told', budgets.rows.length === 0 ? 'Nobody is told' : 'Budgets that tell nobody', budgets.rows.length > 0 && silent.length === 0, budgets.rows.length === 0 ? 'no budget, so no alert' : silent.length === 0 ? 'every budget tells a channel' : `tell nobody: ${list(silent.map((one) => one.id))}`),
    check('Rates are bounded', 'Rates are not bounded everywhere', policies.workspaces.length > 0 && unlimited.length === 0, unlimited.length === 0 && policies.workspaces.length > 0 ? 'every workspace has limits' : `no limits in: ${list(unlimited.map((one) => one.id)) || 'default'}`),
    signInRequired === null ? { name: 'Is the dashboard locked?', state: 'unknown', proof: 'not known' } : check('The dashboard is locked', 'The dashboard is not locked', signInRequired, signInRequired ? 'it asks for the admin token' : 'no admin token is set'),
    status.pricing.exact_ratio === null ? { name: 'Are costs exact?', state: 'unknown', proof: 'no cost in the last 7 days' } : check('Costs are exact', 'Costs are in part estimates', status.pricing.exact_ratio >= 0.95 && status.pricing.ceiling_priced === 0, `${percent(status.pricing.exact_ratio)} of the last 7 days' cost`),
    { name: 'No text is stored', state: 'pass', proof: `prompts and answers are never kept; rows of calls for ${policies.requests_retention_days} days` },
  ];
}
