// server/main.ts: starts the gateway, says where it is, and stops it when told to.

import type { AddressInfo, Server } from 'node:net';
import { compose, StartFailure, type Gateway } from './compose.ts';
import type { HostPort, Settings } from './domain/settings.ts';
import { configFile, loadSettings } from './settings/load.ts';
import { mistakeText } from './settings/mistakes.ts';
import { watchSettings } from './settings/watch.ts';

export interface ServeOptions {
  readonly config?: string;
  readonly dataDir?: string;
  /** `host:port`. */
  readonly listen?: string;
  readonly adminListen?: string;
}

/** Exit codes: 0 stopped as told; 1 could not start, or was stopped by a second signal; 3 the ledger's file is damaged or not ours, or its writing thread ended. */
export async function serve(options: ServeOptions): Promise<void> {
  const file = configFile(options.config, process.env);
  const overrides = { dataDir: options.dataDir, listen: options.listen, adminListen: options.adminListen };
  const loaded = loadSettings({ file, env: process.env, overrides });
  if (!loaded.ok) return fail(loaded.mistakes.map(mistakeText).join('\n'), 1);

  // Its default is to end the process, which it must not do before the config is watched, nor while streams drain after that.
  process.on('SIGHUP', () => undefined);
  let gateway: Gateway;
  try {
    gateway = await compose(loaded.settings);
  } catch (error) {
    if (error instanceof StartFailure) return fail(error.message, error.exitCode);
    throw error;
  }
  try {
    await listen(gateway.adminServer, loaded.settings.admin.listen, 'admin.listen');
    await listen(gateway.dataPort.server, loaded.settings.listen, 'listen');
  } catch (error) {
    await gateway.close(0);
    if (error instanceof StartFailure) return fail(error.message, error.exitCode);
    throw error;
  }

  const watch = watchSettings({
    current: loaded.settings,
    env: process.env,
    overrides,
    onReload: (settings) => gateway.reload(settings),
    onMistakes: (mistakes) => gateway.reloadFailed(mistakes.map(mistakeText)),
  });
  const stop = async (): Promise<void> => {
    await watch.close();
    await gateway.close(gateway.settings().drainMs);
  };
  stopOnSignals(stop);
  void gateway.ledgerLost.then((trouble) => {
    // Every call from here on would be refused, and those in flight cannot be settled; the next start books them at what was held.
    process.stderr.write(`tollgate: the ledger cannot be written any more (${trouble}); stopping, so that a supervisor can start the gateway anew\n`);
    process.exit(3);
  });
  void gateway.ledgerDamaged.then(async (trouble) => {
    // Calls in flight end as they should; to take more would be to write into what is broken.
    process.stderr.write(`tollgate: ${trouble}\n`);
    await stop().catch(() => undefined);
    process.exit(3);
  });
  greet(gateway, loaded.settings);
}

/** Connections that wait to be taken in. One that finds no place is tried again by its client's kernel after a second, then after three. */
const BACKLOG = 4_096;

function listen(server: Server, at: HostPort, field: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new StartFailure(listenTrouble(error, at, field), 1)));
    server.listen({ port: at.port, host: at.host, backlog: BACKLOG }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function listenTrouble(error: NodeJS.ErrnoException, { host, port }: HostPort, field: string): string {
  const where = `${host}:${port}`;
  if (error.code === 'EADDRINUSE') return `${where} is in use, perhaps by another gateway. Stop that one, or set \`${field}\` to another port.`;
  if (error.code === 'EACCES') return `${where} may not be opened by this user. Ports below 1024 need a privilege; set \`${field}\` to a higher one.`;
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') return `${host} is not an address of this machine (${field}).`;
  return `${where} could not be opened (${field}): ${error.code ?? error.message}`;
}

/** The first signal drains, the second stops at once: what was in flight is settled at the next start. */
function stopOnSignals(stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`tollgate: stopping failed: ${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function fail(message: string, exitCode: number): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

/** What a person who just started it wants to know. `tollgate ready` is the last line, for programs that wait for it. */
function greet(gateway: Gateway, settings: Settings): void {
  const base = urlOf(gateway.dataPort.server, settings.listen);
  const { recovery } = gateway;
  const key = settings.upstream.keys.size > 0 ? '' : ` -H "x-api-key: $ANTHROPIC_API_KEY"`;
  const credential = settings.access === 'keys' ? ` -H "x-api-key: <a virtual key, from: npx tollgate keys create>"` : key;
  const lines = [
    `tollgate ${gateway.version} (pid ${process.pid})`,
    `  base URL for apps  ${base}`,
    `  dashboard          ${urlOf(gateway.adminServer, settings.admin.listen)}`,
    `  config             ${settings.file}`,
    `  data               ${settings.dataDir}`,
    `  upstream           ${settings.upstream.origin}${settings.upstream.keys.size === 0 ? ', with the provider key that each call brings' : ''}`,
  ];
  if (recovery.crashed > 0) lines.push(`  recovered          ${recoveredText(recovery.crashed)}`);
  lines.push('', 'A first call:', `  curl ${base}/v1/messages${credential} -H "anthropic-version: 2023-06-01" -H "content-type: application/json" \\`, `    -d '{"model":"claude-haiku-4-5","max_tokens":64,"messages":[{"role":"user","content":"Hello"}]}'`, '', 'tollgate ready');
  process.stdout.write(`${lines.join('\n')}\n`);
}

export const recoveredText = (calls: number): string =>
  `${calls === 1 ? '1 call that was' : `${calls} calls that were`} in flight when the last run ended; ${calls === 1 ? 'it' : 'each'} is booked at what was held for it`;

function urlOf(server: Server, configured: HostPort): string {
  const { port } = server.address() as AddressInfo;
  const host = configured.host.includes(':') ? `[${configured.host}]` : configured.host;
  return `http://${host === '0.0.0.0' ? '127.0.0.1' : host === '[::]' ? '[::1]' : host}:${port}`;
}
