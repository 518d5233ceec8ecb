// server/cli/backup.ts: `tollgate backup`: a copy of the ledger while the gateway runs.

import { constants } from 'node:fs';
import { access, copyFile, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { BackupAnswer } from '../http/admin/wire.ts';
import { adminClient, LONG_ANSWER_TIMEOUT_MS } from './admin-client.ts';
import { CommandError } from './exit.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';

export function backupCommand(program: Command, terminal: Terminal): void {
  withGateway(program.command('backup').description('copy the ledger while the gateway runs').argument('[file]', 'where to put the copy; must not exist yet (default: with the earlier ones in the gateway\'s data directory, where they gather until you remove them)'))
    .addHelpText('after', example('backup', 'backup /mnt/backups/tollgate.db'))
    .action(async (named: string | undefined, options: AskOptions) => {
      const wanted = named === undefined ? null : resolve(named);
      if (wanted !== null && (await exists(wanted))) throw new CommandError(`${wanted} is there already; a backup never overwrites a file`);
      if (wanted !== null) await writable(dirname(wanted));
      const answer = await adminClient(options, terminal.env).json<BackupAnswer>('POST', '/api/backup', {}, LONG_ANSWER_TIMEOUT_MS);
      if (wanted !== null) await copyHere(answer.file, wanted);
      const file = wanted ?? answer.file;
      terminal.out(options.json ? asJson({ ...answer, file }) : `${file}: ${answer.bytes} bytes in ${answer.duration_ms} ms\n`);
    });
}

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => null)) !== null;

async function writable(folder: string): Promise<void> {
  await access(folder, constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`no file can be made in ${folder} (${error.code ?? 'unknown error'}); nothing was copied`);
  });
}

/** The gateway writes where it lives, and never to a path that came over the network; the copy from there is ours to make, and one is enough. */
async function copyHere(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL);
    await rm(from, { force: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' && !(await exists(from)) ? 'it is on another machine' : `it cannot be copied to ${to} (${code ?? 'unknown error'})`;
    throw new CommandError(`the backup is done, at ${from} where the gateway runs, but ${why}`);
  }
}
