// server/cli/export.ts: `tollgate export`: the tables as CSV, exactly as they are.

import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import type { Grouping } from '../domain/reports.ts';
import { adminClient } from './admin-client.ts';
import { CommandError, EXIT } from './exit.ts';
import { mustBeKnown } from './known-workspaces.ts';
import type { Terminal } from './main.ts';
import { asJson, example, queryOf, withGateway, withRange, type AskOptions, type RangeOptions } from './options.ts';
import { groupings } from './report.ts';

type ExportOptions = RangeOptions & { output?: string; by?: Grouping[] };

export function exportCommand(program: Command, terminal: Terminal): void {
  const exports = program.command('export').description('write requests, usage, savings, statements or FOCUS rows as CSV').helpCommand(false).addHelpText('after', example('export requests --from now-30d --output requests.csv'));
  const output = ['-o, --output <file>', 'write to this file (default: standard output)'] as const;

  withRange(exports.command('requests').description('one line per call'))
    .option(...output)
    .addHelpText('after', example('export requests --from now-30d --output requests.csv', 'export requests --workspace support | head'))
    .action(async (options: ExportOptions) => {
      await mustBeKnown(options.workspace, adminClient(options, terminal.env));
      await write(`/api/export/requests.csv?${queryOf(options)}`, options, terminal);
    });

  withGateway(exports.command('savings').description('one line per thing that need not be paid, of the past 30 days'))
    .option(...output)
    .option('--workspace <workspace>', 'only this workspace')
    .option('--workflow <workflow>', 'only this workflow')
    .addHelpText('after', example('export savings --output savings.csv'))
    .action(async (options: Omit<ExportOptions, 'workspace' | 'workflow'> & { workspace?: string; workflow?: string }) => {
      if (options.workspace !== undefined) await mustBeKnown([options.workspace], adminClient(options, terminal.env));
      const query = new URLSearchParams(Object.entries({ workspace: options.workspace, workflow: options.workflow }).filter((entry): entry is [string, string] => entry[1] !== undefined));
      await write(`/api/export/savings.csv?${query.toString()}`, options, terminal);
    });

  withRange(exports.command('usage').description('one line per group'))
    .option(...output)
    .option('--by <names>', 'group by these, comma-separated, as in `report`', groupings)
    .addHelpText('after', example('export usage --from now-90d --by day,workspace --output usage.csv'))
    .action(async (options: ExportOptions) => {
      await mustBeKnown(options.workspace, adminClient(options, terminal.env));
      await write(`/api/export/usage.csv?${queryOf(options, { group_by: options.by?.join(',') })}`, options, terminal);
    });

  withGateway(exports.command('statement').description("a workspace's month, one line per workflow, model and kind of token, with amounts that add up"))
    .option(...output)
    .requiredOption('--workspace <workspace>', 'whose')
    .option('--month <month>', 'such as 2026-11 (default: the running one)')
    .addHelpText('after', example('export statement --workspace support --month 2026-10 --output support.csv'))
    .action((options: ExportOptions & { workspace: string; month?: string }) => write(`/api/export/statement.csv?${new URLSearchParams({ workspace: options.workspace, ...(options.month === undefined ? {} : { month: options.month }) })}`, options as ExportOptions, terminal));

  withGateway(exports.command('focus').description('the ledger in the columns of FOCUS 1.2, for cost tools; cut in UTC, as the provider does'))
    .option(...output)
    .option('--from <time>', 'from this time (default: now-7d)')
    .option('--to <time>', 'to this time, not in it (default: now)')
    .option('--grain <grain>', 'of a charge period: hour or day', 'day')
    .option('--version <version>', 'of FOCUS', '1.2')
    .addHelpText('after', example('export focus --from 2026-10-01 --to 2026-11-01 --output october.csv'))
    .action((options: ExportOptions & { grain: string; version: string }) => write(`/api/export/focus.csv?${queryOf({ ...options }, { grain: options.grain, version: options.version })}`, options, terminal));
}

async function write(path: string, options: AskOptions & { output?: string }, terminal: Terminal): Promise<void> {
  if (options.json && options.output === undefined) throw new CommandError('--json tells what was written; it needs --output', EXIT.usage);
  const body = await adminClient(options, terminal.env).stream(path);
  if (options.output === undefined) {
    const text = new TextDecoder();
    for await (const chunk of broken(body)) terminal.out(text.decode(chunk, { stream: true }));
    return;
  }
  const file = resolve(options.output);
  const part = `${file}.part`;
  let bytes = 0;
  try {
    await pipeline(broken(body), async function* (chunks) {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        yield chunk;
      }
    }, createWriteStream(part));
    // Under its own name only once it is whole: half an export looks like a cheap month.
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${file} cannot be written: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  }
  terminal.out(options.json ? asJson({ file, bytes }) : `${file}: ${bytes} bytes\n`);
}

/** Says in words that the connection broke, whoever reads it. */
async function* broken(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch {
    throw new CommandError('the export broke off: the gateway ended the connection', EXIT.unreachable);
  }
}
