// server/cli/check.ts: `tollgate check`: every mistake of a config and of its price files, or what they put in force.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { idleWarnings } from '../config-warnings.ts';
import { toldOf } from '../domain/budget.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import { usdString } from '../domain/money.ts';
import type { Settings } from '../domain/settings.ts';
import type { PriceBook } from '../price/book.ts';
import { loadBook } from '../price/load-files.ts';
import { isLoopback } from '../settings/fields.ts';
import { configFile, loadSettings } from '../settings/load.ts';
import { mistakeText } from '../settings/mistakes.ts';
import { CommandError } from './exit.ts';
import type { Terminal } from './main.ts';
import { asJson, example } from './options.ts';
import { exactDollars } from './show.ts';

export function checkCommand(program: Command, terminal: Terminal): void {
  program
    .command('check')
    .description('check a config: every mistake as file:line:column, or what is in force')
    .argument('[file]', 'the config (default: TOLLGATE_CONFIG, or config/tollgate.yaml)')
    .option('--config <file>', 'the config, as other commands are told of it')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', example('check', 'check /etc/tollgate.yaml'))
    .action((named: string | undefined, { config, json }: { config?: string; json?: boolean }) => {
      if (named !== undefined && config !== undefined) throw new CommandError('the config is named twice, by the argument and by --config: leave one out', 2);
      const file = configFile(named ?? config, terminal.env);
      const loaded = loadSettings({ file, env: terminal.env });
      if (!loaded.ok) {
        if (json) terminal.out(asJson({ ok: false, file, mistakes: loaded.mistakes }));
        const { length } = loaded.mistakes;
        const total = length === 1 ? '1 mistake' : `${length} mistakes`;
        throw new CommandError(json ? '' : [...loaded.mistakes.map(mistakeText), total].join('\n'));
      }
      // The gateway would not start without its prices either.
      const book = loadBook(loaded.settings.prices, (priceFile) => readFileSync(priceFile, 'utf8'));
      if (!book.ok) {
        if (json) terminal.out(asJson({ ok: false, file, mistakes: [], prices: book.message.split('\n') }));
        throw new CommandError(json ? '' : book.message);
      }
      const warnings = warningsOf(loaded.settings, book.book, epochMs(Date.now()));
      terminal.out(json ? asJson({ ok: true, file, summary: summaryOf(loaded.settings), warnings }) : `${summaryText(file, loaded.settings)}\n`);
      if (!json) for (const warning of warnings) terminal.err(`warning: ${warning}\n`);
    });
}

/** What is fine by the rules, and yet seldom what is wanted. */
export function warningsOf(settings: Settings, book: PriceBook, now: EpochMs): string[] {
  const warnings: string[] = [];
  const unfunded = [...settings.workspaces.values()].filter((workspace) => !settings.upstream.keys.has(workspace.upstreamKey));
  if (unfunded.length > 0) {
    const names = unfunded.map(({ id }) => id).join(', ');
    const then = settings.access === 'open' ? 'their calls go out with the key of the app that made them' : 'their calls have no key to go out with';
    warnings.push(`no provider key configured for ${names}: ${then} (upstream.keys)`);
  }
  if (settings.access === 'keys' && settings.keys.length === 0) warnings.push('every call needs a Tollgate key, and the config declares none: issue one with `npx tollgate keys create`');
  const { protocol, hostname } = new URL(settings.upstream.origin);
  if (protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, ''))) warnings.push('upstream.origin is plain http: provider keys and prompts travel unencrypted');
  for (const key of settings.keys) if (key.expiresAt !== null && key.expiresAt <= now) warnings.push(`key ${key.id} has expired`);
  for (const budget of settings.budgets) if (budget.mode === 'soft' && toldOf(budget, settings.alerts.notify, settings.alerts.channels).length === 0) warnings.push(`budget ${budget.id} neither refuses calls nor notifies anyone; its alerts show on the dashboard only`);
  warnings.push(...idleWarnings(settings, book, now));
  return warnings;
}

function summaryOf(settings: Settings) {
  const workspaces = [...settings.workspaces.values()];
  return {
    listen: address(settings.listen),
    admin_listen: address(settings.admin.listen),
    admin_token: settings.admin.token !== null,
    access: settings.access,
    timezone: settings.timezone,
    upstream: settings.upstream.origin,
    provider_keys: [...settings.upstream.keys.keys()],
    prices: settings.prices.file,
    data_dir: settings.dataDir,
    workspaces: workspaces.map(({ id, workflows, openWorkflows }) => ({ id, workflows: workflows.map((workflow) => workflow.id), open_workflows: openWorkflows })),
    keys: settings.keys.map(({ id, workspace, workflow }) => ({ id, workspace, workflow })),
    budgets: settings.budgets.map(({ id, limit, period, mode }) => ({ id, limit_usd: usdString(limit), period, mode })),
    channels: settings.alerts.channels.map(({ id, type }) => ({ id, type })),
  };
}

function summaryText(file: string, settings: Settings): string {
  const summary = summaryOf(settings);
  const none = (list: readonly string[]): string => (list.length === 0 ? 'none' : list.join(', '));
  const lines: [string, string][] = [
    ['apps', `http://${summary.listen} (${summary.access === 'keys' ? 'a Tollgate key for every call' : 'open, on this machine only'})`],
    ['dashboard', `http://${summary.admin_listen} (${summary.admin_token ? 'with a token' : 'open, on this machine only'})`],
    ['upstream', `${summary.upstream}, provider keys: ${none(summary.provider_keys)}`],
    ['prices', summary.prices],
    ['data', summary.data_dir],
    ['timezone', summary.timezone],
    ['workspaces', none(summary.workspaces.map(({ id }) => id))],
    ['workflows', none(summary.workspaces.flatMap(({ id, workflows, open_workflows: open }) => [...workflows.map((workflow) => `${id}/${workflow}`), ...(open ? [`${id}/(any)`] : [])]))],
    ['keys', none(summary.keys.map(({ id }) => id))],
    ['budgets', none(summary.budgets.map(({ id, limit_usd: limit, period, mode }) => `${id} (${exactDollars(limit)} a ${period}, ${mode})`))],
    ['channels', none(summary.channels.map(({ id, type }) => `${id} (${type})`))],
  ];
  return [`${file} is fine.`, ...lines.map(([label, text]) => `  ${label.padEnd(11)} ${text}`)].join('\n');
}

const address = ({ host, port }: { host: string; port: number }): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;
