// server/package-version.ts: which version of the package this is.

import { readFileSync } from 'node:fs';

/** As in package.json; `unknown` where that is not found. */
export function packageVersion(): string {
  // From dist/server or from server: the package stands above both.
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { name?: string; version?: string };
      if (name === 'tollgate' && version !== undefined) return version;
    } catch {
      // Not in this place; the other one has it.
    }
  }
  return 'unknown';
}
