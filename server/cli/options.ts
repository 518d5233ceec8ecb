// server/cli/options.ts: the options that several commands share.

import { Help, type Command, type Option } from 'commander';
import type { GatewayOptions } from './admin-client.ts';

/** The options of a command that asks a running gateway. */
const OF_THE_GATEWAY = ['--config', '--url', '--token', '--json'];

/** What is special to a command comes first in its help, what it shares with others last. */
export function ownFirst(command: Command): Option[] {
  const options = new Help().visibleOptions(command);
  if (!options.some(({ long }) => long === '--url')) return options;
  const isShared = ({ long }: Option): boolean => long === '--help' || OF_THE_GATEWAY.includes(long ?? '');
  return [...options.filter((option) => !isShared(option)), ...options.filter(isShared)];
}

/** For a command that asks a running gateway. */
export function withGateway(command: Command): Command {
  return command
    .option('--config <file>', 'the config that says where the gateway is (default: TOLLGATE_CONFIG, or config/tollgate.yaml)')
    .option('--url <address>', 'the admin port, e.g. http://127.0.0.1:4101 (default: as in the config)')
    .option('--token <token>', 'the admin token (default: as in the config; with --url: TOLLGATE_ADMIN_TOKEN)')
    .option('--json', 'print the answer as JSON');
}

export interface AskOptions extends GatewayOptions {
  readonly json?: boolean;
}

/** The filters of the admin API; each may be repeated, and any of its values matches. */
export const FILTERS = ['workspace', 'workflow', 'user', 'model', 'key', 'outcome', 'session', 'action', 'trace', 'prefix', 'refusal', 'error', 'tag', 'policy', 'verdict'] as const;

export interface RangeOptions extends AskOptions, Partial<Record<(typeof FILTERS)[number], string[]>> {
  readonly from?: string;
  readonly to?: string;
  readonly estimated?: boolean;
}

export function withRange(command: Command): Command {
  command
    .option('--from <time>', 'from this time: ISO 8601, or now-7d (units s, m, h, d, w) (default: now-7d)')
    .option('--to <time>', 'to this time, not in it (default: now)');
  for (const name of FILTERS) command.option(`--${name} <${name}>`, `only this ${name}; may be repeated`, (value: string, before: string[] | undefined) => [...(before ?? []), value]);
  command.option('--estimated', 'only calls whose cost is an estimate');
  return withGateway(command);
}

/** The range and filters as a query string, with whatever else is asked for. */
export function queryOf(options: RangeOptions, more: Readonly<Record<string, string | undefined>> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ from: options.from, to: options.to, ...more })) if (value !== undefined) query.set(name, value);
  for (const name of FILTERS) for (const value of options[name] ?? []) query.append(name, value);
  if (options.estimated) query.set('estimated', 'true');
  return query.toString();
}

/** An example under the help of a command. */
export const example = (...lines: string[]): string => `\nExample${lines.length > 1 ? 's' : ''}:\n${lines.map((line) => `  $ npx tollgate ${line}`).join('\n')}`;

export const asJson = (answer: unknown): string => `${JSON.stringify(answer, null, 2)}\n`;
