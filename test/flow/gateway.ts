// test/flow/gateway.ts: starts the built gateway as a process of its own, as a user would.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

const entry = fileURLToPath(new URL('../../server/tollgate.mjs', import.meta.url));

export interface GatewayOptions {
  /** The config, as YAML text or as what YAML would say; ports are chosen by the system unless it names them. */
  readonly config: string | Record<string, unknown>;
  readonly env?: Record<string, string>;
  /** A directory of an earlier run; a new one, removed at the end, unless told. */
  readonly dataDir?: string;
  /** `host:port` of the data port, where a test must know it beforehand. */
  readonly listen?: string;
  /** How many files and connections it may have open, all together; as many as this process unless told. */
  readonly descriptors?: number;
}

export interface RunningGateway {
  readonly dataUrl: string;
  readonly adminUrl: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly configFile: string;
  /** Everything it wrote to stdout and stderr so far. */
  output(): string;
  /** Sends a signal and waits for the end; the exit code, null after SIGKILL. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Waits for the end without asking for it; the exit code. */
  ended(): Promise<number | null>;
  /** `runs`, or the code or signal that it ended by. */
  state(): string;
  /** SIGKILL if it still runs, and its files removed. */
  close(): Promise<void>;
}

/** @throws with everything that it wrote when it ends before it is ready */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-flow-'));
  const dataDir = options.dataDir ?? join(folder, 'data');
  const configFile = join(folder, 'tollgate.yaml');
  writeFileSync(configFile, typeof options.config === 'string' ? options.config : stringify(options.config));
  // Node takes as many as the hard limit lets it, which only a shell can lower; the gateway takes the shell's place.
  const [command, ...before] = options.descriptors === undefined ? [process.execPath] as const : ['/bin/sh', '-c', `ulimit -n ${options.descriptors} && exec "$@"`, 'sh', process.execPath] as const;
  const child = spawn(command, [...before, entry, 'serve', '--config', configFile, '--data-dir', dataDir, '--listen', options.listen ?? '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'], {
    env: { PATH: process.env['PATH'] ?? '', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  await ready(child, () => output);
  const urlAfter = (label: string): string => new RegExp(`${label} +(http\\S+)`).exec(output)![1]!;
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
    return child.exitCode;
  };
  return {
    dataUrl: urlAfter('base URL for apps'),
    adminUrl: urlAfter('dashboard'),
    pid: child.pid!,
    dataDir,
    configFile,
    output: () => output,
    stop,
    ended: async () => {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
      return child.exitCode;
    },
    state: () => String(child.exitCode ?? child.signalCode ?? 'runs'),
    close: async () => {
      await stop('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function ready(child: ChildProcess, output: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onData = (): void => {
      if (output().includes('tollgate ready\n')) {
        child.stdout?.off('data', onData);
        child.off('close', onClose);
        resolve();
      }
    };
    const onClose = (): void => reject(new Error(`the gateway ended before it was ready:\n${output()}`));
    child.stdout?.on('data', onData);
    child.on('close', onClose);
  });
}
