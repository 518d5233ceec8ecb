// server/cli/reconcile.ts: `tollgate reconcile`: the ledger beside the provider's bill, day by day.

import type { Command } from 'commander';
import type { ReconciledDay, ReconciliationAnswer } from '../http/admin/wire.ts';
import { adminClient } from './admin-client.ts';
import { CommandError } from './exit.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { count, dollars, table } from './show.ts';

export function reconcileCommand(program: Command, terminal: Terminal): void {
  withGateway(program.command('reconcile').description("compare the ledger with the provider's usage and cost reports, by UTC day; needs `reconciliation.admin_key` in the config"))
    .addHelpText('after', example('reconcile', 'reconcile --json'))
    .action(async (options: AskOptions) => {
      const answer = await adminClient(options, terminal.env).json<ReconciliationAnswer>('POST', '/api/reconciliation');
      if (options.json) terminal.out(asJson(answer));
      if (!answer.enabled) throw new CommandError('Nothing to compare with: the config has no `reconciliation.admin_key`.');
      if (!options.json) terminal.out(answer.days.length === 0 ? 'No day to compare yet.\n' : `${table(COLUMNS, answer.days.map(cellsOf), COLUMNS.slice(2))}\n`);
      if (answer.trouble !== null) throw new CommandError(`The latest comparison did not work: ${answer.trouble}`);
    });
}

const COLUMNS = ['day (UTC)', 'workspaces', 'ledger', 'estimated', 'provider', 'difference', 'ratio', 'tokens here', 'tokens there'];

const allTokens = ({ tokens }: ReconciledDay['ledger']): string => count(tokens.input + tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_read + tokens.output);

const cellsOf = (row: ReconciledDay): string[] => [
  row.day,
  row.provider_workspace === null ? 'all' : `${row.workspaces.join(', ')} (${row.provider_workspace})`,
  dollars(row.ledger.cost_usd), dollars(row.estimated_usd), dollars(row.provider.cost_usd), dollars(row.difference_usd), `${(row.difference_ratio * 100).toFixed(2)} %`,
  allTokens(row.ledger), allTokens(row.provider),
];
