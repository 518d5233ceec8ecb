// server/config-notes.ts: writes into the audit log who changed what in the config, also while the gateway was down.

import { statSync } from 'node:fs';
import type { Clock } from './domain/ids.ts';
import type { Ledger } from './domain/ledger.ts';
import type { Log } from './domain/observer.ts';
import type { Settings } from './domain/settings.ts';
import { changesBetween, keepWritten } from './settings/written.ts';

/** Of one reload, in the audit. */
const MOST_CHANGES = 50;

export interface ConfigNotesOptions {
  readonly ledger: Pick<Ledger, 'audit'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Notes a config that is in force now. */
export type NoteConfig = (action: 'config.start' | 'config.reload', before: Pick<Settings, 'digest' | 'written'> | null, next: Settings, repriced: boolean) => Promise<void>;

/** Of a start, there is only something to note where the config before is known and was another. Rejects when the audit log cannot be written. */
export function createConfigNotes({ ledger, clock, log }: ConfigNotesOptions): NoteConfig {
  return async (action, before, next, repriced) => {
    if (before !== null && (action === 'config.reload' || before.digest !== next.digest)) {
      const changes = changesBetween(before.written, next.written);
      const detail = { digest: next.digest, file_written_at: writtenAt(next.file), changes: changes.slice(0, MOST_CHANGES), ...(changes.length > MOST_CHANGES ? { more_changes: changes.length - MOST_CHANGES } : {}), ...(repriced ? { other_prices: next.prices.digest } : {}) };
      await ledger.audit({ at: clock.now(), actor: 'config', action, subject: next.file, detail: JSON.stringify(detail) });
    }
    try {
      keepWritten(next.dataDir, next);
    } catch (error) {
      log.warn('config_not_kept', { detail: error instanceof Error ? error.message : String(error) });
    }
  };
}

/** When the config file was saved, as far as its folder tells; null where it is gone again. */
function writtenAt(file: string): string | null {
  try {
    return statSync(file).mtime.toISOString();
  } catch {
    return null;
  }
}
