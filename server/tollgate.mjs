#!/usr/bin/env node
// server/tollgate.mjs: what `npx tollgate` starts. Plain JavaScript, because it runs before anything is built, on whatever Node there is.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
const supported = (major === 20 && minor >= 19) || (major === 22 && minor >= 13) || major >= 24;
if (!supported) {
  process.stderr.write(`tollgate: Node ${process.versions.node} is not supported. Use Node 20 (from 20.19), 22 (from 22.13) or 24.\n`);
  process.exit(1);
}

const compiled = new URL('../dist/server/cli/main.js', import.meta.url);
if (!existsSync(compiled)) {
  // What it says goes to standard error, so that a pipe gets the command's own answer only.
  const build = spawnSync(process.execPath, [fileURLToPath(new URL('./bootstrap.mjs', import.meta.url)), 'build'], { stdio: ['inherit', 2, 2] });
  if (build.status !== 0) process.exit(build.status ?? 1);
}

const { run, processTerminal } = await import(compiled.href);
const code = await run(process.argv.slice(2), processTerminal());
// Not process.exit: `serve` goes on, and an answer may still be on its way into a pipe.
if (code !== 0) process.exitCode = code;
