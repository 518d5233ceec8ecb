// server/cli/budgets.ts: `tollgate budgets`: how every budget stands, and raising one for a while.

import type { Command } from 'commander';
import type { BudgetRow, BudgetsAnswer, GrantAnswer, GrantBody } from '../http/admin/wire.ts';
import { adminClient } from './admin-client.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { dollars, dollarsLeft, exactDollars, minute, table } from './show.ts';
import { laterInstant } from './times.ts';

export function budgetsCommand(program: Command, terminal: Terminal): void {
  const budgets = program.command('budgets').description('how budgets stand, and raising one for a while').helpCommand(false).addHelpText('after', example('budgets list', "budgets grant support-month --usd 50 --until 3d --reason 'launch week'"));
  withGateway(budgets.command('list').description('list every budget with what is spent, held and left'))
    .addHelpText('after', example('budgets list', 'budgets list --json'))
    .action(async (options: AskOptions) => {
      const answer = await adminClient(options, terminal.env).json<BudgetsAnswer>('GET', '/api/budgets');
      if (options.json) return terminal.out(asJson(answer));
      if (answer.rows.length === 0) return terminal.out('No budgets yet. They are declared under `budgets:` in the config.\n');
      const columns = ['budget', 'scope', 'mode', 'limit', 'granted', 'spent', 'held', 'left', 'at risk', 'forecast', 'anew at'];
      terminal.out(`${table(columns, answer.rows.map(cellsOf), ['limit', 'granted', 'spent', 'held', 'left', 'at risk', 'forecast'])}\n`);
    });

  withGateway(budgets.command('grant').description('raise a budget for a while; it ends by itself').argument('<budget>', 'the budget'))
    .requiredOption('--usd <dollars>', 'how much to add to its limit, e.g. 50')
    .requiredOption('--until <when>', 'when it ends: a day (UTC), an instant, or a time from now such as 3d', (text) => laterInstant(text))
    .requiredOption('--reason <text>', 'why, for the audit log')
    .addHelpText('after', example("budgets grant support-month --usd 50 --until 3d --reason 'launch week'"))
    .action(async (id: string, options: AskOptions & { usd: string; until: Date; reason: string }) => {
      const body: GrantBody = { amount_usd: options.usd, until: options.until.toISOString(), reason: options.reason };
      const { grant } = await adminClient(options, terminal.env).json<GrantAnswer>('POST', `/api/budgets/${encodeURIComponent(id)}/grants`, body);
      terminal.out(options.json ? asJson({ grant }) : `Budget ${grant.budget} has ${exactDollars(grant.amount_usd)} more until ${minute(grant.until, '')}. End it early with \`npx tollgate budgets revoke ${grant.budget} ${grant.id}\`.\n`);
    });

  withGateway(budgets.command('revoke').description('end a grant, at once and for good').argument('<budget>', 'the budget').argument('<grant>', 'the grant, as `budgets grant` and `budgets list --json` name it'))
    .addHelpText('after', example('budgets revoke support-month grant_0123456789abcdef'))
    .action(async (id: string, grantId: string, options: AskOptions) => {
      const answer = await adminClient(options, terminal.env).json<GrantAnswer>('DELETE', `/api/budgets/${encodeURIComponent(id)}/grants/${encodeURIComponent(grantId)}`);
      terminal.out(options.json ? asJson(answer) : `Grant ${answer.grant.id} of budget ${answer.grant.budget} is over.\n`);
    });
}

/** The sum, and when the first of it ends; empty where there is none. */
function grantedIn({ granted_usd, grants }: BudgetRow): string {
  if (grants.length === 0) return '';
  const first = grants.map(({ until }) => until).sort()[0]!;
  return `${exactDollars(granted_usd)} to ${minute(first, '')}`;
}

const cellsOf = (budget: BudgetRow): string[] => [
  budget.id,
  Object.entries(budget.scope).map(([name, value]) => (value === true ? name : `${name} ${value}`)).join(', '),
  budget.mode,
  `${exactDollars(budget.limit_usd)}/${budget.period.kind}`,
  grantedIn(budget),
  dollars(budget.spent_usd),
  dollars(budget.held_usd),
  dollarsLeft(budget.remaining_usd),
  budget.at_risk_usd === '0.000000000' ? '' : dollars(budget.at_risk_usd),
  budget.forecast_usd === null ? '' : dollars(budget.forecast_usd.p50),
  minute(budget.period.to, ''),
];
