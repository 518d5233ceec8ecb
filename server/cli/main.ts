// server/cli/main.ts: the `tollgate` command: one verb each for what people do from a terminal.

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { alertsCommand } from './alerts.ts';
import { backupCommand } from './backup.ts';
import { budgetsCommand } from './budgets.ts';
import { checkCommand } from './check.ts';
import { CommandError, EXIT } from './exit.ts';
import { explainCommand } from './explain.ts';
import { exportCommand } from './export.ts';
import { keysCommand } from './keys.ts';
import { ownFirst } from './options.ts';
import { planCommand } from './plan.ts';
import { pricesCommand } from './prices.ts';
import { reportCommand } from './report.ts';
import { repriceCommand } from './reprice.ts';
import { serveCommand } from './serve.ts';
import { reconcileCommand } from './reconcile.ts';
import { verifyCommand } from './verify.ts';

/** Where a command writes and what it reads besides its arguments. */
export interface Terminal {
  /** For answers: what a pipe should get. */
  out(text: string): void;
  /** For people: mistakes, notes, hints. */
  err(text: string): void;
  readonly env: NodeJS.ProcessEnv;
}

const EPILOGUE = `
Examples:
  $ npx tollgate check                                what is in force, or every mistake with its line
  $ npx tollgate keys create ci --workspace default   a key for an app
  $ npx tollgate report --from now-30d --by workspace,model

Exit codes: 0 done; 1 the config has mistakes, or the gateway said no; 2 the command line is wrong; 3 no gateway answers.`;

/** Runs one command and returns its exit code; does not throw for what people get wrong. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('tollgate')
    .description('Usage governance and observability for the Claude API.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .configureHelp({ visibleOptions: ownFirst })
    .showHelpAfterError('Add --help to see what it takes.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .addHelpText('after', EPILOGUE);
  for (const add of [serveCommand, checkCommand, keysCommand, budgetsCommand, alertsCommand, planCommand, pricesCommand, reportCommand, explainCommand, exportCommand, repriceCommand, verifyCommand, reconcileCommand, backupCommand]) add(program, terminal);
  try {
    await program.parseAsync(args, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (!(error instanceof CommandError)) throw error;
    if (error.message !== '') terminal.err(`${error.message}\n`);
    return error.exitCode;
  }
}

/** The process as a terminal. A reader that stops reading (`| head`) ends the command quietly. */
export function processTerminal(): Terminal {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  return { out: (text) => void process.stdout.write(text), err: (text) => void process.stderr.write(text), env: process.env };
}

function version(): string {
  // One folder deeper when compiled: dist/server/cli.
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { name?: string; version?: string };
      if (manifest.name === 'tollgate' && manifest.version) return manifest.version;
    } catch {
      // Not there: the other place is tried.
    }
  }
  return 'unknown';
}
