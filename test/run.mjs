// test/run.mjs: runs every test and ends with one plain line, `N passed, N failed`. With `--long`, the long ones in test/long instead.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

/** How many files are told of that took longest: the whole must stay under a quarter of an hour. */
const LONGEST = 25;

const folder = mkdtempSync(join(tmpdir(), 'tollgate-test-'));
const report = join(folder, 'report.json');
const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...process.argv.slice(2).filter((argument) => argument !== '--long')];
const env = { ...process.env, ...(process.argv.includes('--long') ? { TOLLGATE_LONG: '1' } : {}) };
const child = spawn(process.execPath, args, { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));

child.on('close', (code) => {
  let passed = 0;
  let failed = 0;
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites, testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const took = testResults.map(({ name, startTime, endTime }) => ({ name: relative(process.cwd(), name), seconds: (endTime - startTime) / 1_000 })).sort((a, b) => b.seconds - a.seconds);
    console.log(`longest: ${took.slice(0, LONGEST).map(({ name, seconds }) => `${name} ${seconds.toFixed(0)} s`).join(', ')}`);
    passed = numPassedTests;
    // A file that does not even load has no test to fail.
    failed = Math.max(numFailedTests, numFailedTestSuites > 0 ? 1 : 0);
  } catch {
    failed = 1;
  }
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0 && failed === 0) failed = 1;
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
});
