// server/cli/serve.ts: `tollgate serve`: runs the gateway in this process.

import type { Command } from 'commander';
import { example } from './options.ts';

export function serveCommand(program: Command): void {
  program
    .command('serve')
    .description('run the gateway')
    .option('--config <file>', 'the config (default: TOLLGATE_CONFIG, or config/tollgate.yaml)')
    .option('--data-dir <folder>', 'where the ledger lives (default: TOLLGATE_DATA_DIR, or as in the config)')
    .option('--listen <host:port>', 'the data port, instead of the one in the config')
    .option('--admin-listen <host:port>', 'the admin port, instead of the one in the config')
    .addHelpText('after', example('serve', 'serve --config /etc/tollgate.yaml --data-dir /var/lib/tollgate'))
    .action(async (options: { config?: string; dataDir?: string; listen?: string; adminListen?: string }) => {
      // Loaded only here: the other verbs need neither the database nor the sockets.
      const { serve } = await import('../main.ts');
      await serve(options);
    });
}
