// test/demo/ledger.ts: the demo's ledger, opened before the gateway has it: to write history into it, and to size budgets by what was spent.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { epochMs } from '../../server/domain/ids.ts';
import type { Log } from '../../server/domain/observer.ts';
import type { Pricing } from '../../server/domain/price.ts';
import { loadPriceBook } from '../../server/price/load-book.ts';
import { createPricing } from '../../server/price/pricing.ts';
import { openLedger, type OpenLedger } from '../../server/store/sqlite/open-ledger.ts';

/** The root of the repository, seen from the built file. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const ZONE = 'Europe/Berlin';

const say = (event: string, fields?: object): void => console.error(event, fields ?? '');
const log: Log = { debug: () => undefined, info: () => undefined, warn: say, error: say };

/** @param root where `dist` and `config` are. @throws LedgerRefused when another process has the ledger */
export function openDemoLedger(dataDir: string, root = ROOT): Promise<OpenLedger> {
  return openLedger({
    file: join(dataDir, 'tollgate.db'),
    workerEntry: new URL(`file://${join(root, 'dist/server/store/sqlite/writer.js')}`),
    timezone: ZONE,
    // A history that a power cut takes can be written again.
    durability: 'normal',
    retentionDays: 90,
    declared: { keys: [], workspaces: new Map() },
    log,
    clock: { now: () => epochMs(Date.now()), monotonic: () => performance.now() },
  });
}

/** Pricing over the price book that ships with the gateway. */
export function demoPricing(root = ROOT): Pricing {
  const file = join(root, 'config/prices.yaml');
  const loaded = loadPriceBook(readFileSync(file, 'utf8'), file);
  if (!loaded.ok) throw new Error(`${file}: ${loaded.mistakes[0]?.message ?? 'cannot be read'}`);
  return createPricing({ book: loaded.book, unknownModel: 'refuse' });
}
