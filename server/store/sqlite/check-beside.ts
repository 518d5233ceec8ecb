// server/store/sqlite/check-beside.ts: checks a ledger that is too large to be checked before the start, beside the calls.

import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Log } from '../../domain/observer.ts';
import { suspicionOf } from './inspection.ts';
import { corrupt } from './refusal.ts';

/**
 * Starts the check. It reads all there is, which takes some seconds per gigabyte, with a connection of its own; nothing waits for it.
 * @param threadEntry the compiled `check-thread.js`
 * @param onDamage told with a sentence for the operator; by then the next start is warned
 * @returns stops it
 */
export function checkBeside(threadEntry: URL, file: string, log: Log, onDamage: (trouble: string) => void): () => Promise<void> {
  const began = performance.now();
  const worker = new Worker(threadEntry, { workerData: file, name: 'check' });
  worker.unref();
  worker.on('message', (finding: string | null) => {
    const ms = Math.round(performance.now() - began);
    if (finding === null) return log.info('ledger_checked', { ms });
    log.error('ledger_damaged', { detail: finding, ms });
    try {
      writeFileSync(suspicionOf(file), `${finding}\n`, { mode: 0o600 });
    } catch (error) {
      // The next start then finds it as this one did.
      log.warn('suspicion_not_written', { code: String((error as NodeJS.ErrnoException).code) });
    }
    onDamage(corrupt(file, finding).message);
  });
  // The check alone failed, e.g. for want of file descriptors; the ledger may be as good as ever.
  worker.on('error', (error) => log.warn('ledger_check_failed', { detail: error.message }));
  return async () => void (await worker.terminate());
}
