// server/settings/watch.ts: reads the config again on SIGHUP and when it or a price file changes. All or nothing: a file with a mistake changes nothing.

import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Settings } from '../domain/settings.ts';
import type { Env } from './interpolate.ts';
import { digestOf, digestOfFiles, loadSettings, type Overrides } from './load.ts';
import type { Mistake } from './mistakes.ts';

export interface Watch {
  /** Reads the file now; resolves when what it says is in force or turned down. A call while one runs waits for one more reading. */
  reload(): Promise<void>;
  /** Stops watching; a reload that is under way is waited for. */
  close(): Promise<void>;
}

/**
 * Watches the file that `current` came from, and the price files that the settings in force name.
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
  let judged = judgement(current.digest, current.prices.digest);
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let settling: NodeJS.Timeout | null = null;
  let closed = false;

  const refuse = (what: string): void => onMistakes([{ file, line: 1, column: 1, what, expected: null, suggestion: null }]);

  const readOnce = async (): Promise<void> => {
    const loaded = loadSettings({ file, env, overrides, inForce: current });
    if (!loaded.ok) {
      judged = judgement(loaded.digest, digestOfFiles(priceFiles(current)));
      onMistakes(loaded.mistakes);
      return;
    }
    const { settings } = loaded;
    judged = judgement(settings.digest, settings.prices.digest);
    try {
      await onReload(settings);
      current = settings;
      // A file that is new here may have changed since it was read, and no look before this one would know.
      if (watchPrices(settings)) onLook();
    } catch (error) {
      refuse(`the new config could not be put in force: ${error instanceof Error ? error.message : 'unknown error'}`);
    }
  };

  const reload = (): Promise<void> => {
    if (closed) return Promise.resolve();
    // One at a time. Whoever asks while one runs gets a reading that begins after they asked; all who wait share it.
    if (running) return (next ??= running.then(() => { next = null; return reload(); }));
    running = readOnce().finally(() => { running = null; });
    return running;
  };

  const look = async (): Promise<string> => judgement(await digestNow(file), digestOfFiles(priceFiles(current)));

  /** Waits until two looks see the same bytes, or the same absence of a file, and reads then, unless those were judged already. */
  const settle = (before: string): void => {
    if (settling) clearTimeout(settling);
    settling = setTimeout(() => {
      settling = null;
      void look().then((now) => {
        if (closed || now === judged) return undefined;
        return now === before ? reload() : settle(now);
      });
    }, pollMs / 2).unref();
  };
  const onLook = (): void => {
    void look().then((now) => {
      if (!closed && now !== judged) settle(now);
    });
  };
  const onHangup = (): void => void reload();
  let watched: readonly string[] = [];
  /** A new price file is watched from now on, one that is no longer named no more. False: they are the same as before. */
  const watchPrices = (settings: Settings): boolean => {
    const files = priceFiles(settings).filter((name) => name !== null);
    if (closed || files.join('\n') === watched.join('\n')) return false;
    for (const name of watched) unwatchFile(name, onLook);
    for (const name of files) watchFile(name, { interval: pollMs, persistent: false }, onLook);
    watched = files;
    return true;
  };
  watchFile(file, { interval: pollMs, persistent: false }, onLook);
  watchPrices(current);
  process.on('SIGHUP', onHangup);
  // A change between the first reading and the first look would be taken for what was always there.
  onLook();

  return {
    reload,
    close: async () => {
      closed = true;
      for (const name of [file, ...watched]) unwatchFile(name, onLook);
      process.off('SIGHUP', onHangup);
      if (settling) clearTimeout(settling);
      await next;
      await running;
    },
  };
}

const priceFiles = ({ prices }: Settings): readonly (string | null)[] => [prices.file, prices.contract];

const judgement = (config: string | null, prices: string): string => `${config ?? 'no file'} ${prices}`;

/** Null where there is no file to read. */
async function digestNow(file: string): Promise<string | null> {
  try {
    return digestOf(await readFile(file));
  } catch {
    return null;
  }
}
