// server/cli/verify.ts: `tollgate verify`: the ledger worked out anew, figure by figure.

import type { Command } from 'commander';
import type { VerifyAnswer, VerifyBody, VerifyRun } from '../http/admin/wire.ts';
import { adminClient } from './admin-client.ts';
import { CommandError } from './exit.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { count, dollars, table } from './show.ts';
import { overOf } from './wait.ts';

export function verifyCommand(program: Command, terminal: Terminal): void {
  withGateway(
    program
      .command('verify')
      .description("work out anew every call's cost, every sum and every budget from the rows; exit 1 when something differs")
      .option('--from <time>', 'from this time: ISO 8601, or now-7d (default: the first day whose rows are kept)')
      .option('--to <time>', 'to this time, not in it (default: the end)'),
  )
    .addHelpText('after', example('verify', 'verify --from now-30d --json'))
    .action(async (options: AskOptions & { from?: string; to?: string }) => {
      const client = adminClient(options, terminal.env);
      const body: VerifyBody = { ...(options.from === undefined ? {} : { from: options.from }), ...(options.to === undefined ? {} : { to: options.to }) };
      const run = await overOf(await client.json<VerifyAnswer>('POST', '/api/verify', body), '/api/verify', client, terminal);
      terminal.out(options.json ? asJson({ run }) : `${verifyText(run)}\n`);
      if (run.state === 'failed') throw new CommandError(`it broke off: ${run.error ?? 'unknown reason'}`);
      if (run.drift > 0) throw new CommandError(options.json ? '' : `${count(run.drift)} figures differ.`);
    });
}

export function verifyText(run: VerifyRun): string {
  const lines = [
    `${run.from} to ${run.to}`,
    `  ${count(run.calls)} calls, ${dollars(run.cost_usd)}, of which ${dollars(run.estimated_cost_usd)} is estimated`,
    `  ${count(run.days)} ${run.days === 1 ? 'day' : 'days'} of sums, ${count(run.budgets)} ${run.budgets === 1 ? 'budget' : 'budgets'}`,
    ...(run.at_hold > 0 ? [`  ${count(run.at_hold)} calls stand at what was held for them: a crash, or a batch without results, took their usage`] : []),
  ];
  if (run.drift === 0) return [...lines, 'Every figure is what its rows give.'].join('\n');
  return [...lines, '', table(['kind', 'subject', 'figure', 'expected', 'found'], run.examples.map((d) => [d.kind, d.subject, d.figure, d.expected, d.found]), ['expected', 'found'])].join('\n');
}
