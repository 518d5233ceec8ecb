// server/cli/plan.ts: `tollgate plan`: what a task will cost, before it is built. Needs no gateway, only the price book.

import { readFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { epochMs } from '../domain/ids.ts';
import { planAnswer, planTask } from '../http/admin/encode-plan.ts';
import { PlanBody, type PlanAnswer, type PlanModelAnswer } from '../http/admin/wire.ts';
import { loadBook } from '../price/load-files.ts';
import { planOf } from '../price/plan.ts';
import { configFile, loadSettings } from '../settings/load.ts';
import { nearest } from '../settings/mistakes.ts';
import { mistakeText } from '../settings/mistakes.ts';
import { adminClient } from './admin-client.ts';
import { CommandError, EXIT } from './exit.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { count, dollars, table } from './show.ts';

interface PlanOptions extends AskOptions {
  readonly model: string;
  readonly compare?: string[];
  readonly callsPerDay: number;
  readonly input: number;
  readonly output: number;
  readonly cached?: number;
  readonly cacheFor?: string;
  readonly callsPerHour?: number;
  readonly batch?: number;
  readonly days?: number;
  readonly us?: boolean;
  readonly minutes?: string;
  readonly hourlyRate?: string;
}

export function planCommand(program: Command, terminal: Terminal): void {
  withGateway(
    program
      .command('plan')
      .description('what a task will cost: per call, day, month and year, on one model or many')
      .requiredOption('--model <model>', 'the model; token counts are those of its tokenizer')
      .requiredOption('--calls-per-day <n>', 'calls a day', whole)
      .requiredOption('--input <tokens>', 'tokens of one prompt, the cached prefix included', whole)
      .requiredOption('--output <tokens>', 'tokens of one answer', whole)
      .option('--cached <tokens>', 'the part of the prompt that is the same every time and marked for caching (default: 0)', whole)
      .option('--cache-for <lifetime>', '5m or 1h (default: 5m)')
      .option('--calls-per-hour <n>', 'how thick the calls come while they come (default: spread over 24 hours)', decimal)
      .option('--batch <share>', 'the share that goes through batches, e.g. 50% (default: 0%)', share)
      .option('--days <n>', 'days a month; a year has twelve such months (default: 30)', whole)
      .option('--compare <models>', 'put only these beside it, comma-separated (default: every active model)', (text) => text.split(',').map((name) => name.trim()))
      .option('--us', 'it runs in the US only')
      .option('--minutes <n>', 'minutes that one task takes by hand: the hours that are saved')
      .option('--hourly-rate <usd>', 'what an hour by hand costs; with --minutes'),
  )
    .addHelpText(
      'after',
      `${example(
        'plan --model claude-haiku-4-5 --calls-per-day 200 --input 200 --output 5',
        'plan --model claude-sonnet-4-6 --calls-per-day 1000 --input 2500 --output 300 --cached 2000 --calls-per-hour 100',
        'plan --model claude-sonnet-4-6 --calls-per-day 50 --input 500 --output 250 --minutes 4 --hourly-rate 45 --compare claude-haiku-4-5',
      )}\n\nPrices are read from the price book that the config names; with --url a gateway is asked instead.`,
    )
    .action(async (options: PlanOptions) => {
      const parsed = PlanBody.safeParse(bodyOf(options));
      if (!parsed.success) throw new CommandError(parsed.error.issues.map((issue) => `${FLAGS[String(issue.path[0])] ?? String(issue.path[0])}: ${issue.message}`).join('\n'), EXIT.usage);
      const answer = options.url === undefined ? here(options, parsed.data, terminal) : await adminClient(options, terminal.env).json<PlanAnswer>('POST', '/api/plan', bodyOf(options));
      terminal.out(options.json ? asJson(answer) : `${planText(answer)}\n`);
    });
}

const FLAGS: Readonly<Record<string, string>> = {
  model: '--model', compare: '--compare', calls_per_day: '--calls-per-day', input_tokens: '--input', output_tokens: '--output', cached_prefix_tokens: '--cached',
  cache_ttl: '--cache-for', calls_per_hour: '--calls-per-hour', batch_share: '--batch', days_per_month: '--days', minutes_per_task: '--minutes', hourly_rate_usd: '--hourly-rate',
};

const bodyOf = (options: PlanOptions): object =>
  Object.fromEntries(
    Object.entries({
      model: options.model, compare: options.compare, calls_per_day: options.callsPerDay, input_tokens: options.input, output_tokens: options.output,
      cached_prefix_tokens: options.cached, cache_ttl: options.cacheFor, calls_per_hour: options.callsPerHour, batch_share: options.batch, days_per_month: options.days,
      us_inference: options.us, minutes_per_task: options.minutes, hourly_rate_usd: options.hourlyRate,
    }).filter(([, value]) => value !== undefined),
  );

function here(options: PlanOptions, body: ReturnType<typeof PlanBody.parse>, terminal: Terminal): PlanAnswer {
  const loaded = loadSettings({ file: configFile(options.config, terminal.env), env: terminal.env });
  if (!loaded.ok) throw new CommandError(loaded.mistakes.map(mistakeText).join('\n'));
  const { prices } = loaded.settings;
  const book = loadBook(prices, (file) => readFileSync(file, 'utf8'));
  if (!book.ok) throw new CommandError(book.message);
  const now = epochMs(Date.now());
  const planned = planOf(planTask(body, prices.assumeUsInference), book.book, now);
  if (planned.ok) return planAnswer(planned.plan, now);
  const meant = nearest(planned.unknownModel, planned.known);
  throw new CommandError(`${prices.file} does not know the model "${planned.unknownModel}".${meant === null ? '' : ` Did you mean ${meant}?`}`);
}

export function planText({ models, by_hand: byHand }: PlanAnswer): string {
  const [own] = models as [PlanModelAnswer, ...PlanModelAnswer[]];
  const worth = byHand !== null && byHand.worth_month_usd !== null;
  const compared = table(
    ['model', 'a call', 'a day', 'a month', 'a year', 'plain', 'cached', 'in batches', ...(worth ? ['saved a month'] : []), 'price'],
    models.map((m) => [
      m.model, finely(m.described.call_usd), dollars(m.described.day_usd), dollars(m.described.month_usd), dollars(m.described.year_usd),
      dollars(m.plain.month_usd), m.cached === null ? '' : dollars(m.cached.month_usd), dollars(m.batched.month_usd),
      ...(worth ? [m.saved_month_usd === null ? '' : dollars(m.saved_month_usd)] : []), m.price_kind,
    ]),
    ['a call', 'a day', 'a month', 'a year', 'plain', 'cached', 'in batches', 'saved a month'],
  );
  const kinds = table(
    [`a month of ${own.model}`, 'tokens', 'cost'],
    own.described.kinds.map((line) => [line.kind, count(line.tokens_per_month), finely(line.month_usd)]),
    ['tokens', 'cost'],
  );
  const notes = notesOf(models);
  const hand = byHand === null ? [] : ['', `By hand: ${count(Math.round(byHand.hours_per_month * 10) / 10)} hours a month${byHand.worth_month_usd === null ? '' : `, worth ${dollars(byHand.worth_month_usd)}`}.`];
  return [compared, '', kinds, ...hand, ...(notes.length > 0 ? ['', ...notes] : []), '', 'plain, cached and in batches are months too.'].join('\n');
}

/** What holds of several models is said once. */
function notesOf(models: readonly PlanModelAnswer[]): string[] {
  const about = new Map<string, string[]>();
  for (const { model, warnings } of models) {
    for (const { message } of warnings) {
      const own = message.startsWith(`${model} `);
      const said = own ? message.slice(model.length + 1) : message;
      about.set(said, [...(about.get(said) ?? []), ...(own ? [model] : [])]);
    }
  }
  return [...about].map(([said, names]) => `note: ${names.length < 2 ? [...names, said].join(' ') : `${names.join(', ')}: each ${said}`}`);
}

/** Dollars to the last place that is not zero, at least two: parts of a cent are what a call is made of. */
const finely = (usd: string): string => `$${usd.replace(/(\.\d\d\d*?)0+$/, '$1')}`;

function whole(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}

function decimal(text: string): number {
  if (!/^\d{1,12}(\.\d{1,9})?$/.test(text)) throw new InvalidArgumentError('Expected a number.');
  return Number(text);
}

function share(text: string): number {
  const match = /^(\d{1,3}(?:\.\d{1,4})?)%$/.exec(text);
  if (!match || Number(match[1]) > 100) throw new InvalidArgumentError('Expected a percentage from 0% to 100%.');
  return Number(match[1]) / 100;
}
