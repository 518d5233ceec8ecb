// test/build-once.ts: what must be there once before any test begins: the built server (types are checked by a test of their own), so that threads and child processes run what the tests import, the built dashboard, and the unpacked browser.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { unpackChromium } from './browser/chromium.ts';

/** Set to the process that has built: every project of the config asks, and each loads this file anew. */
const BUILT = 'TOLLGATE_TESTS_BUILT';

export default async function buildOnce(): Promise<void> {
  if (process.env[BUILT] === String(process.pid)) return;
  process.env[BUILT] = String(process.pid);
  const root = fileURLToPath(new URL('..', import.meta.url));
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--noCheck'], { cwd: root, stdio: 'inherit' });
  await build({ configFile: `${root}web/vite.config.ts`, logLevel: 'error' });
  // Where there is no browser for this machine, the tests that need one say so.
  await unpackChromium().catch(() => undefined);
}
