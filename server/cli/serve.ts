// server/cli/serve.ts: `tollgate serve`: runs the gateway in this process.

import type { Command } from 'commander';
import { example } from './options.ts';

const EXIT_CODES = 'Exit codes: 0 stopped as told; 1 the config has mistakes, a port or the ledger is in use, or a second signal came; 2 the command line is wrong; 3 the ledger is damaged, not ours, or cannot be written.';

export function serveCommand(program: Command): void {
  program
    .command('serve')
    .description('run the gateway')
    .option('--config <file>', 'the config (default: TOLLGATE_CONFIG, or config/tollgate.yaml)')
    .option('--data-dir <folder>', 'where the ledger lives (default: TOLLGATE_DATA_DIR, or as in the config)')
    .option('--listen <host:port>', 'the data port, instead of the one in the config')
    .option('--admin-listen <host:port>', 'the admin port, instead of the one in the config')
    .addHelpText('after', `${example('serve', 'serve --config /etc/tollgate.yaml --data-dir /var/lib/tollgate')}\n\n${EXIT_CODES}`)
    .action(async (options: { config?: string; dataDir?: string; listen?: string; adminListen?: string }) => {
      // Loaded only here: the other verbs need neither the database nor the sockets.
      const { serve } = await import('../main.ts');
      await serve(options);
    });
}
