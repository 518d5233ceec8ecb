// server/cli/prices.ts: `tollgate prices`: the prices in force, and what is missing or old among them.

import { InvalidArgumentError, type Command } from 'commander';
import type { PricesAnswer, PricesCheckAnswer } from '../http/admin/wire.ts';
import { adminClient } from './admin-client.ts';
import { CommandError } from './exit.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { count, table } from './show.ts';

export function pricesCommand(program: Command, terminal: Terminal): void {
  const prices = program.command('prices').description('what models cost, by the price book').helpCommand(false).addHelpText('after', example('prices check --strict', 'prices list'));

  withGateway(
    prices
      .command('check')
      .description('warn of models in use without a price, of prices that nobody has looked at for long, and of contracts that end')
      .option('--from <time>', 'calls from this time: ISO 8601, or now-7d (units s, m, h, d, w) (default: now-30d)')
      .option('--max-age <days>', 'a price that was last compared with its source longer ago is old (default: 60)', days)
      .option('--strict', 'exit 1 when there is something to warn of'),
  )
    .addHelpText('after', example('prices check', 'prices check --strict --max-age 30'))
    .action(async (options: AskOptions & { from?: string; maxAge?: string; strict?: boolean }) => {
      const query = new URLSearchParams({ from: options.from ?? 'now-30d', ...(options.maxAge === undefined ? {} : { max_age_days: options.maxAge }) });
      const answer = await adminClient(options, terminal.env).json<PricesCheckAnswer>('GET', `/api/prices/check?${query.toString()}`);
      if (options.json) terminal.out(asJson(answer));
      else if (answer.models === 0) terminal.out(`No model was in use since ${answer.from.slice(0, 10)}.\n`);
      else if (answer.warnings.length === 0) terminal.out(`${answer.models === 1 ? 'The one model' : `All ${count(answer.models)} models`} in use since ${answer.from.slice(0, 10)} ${answer.models === 1 ? 'has' : 'have'} a price that was looked at.\n`);
      else terminal.out(`${answer.warnings.map((w) => `warning: ${w.model} (${count(w.calls)} calls): ${w.message}`).join('\n')}\n`);
      if (options.strict && answer.warnings.length > 0) throw new CommandError('');
    });

  withGateway(prices.command('list').description('the prices in force, in dollars per million tokens'))
    .addHelpText('after', example('prices list', 'prices list --json'))
    .action(async (options: AskOptions) => {
      const answer = await adminClient(options, terminal.env).json<PricesAnswer>('GET', '/api/prices');
      if (options.json) return terminal.out(asJson(answer));
      const columns = ['model', 'input', 'write 5m', 'write 1h', 'read', 'output', 'price', 'since', 'looked at'];
      const rows = answer.rows.filter((row) => row.in_force).map(({ usd_per_mtok: { standard }, ...row }) => [
        row.model, standard.input, standard.cache_write_5m, standard.cache_write_1h, standard.cache_read, standard.output,
        row.contract === null ? 'list' : `contract ${row.contract.name}`, row.effective_from.slice(0, 10), row.verified_on,
      ].map((cell) => cell.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')));
      terminal.out(`${table(columns, rows, columns.slice(1, 6))}\n`);
    });
}

function days(text: string): string {
  if (!/^\d{1,4}$/.test(text) || Number(text) < 1) throw new InvalidArgumentError('Expected a number of days.');
  return text;
}
