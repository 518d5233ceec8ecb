// test/vitest.config.ts: how the tests run. The tests import the sources; what must be built (worker threads, the gateway itself) is built once, first.

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Soaks of minutes, behind `npm run test:long`. */
const long = process.env['TOLLGATE_LONG'] === '1';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: long ? ['test/long/**/*.test.ts'] : ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**', ...(long ? [] : ['test/long/**'])],
    globalSetup: ['test/build-once.ts'],
    testTimeout: long ? 600_000 : 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
  },
});
