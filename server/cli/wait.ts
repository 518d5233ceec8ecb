// server/cli/wait.ts: waits for work that goes on in the gateway, and says how far it is.

import type { AdminClient } from './admin-client.ts';
import { CommandError } from './exit.ts';
import type { Terminal } from './main.ts';

const ASK_EVERY_MS = 500;

interface Run {
  readonly state: 'running' | 'done' | 'failed';
  readonly progress: number;
  readonly started_at: string;
  readonly calls: number;
}

/**
 * Asks `path` until the run that `first` began is over; progress goes to standard error.
 * @throws CommandError when it got lost, which a restart of the gateway does to it
 */
export async function overOf<R extends Run>(first: { readonly run: R | null }, path: string, client: AdminClient, terminal: Terminal): Promise<R> {
  let run = first.run;
  let said = '';
  while (run !== null && run.state === 'running') {
    const text = `${Math.floor(run.progress * 100)} %, ${run.calls.toLocaleString('en-US')} calls\n`;
    if (text !== said) terminal.err((said = text));
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    const next: { readonly run: R | null } = await client.json('GET', path);
    run = next.run?.started_at === run.started_at ? next.run : null;
  }
  if (run === null) throw new CommandError('the run is gone: the gateway was started anew, or another one began. Run it again; what is done stays done.');
  return run;
}
