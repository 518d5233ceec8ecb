// test/bench/system.ts: programs under measurement: started on a core of their own, their CPU and memory read from the kernel.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';

export const SUBJECT_CORE = '0';
export const LOAD_CORE = '1';

export interface Program {
  readonly name: string;
  readonly url: string;
  readonly process: ChildProcess;
}

/** Starts a program bound to one core. Its output goes to `log`, to be shown when it fails. */
export function startOn(core: string, command: string, args: readonly string[], env: Record<string, string> = {}): { child: ChildProcess; output: () => string } {
  const child = spawn('taskset', ['-c', core, command, ...args], { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  return { child, output: () => output };
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  await closed;
}

/** Waits until a port answers; throws with the program's output when the program ended or ten seconds are over. */
export async function untilOpen(port: number, child: ChildProcess, output: () => string): Promise<void> {
  const end = Date.now() + 10_000;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    if (child.exitCode !== null || Date.now() > end) throw new Error(`nothing listens on port ${port}:\n${output()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A process and all below it: nginx works in a child of its master. */
function family(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const fields = statFields(Number(entry));
    if (fields) children.set(fields.parent, [...(children.get(fields.parent) ?? []), Number(entry)]);
  }
  const all = [pid];
  for (const one of all) all.push(...(children.get(one) ?? []));
  return all;
}

function statFields(pid: number): { parent: number; ticks: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; fields are counted behind it (proc(5)).
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return null;
  }
}

/** User and system CPU seconds that a process and its children have used so far, all threads; in steps of 10 ms. */
export const cpuSeconds = (child: ChildProcess): number => family(child.pid!).reduce((sum, pid) => sum + (statFields(pid)?.ticks ?? 0), 0) / 100;

/** Resident bytes of a process and its children. */
export function residentBytes(child: ChildProcess): number {
  return family(child.pid!).reduce((sum, pid) => {
    try {
      return sum + Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
    } catch {
      return sum;
    }
  }, 0);
}
