// test/build-once.ts: builds the server before the tests (types are checked by a test of their own), so that threads and child processes run what the tests import.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export default function buildOnce(): void {
  const root = fileURLToPath(new URL('..', import.meta.url));
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--noCheck'], { cwd: root, stdio: 'inherit' });
}
