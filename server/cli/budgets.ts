// server/cli/budgets.ts: `tollgate budgets`: how every budget stands.

import type { Command } from 'commander';
import type { BudgetRow, BudgetsAnswer } from '../http/admin/wire.ts';
import { adminClient } from './admin-client.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { dollars, minute, table } from './show.ts';

export function budgetsCommand(program: Command, terminal: Terminal): void {
  const budgets = program.command('budgets').description('how budgets stand').helpCommand(false).addHelpText('after', example('budgets list'));
  withGateway(budgets.command('list').description('list every budget with what is spent, held and left'))
    .addHelpText('after', example('budgets list', 'budgets list --json'))
    .action(async (options: AskOptions) => {
      const answer = await adminClient(options, terminal.env).json<BudgetsAnswer>('GET', '/api/budgets');
      if (options.json) return terminal.out(asJson(answer));
      if (answer.rows.length === 0) return terminal.out('No budgets yet. They are declared under `budgets:` in the config.\n');
      const columns = ['budget', 'scope', 'mode', 'limit', 'spent', 'held', 'left', 'forecast', 'anew at'];
      terminal.out(`${table(columns, answer.rows.map(cellsOf), ['limit', 'spent', 'held', 'left', 'forecast'])}\n`);
    });
}

const cellsOf = (budget: BudgetRow): string[] => [
  budget.id,
  Object.entries(budget.scope).map(([name, value]) => (value === true ? name : `${name} ${value}`)).join(', '),
  budget.mode,
  `${dollars(budget.limit_usd)}/${budget.period.kind}`,
  dollars(budget.spent_usd),
  dollars(budget.held_usd),
  dollars(budget.remaining_usd),
  budget.forecast_usd === null ? '' : dollars(budget.forecast_usd.p50),
  minute(budget.period.to, ''),
];
