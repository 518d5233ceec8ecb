// test/house/types.test.ts: everything type-checks, and what is written follows the rules of the linter.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/** What the program had to say; empty when it found nothing. */
const complaints = async (...args: string[]): Promise<string> =>
  run(process.execPath, args, { cwd: root }).then(
    () => '',
    ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
  );

// Four compilers at once, on a machine that may be busy with others.
vi.setConfig({ testTimeout: 120_000 });

test.each(['tsconfig.json', 'web/tsconfig.json', 'test/tsconfig.json'])('%s type-checks', async (project) => {
  expect(await complaints('node_modules/typescript/bin/tsc', '--noEmit', '-p', project)).toBe('');
});

test('the linter finds no error', async () => {
  expect(await complaints('node_modules/oxlint/bin/oxlint', '--type-aware', '--quiet', 'server', 'web', 'grafana', 'test')).toBe('');
});
