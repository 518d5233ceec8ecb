// test/faults/tracer.ts: makes system calls of a running gateway fail, or writes them down, from outside. The program under test is as it is.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** False where strace is missing, or this user may not trace: tests that need it say so by being skipped. */
export const canTrace = spawnSync('strace', ['-qq', '-e', 'trace=none', 'true']).status === 0;

export interface Trace {
  /** Lets the process go; what was injected is over. */
  stop(): Promise<void>;
}

/** Attaches to every thread of a process; resolves when all of them are held. @param options of strace, such as `-e inject=fsync:error=EIO` @param to the file that the calls are written down in */
export async function trace(pid: number, options: readonly string[], to = '/dev/null'): Promise<Trace> {
  const child = spawn('strace', ['-f', '-p', String(pid), '-o', to, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes(' attached')) resolve();
    });
    child.once('exit', () => reject(new Error(`strace ended: ${said}`)));
  });
  return {
    async stop() {
      child.kill('SIGINT');
      await exited;
    },
  };
}
