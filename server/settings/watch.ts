// server/settings/watch.ts: reads the config again on SIGHUP and when the file changes. All or nothing: a file with a mistake changes nothing.

import { readFile } from 'node:fs/promises';
import { unwatchFile, watchFile } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Settings } from '../domain/settings.ts';
import type { Env } from './interpolate.ts';
import { digestOf, loadSettings, type Overrides } from './load.ts';
import type { Mistake } from './mistakes.ts';

export interface Watch {
  /** Reads the file now; resolves when what it says is in force or turned down. A call while one runs waits for one more reading. */
  reload(): Promise<void>;
  /** Stops watching; a reload that is under way is waited for. */
  close(): Promise<void>;
}

/**
 * Watches the file that `current` came from.
 *
 * A change is seen by polling, because notifications get lost when an editor or a deployment replaces the file by renaming
 * another one over it. A file that is being written is read again once two looks at it agree.
 * @param current what is in force
 * @param onReload takes the new settings; where it rejects, the old ones stay in force, and are compared with next time
 * @param onMistakes takes what is wrong with the file, or with putting it in force; nothing has changed then
 * @param pollMs how often the file is looked at; a second look follows half as long after a change
 */
export function watchSettings(given: {
  current: Settings;
  env: Env;
  overrides?: Overrides;
  onReload: (settings: Settings) => Promise<void>;
  onMistakes: (mistakes: readonly Mistake[]) => void;
  pollMs?: number;
}): Watch {
  const { env, overrides = {}, onReload, onMistakes, pollMs = 1000 } = given;
  const { file } = given.current;
  let current = given.current;
  /** The bytes that were last judged, right or wrong, so that a wrong file is reported once and not at every look. */
  let judged = current.digest;
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let settling: NodeJS.Timeout | null = null;
  let closed = false;

  const refuse = (what: string, expected: string | null = null): void => onMistakes([{ file, line: 1, column: 1, what, expected, suggestion: null }]);

  const readOnce = async (): Promise<void> => {
    const loaded = loadSettings({ file, env, overrides });
    if (!loaded.ok) {
      judged = (await digestNow(file)) ?? '';
      onMistakes(loaded.mistakes);
      return;
    }
    const { settings } = loaded;
    judged = settings.digest;
    const fixed = FIXED.filter(({ of }) => !isDeepStrictEqual(of(settings), of(current)));
    if (fixed.length > 0) {
      refuse(`${fixed.map(({ name }) => name).join(' and ')} cannot change while running: needs a restart`, 'the value that is in force, or a restart');
      return;
    }
    try {
      await onReload(settings);
      current = settings;
    } catch {
      // The reason can quote what it was given; whoever rejects says it in its own log.
      refuse('the new config could not be put in force; the old one stays');
    }
  };

  const reload = (): Promise<void> => {
    if (closed) return Promise.resolve();
    // One at a time. Whoever asks while one runs gets a reading that begins after they asked; all who wait share it.
    if (running) return (next ??= running.then(() => { next = null; return reload(); }));
    running = readOnce().finally(() => { running = null; });
    return running;
  };

  /** Waits until two looks see the same bytes, then reads them, if they were not judged yet. */
  const settle = (before: string | null): void => {
    if (settling) clearTimeout(settling);
    settling = setTimeout(async () => {
      settling = null;
      const now = await digestNow(file);
      if (closed || now === judged) return;
      if (now !== before) settle(now);
      else if (now !== null) await reload();
      else refuseMissing();
    }, pollMs / 2);
  };
  const refuseMissing = (): void => {
    if (judged === '') return;
    judged = '';
    refuse('the file is gone; what was read before stays in force', 'a config file');
  };

  const onLook = (): void => {
    void digestNow(file).then((now) => {
      if (!closed && now !== judged) settle(now);
    });
  };
  const onHangup = (): void => void reload();
  watchFile(file, { interval: pollMs, persistent: false }, onLook);
  process.on('SIGHUP', onHangup);

  return {
    reload,
    close: async () => {
      closed = true;
      unwatchFile(file, onLook);
      process.off('SIGHUP', onHangup);
      if (settling) clearTimeout(settling);
      await next;
      await running;
    },
  };
}

/** Null where there is no file to read. */
async function digestNow(file: string): Promise<string | null> {
  try {
    return digestOf(await readFile(file));
  } catch {
    return null;
  }
}

/** What sockets and files that are open already depend on. */
const FIXED: readonly { readonly name: string; readonly of: (settings: Settings) => unknown }[] = [
  { name: 'listen', of: (settings) => settings.listen },
  { name: 'admin.listen', of: (settings) => settings.admin.listen },
  { name: 'data_dir', of: (settings) => settings.dataDir },
];
