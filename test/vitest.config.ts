// test/vitest.config.ts: how the tests run. The tests import the sources; what must be built (worker threads, the gateway itself) is built once, first.

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Soaks of minutes, behind `npm run test:long`. */
const long = process.env['TOLLGATE_LONG'] === '1';

/** Files that take longest: started first, so that none of them runs alone at the end while the other workers have nothing left to do. */
const LONGEST = ['browser/pages', 'flow/attempts', 'flow/batches', 'browser/dashboard', 'cli/gateway', 'faults/shutdown', 'house/types', 'faults/fidelity', 'flow/telemetry', 'store/kill', 'store/folds', 'flow/kill', 'flow/retries', 'grafana/live'].map((name) => `/test/${name}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(name));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

/** Rooms whose tests only call functions: their files share a process, and with it what they import, which is half of what they cost. */
const UNITS = ['admit', 'advise', 'alert', 'bill', 'domain', 'forward', 'identify', 'meter', 'observe', 'price', 'settings', 'web'].map((room) => `test/${room}/**/*.test.ts`);
const NEVER = ['**/node_modules/**', 'dist/**'];

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    projects: long
      ? [{ extends: true, test: { name: 'long', include: ['test/long/**/*.test.ts'], exclude: NEVER } }]
      : [
          { extends: true, test: { name: 'units', include: UNITS, exclude: NEVER, isolate: false } },
          { extends: true, test: { name: 'whole', include: ['test/**/*.test.ts'], exclude: [...NEVER, 'test/long/**', ...UNITS] } },
        ],
    globalSetup: ['test/build-once.ts'],
    // Far above what any takes on an idle machine: they tell what hangs, and a machine that is busy with other things hangs nothing.
    testTimeout: long ? 600_000 : 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    // Left to itself it would use one core less than there are: one of two. Many files wait for most of their time, for a client to come back or a process to start.
    maxWorkers: long ? 1 : availableParallelism() + 1,
  },
});
