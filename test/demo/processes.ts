// test/demo/processes.ts: starts the gateway and the sample apps as programs of their own, and stops all of them.

import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from './ledger.ts';

/** Null when the address can be listened on, else a sentence for a person. */
export function portTrouble(address: string): Promise<string | null> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => done(error.code === 'EADDRINUSE' ? `${address} is taken by another program, perhaps by a gateway.` : `${address} cannot be used: ${error.message}`));
    probe.listen(Number(address.slice(colon + 1)), host, () => probe.close(() => done(null)));
  });
}

export interface Program {
  readonly child: ChildProcess;
  /** Resolves with the exit code; null after a signal. */
  readonly ended: Promise<number | null>;
}

/** A group of its own, so that Ctrl-C reaches the demo alone, which then stops the others in order. */
function start(args: readonly string[], env: Readonly<Record<string, string>>, onLine: (line: string) => void): Program {
  const child = spawn(process.execPath, [...args], { cwd: ROOT, env: { ...process.env, ...env }, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  // A program that ends before it has read its input is no trouble.
  child.stdin.on('error', () => undefined);
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', onLine);
  return { child, ended: new Promise((done) => child.once('close', (code) => done(code))) };
}

/** Resolves when the gateway says that it is ready. @throws Error with what it said when it ends before */
export async function startGateway(options: { config: string; dataDir: string; listen: string; adminListen: string; onLine: (line: string) => void }): Promise<Program> {
  const heard: string[] = [];
  return new Promise((ready, failed) => {
    const args = [join(ROOT, 'server/tollgate.mjs'), 'serve', '--config', options.config, '--data-dir', options.dataDir, '--listen', options.listen, '--admin-listen', options.adminListen];
    const program = start(args, {}, (line) => {
      heard.push(line);
      options.onLine(line);
      if (line === 'tollgate ready') ready(program);
    });
    void program.ended.then((code) => failed(new Error(`the gateway ended with code ${code}:\n${heard.slice(-20).join('\n')}`)));
  });
}

export async function stop(program: Program, patienceMs = 8_000): Promise<void> {
  if (program.child.exitCode !== null || program.child.signalCode !== null) return;
  program.child.kill('SIGTERM');
  const impatient = setTimeout(() => program.child.kill('SIGKILL'), patienceMs);
  await program.ended;
  clearTimeout(impatient);
}

const APPS = [
  { file: 'ticket-triage.js', key: 'tg_demo_ticket_triage_5d1c', input: null, pauseMs: 5_000 },
  { file: 'product-descriptions.js', key: 'tg_demo_product_texts_c3f0', input: null, pauseMs: 20_000 },
  { file: 'writing-assistant.js', key: 'tg_demo_writing_assist_0b42', input: 'prompts.txt', pauseMs: 10_000 },
] as const;

/** Runs the three sample apps again and again, gently, until `signal` fires; resolves when the last one has ended. */
export async function keepAppsRunning(options: { baseUrl: string; adminUrl: string; signal: AbortSignal; onLine: (line: string) => void }): Promise<void> {
  const { baseUrl, adminUrl, signal, onLine } = options;
  await Promise.all(APPS.map(async (app) => {
    while (!signal.aborted) {
      const env = { ANTHROPIC_BASE_URL: baseUrl, ANTHROPIC_API_KEY: app.key, TOLLGATE_ADMIN_URL: adminUrl };
      const program = start([join(ROOT, 'dist/test/demo/apps', app.file)], env, (line) => onLine(`${app.file.replace('.js', '')}: ${line}`));
      program.child.stdin?.end(app.input === null ? '' : readFileSync(join(ROOT, 'test/demo/apps', app.input)));
      const leave = (): void => void stop(program, 1_000);
      signal.addEventListener('abort', leave, { once: true });
      const code = await program.ended;
      signal.removeEventListener('abort', leave);
      if (code !== 0 && !signal.aborted) onLine(`${app.file.replace('.js', '')}: ended with code ${code}`);
      await sleep(app.pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }));
}
