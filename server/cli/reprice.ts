// server/cli/reprice.ts: `tollgate reprice`: settled calls at the prices in force now, as corrections.

import type { Command } from 'commander';
import type { RepriceAnswer, RepriceBody, RepriceRun } from '../http/admin/wire.ts';
import { adminClient } from './admin-client.ts';
import { CommandError } from './exit.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { count, dollars, table } from './show.ts';
import { overOf } from './wait.ts';

export function repriceCommand(program: Command, terminal: Terminal): void {
  withGateway(
    program
      .command('reprice')
      .description('price settled calls by the price book in force: a correction for each that comes out otherwise, no row is edited')
      .requiredOption('--from <time>', 'calls admitted from here on: ISO 8601, or now-7d (units s, m, h, d, w)')
      .option('--to <time>', 'and before this (default: now)')
      .option('--dry-run', 'say what would change, and change nothing'),
  )
    .addHelpText('after', `${example('reprice --from 2026-11-01 --dry-run', 'reprice --from 2026-11-01 --to 2026-12-01')}\n\nRunning it twice changes nothing more. Calls in flight keep the price they were quoted.`)
    .action(async (options: AskOptions & { from: string; to?: string; dryRun?: boolean }) => {
      const client = adminClient(options, terminal.env);
      const body: RepriceBody = { from: options.from, ...(options.to === undefined ? {} : { to: options.to }), dry_run: options.dryRun === true };
      const run = await overOf(await client.json<RepriceAnswer>('POST', '/api/reprice', body), '/api/reprice', client, terminal);
      terminal.out(options.json ? asJson({ run }) : `${repriceText(run)}\n`);
      if (run.state === 'failed') throw new CommandError(`it broke off: ${run.error ?? 'unknown reason'}. What was corrected stays; run it again for the rest.`);
    });
}

export function repriceText(run: RepriceRun): string {
  const columns = ['model', 'calls', 'changed', 'before', 'after', 'difference', 'now priced by'];
  const rows = run.models.map((m) => [m.model, count(m.calls), count(m.changed), dollars(m.before_usd), dollars(m.after_usd), dollars(m.difference_usd), m.price_versions.join(', ')]);
  const total = ['total', count(run.calls), count(run.changed), dollars(run.before_usd), dollars(run.after_usd), dollars(run.difference_usd), ''];
  const notes = [
    ...(run.unpriced > 0 ? [`${count(run.unpriced)} calls are of models that the price book does not know; they stay at the dearest known rates.`] : []),
    ...(run.unexplained > 0 ? [`${count(run.unexplained)} calls have a cost that their usage does not give, e.g. what a crash left; they keep it.`] : []),
    run.dry_run ? 'Nothing was changed: this was a dry run.' : run.changed === 0 ? 'Nothing had to change.' : `${count(run.changed)} corrections were written (run ${run.run}).`,
  ];
  return [`${run.from} to ${run.to}`, '', table(columns, [...rows, total], columns.slice(1, 6)), '', ...notes].join('\n');
}
