// test/demo/past.ts: gives a data directory its history: all of it at the first start, what is missing since at later ones.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenLedger } from '../../server/store/sqlite/open-ledger.ts';
import { generateHistory, type HistoryDone } from './history.ts';
import { demoPricing, openDemoLedger, ROOT, ZONE } from './ledger.ts';

/** What the file `history.json` beside the ledger says. `until` null: a history was begun and not finished. */
interface Marker {
  readonly seed: string;
  readonly calls: number;
  readonly until: number | null;
}

export interface PastOptions {
  readonly dataDir: string;
  readonly now: number;
  readonly days?: number;
  readonly calls?: number;
  readonly seed?: string;
  readonly root?: string;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

const DAY_MS = 86_400_000;

/**
 * Opens the ledger with its history up to `now`. A history that was interrupted is thrown away and begun again, since rows of half a day
 * cannot be told from rows to come; only a directory that the demo itself has marked is ever cleared.
 * @throws Error when the directory holds a ledger that is not the demo's
 */
export async function openWithPast(options: PastOptions): Promise<{ store: OpenLedger; written: HistoryDone }> {
  const { dataDir, now, days = 30, calls = 60_000, seed = 'demo', root = ROOT, onProgress = () => undefined } = options;
  const markerFile = join(dataDir, 'history.json');
  mkdirSync(dataDir, { recursive: true });
  const marker = readMarker(markerFile);
  const ledgerFiles = readdirSync(dataDir).filter((name) => /^tollgate\.db(-wal|-shm)?$/.test(name));
  if (marker === null && ledgerFiles.length > 0) throw new Error(`${dataDir} holds a ledger that the demo did not make. Give the demo a directory of its own with --data-dir.`);

  const unfinished = marker !== null && marker.until === null;
  if (unfinished) {
    // Opened first: a ledger in use is refused here, before anything is thrown away.
    await (await openDemoLedger(dataDir, root)).ledger.close();
    for (const name of ledgerFiles) rmSync(join(dataDir, name), { force: true });
  }
  const going = unfinished ? null : marker;
  const from = going?.until ?? now - days * DAY_MS;
  const store = await openDemoLedger(dataDir, root);
  try {
    const plot = { seed: going?.seed ?? seed, calls: going?.calls ?? calls };
    writeMarker(markerFile, { ...plot, until: null });
    const written = await generateHistory({
      ...plot, ledger: store.ledger, pricing: demoPricing(root), from, to: now, zone: ZONE, ...(options.signal ? { signal: options.signal } : {}),
      onProgress: ({ calls: done, until }) => onProgress(`${new Date(until).toISOString().slice(0, 10)}  ${done.toLocaleString('en')} calls`),
    });
    // Rows are committed by now; the marker may say so.
    writeMarker(markerFile, { ...plot, until: Math.max(written.until, going?.until ?? 0) });
    return { store, written };
  } catch (cause) {
    await store.ledger.close();
    throw cause;
  }
}

function readMarker(file: string): Marker | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Marker;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
}

function writeMarker(file: string, marker: Marker): void {
  writeFileSync(file, `${JSON.stringify(marker)}\n`);
}
