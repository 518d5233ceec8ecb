// server/bootstrap.mjs: makes a fresh clone ready to start, test, or bench. Plain JavaScript and Node built-ins only, because
// it runs before anything is installed. It installs and builds what is missing or out of date, says what it does, and does
// nothing in a fraction of a second when there is nothing to do.
//
//   node server/bootstrap.mjs build    what `npm start` and `npm run demo` need
//   node server/bootstrap.mjs test     also the clients, the browser and the Debian packages of the tests
//   node server/bootstrap.mjs bench    also nginx

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

class Stop extends Error {}

try {
  await main(process.argv[2] ?? 'build');
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  say(error.message);
  process.exitCode = 1;
}

async function main(goal) {
  checkNode();
  mkdirSync(join(root, '.cache'), { recursive: true });
  await withLock(async () => {
    const installs = [install(root, 'packages', 'the first time, SQLite is compiled, which takes a minute or two')];
    // Beside the compiler, which keeps one core busy and needs no network.
    if (goal === 'test') installs.push(install(join(root, 'test'), 'test clients', 'real SDKs, Claude Code and a browser, about 500 MB'));
    if (goal === 'test') installs.push(debian(['prometheus', 'prometheus-alertmanager', 'strace']));
    if (goal === 'bench') installs.push(debian(['nginx-light', 'wrk', 'openssl']));
    // Nothing may still write into the folder when the lock is given back.
    for (const { reason } of await Promise.allSettled(installs)) if (reason) throw reason;
    if (goal !== 'test') build();
  });
}

function say(text) {
  process.stderr.write(`tollgate: ${text}\n`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const fine = (major === 20 && minor >= 19) || (major === 22 && minor >= 13) || major >= 24;
  if (!fine) throw new Stop(`Node ${process.versions.node} is not supported. Use Node 20 (from 20.19), 22 (from 22.13) or 24.`);
}

/** Two commands at once must not install into one folder. A lock whose owner is gone is taken over. */
async function withLock(work) {
  const lock = join(root, '.cache', 'bootstrap.lock');
  for (let told = false; ; ) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      const owner = Number(readOr(join(lock, 'pid'), ''));
      const young = Date.now() - modifiedAt(lock) < 5_000;
      if (owner ? !alive(owner) : !young) rmSync(lock, { recursive: true, force: true });
      else if (!told) say(`another command (pid ${owner || '?'}) is setting up this folder; waiting for it`), (told = true);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
    }
  }
  writeFileSync(join(lock, 'pid'), String(process.pid));
  try {
    await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** `npm ci` where the stamp in node_modules does not match the lock file, the platform and Node's binary interface. */
async function install(folder, what, note) {
  const lockFile = readFileSync(join(folder, 'package-lock.json'));
  const want = digest([lockFile, process.versions.modules, process.platform, process.arch]);
  const stamp = join(folder, 'node_modules', '.tollgate-stamp');
  if (readOr(stamp, '') === want) return;
  say(`installing ${what} (${note})`);
  const started = Date.now();
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(lifecycle_|package_|config_(omit|include|production|ignore_scripts|engine_strict)$)/i.test(name) && name !== 'NODE_ENV'));
  // The npm that called us, if one did, so that both have one idea of the lock file.
  const npm = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--loglevel=error', '--no-fund', '--no-audit'];
  const status = npm ? await ended(process.execPath, [npm, ...args], { cwd: folder, env }) : await ended('npm', args, { cwd: folder, env, shell: process.platform === 'win32' });
  if (status !== 0) {
    throw new Stop(
      `installing ${what} failed (see above). If it was SQLite's compiler step: it needs python3, make, a C++ compiler, and either a prebuilt download or Node's headers. On Debian: apt-get install python3 make g++`,
    );
  }
  writeFileSync(stamp, want);
  say(`installed ${what} in ${seconds(started)}`);
}

/** Compiles the server and the dashboard where their sources differ from what `dist` was made of. */
function build() {
  const sources = ['server', 'web', 'grafana', 'test/standin', 'test/demo', 'test/bench'].flatMap((folder) => filesBelow(join(root, folder)));
  const want = digest([...[join(root, 'tsconfig.json'), join(root, 'package-lock.json'), ...sources].flatMap((file) => [relative(root, file), readFileSync(file)])]);
  const stamp = join(root, 'dist', '.tollgate-stamp');
  if (readOr(stamp, '') === want) return;
  say('building the server and the dashboard');
  const started = Date.now();
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run([join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json'], 'compiling the server');
  if (existsSync(join(root, 'web', 'vite.config.ts'))) run([join('node_modules', 'vite', 'bin', 'vite.js'), 'build', '--config', join('web', 'vite.config.ts'), '--logLevel', 'warn'], 'building the dashboard');
  writeFileSync(stamp, want);
  say(`built in ${seconds(started)}`);
}

/** Debian packages that tests and benchmarks drive; installed only as root, said plainly otherwise. */
async function debian(packages) {
  const programs = { prometheus: 'prometheus', 'prometheus-alertmanager': 'prometheus-alertmanager', strace: 'strace', 'nginx-light': 'nginx', wrk: 'wrk', openssl: 'openssl' };
  const missing = packages.filter((name) => !onPath(programs[name]));
  if (missing.length === 0) return;
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !onPath('apt-get')) {
    say(`${missing.join(', ')} is not installed and cannot be installed from here (not root on Debian); what needs it will say so`);
    return;
  }
  say(`installing Debian packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await ended('apt-get', ['update', '-q'], { env, stdio: 'ignore' });
  const status = await ended('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing], { env, stdio: ['ignore', 'ignore', 2] });
  if (status !== 0) say(`apt-get could not install ${missing.join(', ')}; what needs it will say so`);
}

/** Its exit code; null where it could not be started or was killed. What it says goes to standard error. */
function ended(program, args, options) {
  return new Promise((resolve) => spawn(program, args, { stdio: ['ignore', 2, 2], ...options }).on('error', () => resolve(null)).on('close', resolve));
}

function run(args, what) {
  const result = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) throw new Stop(`${what} failed (see above)`);
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.name !== 'node_modules')
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort();
}

function digest(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

function readOr(file, fallback) {
  return existsSync(file) ? readFileSync(file, 'utf8') : fallback;
}

function modifiedAt(file) {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

function onPath(program) {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)));
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
