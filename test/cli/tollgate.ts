// test/cli/tollgate.ts: runs the real command in a process of its own.

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const BIN = fileURLToPath(new URL('../../server/tollgate.mjs', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The environment of a shell that has set nothing of ours. */
export function bareEnv(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(TOLLGATE|ANTHROPIC|VITEST|NODE_OPTIONS)/.test(name));
  return { ...Object.fromEntries(kept), ...more };
}

export function start(args: readonly string[], env: Readonly<Record<string, string>> = {}, bin = BIN): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [bin, ...args], { cwd: root, env: bareEnv(env), stdio: ['ignore', 'pipe', 'pipe'] });
}

export function tollgate(args: readonly string[], env: Readonly<Record<string, string>> = {}, bin = BIN): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = start(args, env, bin);
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}
