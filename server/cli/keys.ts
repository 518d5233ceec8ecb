// server/cli/keys.ts: `tollgate keys`: issue, list, rotate and revoke the keys that apps use.

import type { Command } from 'commander';
import type { CreateKeyBody, KeyAnswer, KeyRow, KeysAnswer, KeySecretAnswer, RotateKeyBody } from '../http/admin/wire.ts';
import { adminClient, type AdminClient } from './admin-client.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { minute, table } from './show.ts';
import { laterInstant } from './times.ts';

export function keysCommand(program: Command, terminal: Terminal): void {
  const keys = program.command('keys').description('issue, list, rotate and revoke Tollgate keys').helpCommand(false).addHelpText('after', example('keys create triage-prod --workspace support --workflow ticket-triage', 'keys list'));

  withGateway(keys.command('create').description('issue a key; its secret is shown once').argument('<id>', 'the public name of the key'))
    .requiredOption('--workspace <id>', 'the workspace it stands for')
    .option('--workflow <id>', 'the workflow its calls belong to (default: calls name theirs)')
    .option('--expires <when>', 'when it stops working: a day (UTC), an instant, or a time from now such as 90d (default: never)', (text) => laterInstant(text))
    .addHelpText('after', example('keys create triage-prod --workspace support --workflow ticket-triage', 'keys create ci --workspace default --expires 90d'))
    .action(async (id: string, options: AskOptions & { workspace: string; workflow?: string; expires?: Date }) => {
      const body: CreateKeyBody = { id, workspace: options.workspace, workflow: options.workflow ?? null, expires_at: options.expires?.toISOString() ?? null };
      const answer = await adminClient(options, terminal.env).json<KeySecretAnswer>('POST', '/api/keys', body);
      showSecret(answer, options, terminal);
    });

  withGateway(keys.command('list').description('list the keys of the config and those issued'))
    .addHelpText('after', example('keys list'))
    .action(async (options: AskOptions) => {
      const rows = await everyKey(adminClient(options, terminal.env));
      if (options.json) return terminal.out(asJson({ rows }));
      if (rows.length === 0) return terminal.out('No keys yet. Issue one with `npx tollgate keys create <id> --workspace <id>`.\n');
      terminal.out(`${table(['id', 'workspace', 'workflow', 'state', 'from', 'secret', 'expires', 'last used'], rows.map(cellsOf))}\n`);
    });

  withGateway(keys.command('rotate').description('give an issued key a new secret, shown once').argument('<id>', 'the key'))
    .option('--grace <time>', 'how long the old secret goes on working, e.g. 24h, or until when (default: it stops at once)', (text) => laterInstant(text))
    .addHelpText('after', example('keys rotate triage-prod --grace 24h'))
    .action(async (id: string, options: AskOptions & { grace?: Date }) => {
      const body: RotateKeyBody = options.grace ? { old_ends_at: options.grace.toISOString() } : {};
      const answer = await adminClient(options, terminal.env).json<KeySecretAnswer>('POST', `/api/keys/${encodeURIComponent(id)}/rotate`, body);
      showSecret(answer, options, terminal);
      if (!options.json) terminal.err(options.grace ? `The old secret works until ${minute(options.grace.toISOString(), '')}.\n` : 'The old secret has stopped working.\n');
    });

  withGateway(keys.command('revoke').description('end an issued key, at once and for good').argument('<id>', 'the key'))
    .addHelpText('after', example('keys revoke triage-prod'))
    .action(async (id: string, options: AskOptions) => {
      const answer = await adminClient(options, terminal.env).json<KeyAnswer>('DELETE', `/api/keys/${encodeURIComponent(id)}`);
      terminal.out(options.json ? asJson(answer) : `Key ${answer.key.id} is revoked.\n`);
    });
}

/** The secret alone goes to standard output, so that it can be piped to where it belongs. */
function showSecret(answer: KeySecretAnswer, options: AskOptions, terminal: Terminal): void {
  if (options.json) return terminal.out(asJson(answer));
  const { key } = answer;
  terminal.err(`Key ${key.id} of workspace ${key.workspace}${key.workflow === null ? '' : `, workflow ${key.workflow}`}; expires: ${minute(key.expires_at, 'never')}. Its secret is shown this once:\n`);
  terminal.out(`${answer.secret}\n`);
}

async function everyKey(client: AdminClient): Promise<KeyRow[]> {
  const rows: KeyRow[] = [];
  let cursor: string | null = null;
  do {
    const page: KeysAnswer = await client.json('GET', `/api/keys${cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`}`);
    rows.push(...page.rows);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return rows;
}

const cellsOf = (key: KeyRow): string[] => [
  key.id,
  key.workspace,
  key.workflow ?? '(any)',
  key.state,
  key.origin,
  key.hint === null ? '' : `${key.hint}…`,
  minute(key.expires_at, 'never'),
  minute(key.last_used_at, 'not seen'),
];
