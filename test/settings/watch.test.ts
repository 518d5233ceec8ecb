// test/settings/watch.test.ts: a running gateway takes a new config over whole, or not at all. Real files, real signals.

import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Settings } from '../../server/domain/settings.ts';
import { loadSettings } from '../../server/settings/load.ts';
import { mistakeText, type Mistake } from '../../server/settings/mistakes.ts';
import { watchSettings, type Watch } from '../../server/settings/watch.ts';

type Seen = { settings: Settings } | { mistakes: string[] };

let folder: string;
let file: string;
let watch: Watch | null;
let seen: Seen[];
let waiting: ((seen: Seen) => void)[];
const ENV = {};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tollgate-watch-'));
  file = join(folder, 'tollgate.yaml');
  writeFileSync(join(folder, 'prices.yaml'), '');
  watch = null;
  seen = [];
  waiting = [];
});
afterEach(async () => {
  await watch?.close();
  rmSync(folder, { recursive: true, force: true });
});

const config = (days: number, more = ''): string => `prices: { file: prices.yaml }\nretention: { requests_days: ${days} }\n${more}`;
const days = (event: Seen): number | null => ('settings' in event ? event.settings.retention.requestsDays : null);
const mistakes = (event: Seen): string[] | null => ('mistakes' in event ? event.mistakes : null);

function tell(event: Seen): void {
  const first = waiting.shift();
  if (first) first(event);
  else seen.push(event);
}

/** What the watch tells next, in order. */
function next(): Promise<Seen> {
  const first = seen.shift();
  return first ? Promise.resolve(first) : new Promise((resolve) => waiting.push(resolve));
}

function start(text: string, onReload: (settings: Settings) => Promise<void> = async (settings) => tell({ settings })): void {
  writeFileSync(file, text);
  const loaded = loadSettings({ file, env: ENV });
  if (!loaded.ok) throw new Error(loaded.mistakes.map(mistakeText).join('\n'));
  watch = watchSettings({ current: loaded.settings, env: ENV, onReload, onMistakes: (all: readonly Mistake[]) => tell({ mistakes: all.map(mistakeText) }), pollMs: 40 });
}

function replace(text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

test('a file that is replaced by renaming another over it is taken over, time and again', async () => {
  start(config(1));
  for (const count of [2, 3, 4, 5]) {
    replace(config(count));
    expect(days(await next())).toBe(count);
  }
});

test('a file that is written in place is taken over', async () => {
  start(config(1));
  writeFileSync(file, config(2));
  expect(days(await next())).toBe(2);
});

test('a file that is deleted is told once, and taken over when it is back', async () => {
  start(config(1));
  rmSync(file);
  expect(mistakes(await next())).toEqual([expect.stringContaining(`${file}:1:1: there is no such file`)]);
  writeFileSync(file, config(2));
  expect(days(await next())).toBe(2);
});

test('a file with mistakes changes nothing, tells all of them, and the next right one is taken over', async () => {
  start(config(1));
  replace(config(2, 'acess: keys\ndrain: 5\n'));
  expect(mistakes(await next())).toEqual([expect.stringContaining(`${file}:3:1: `), expect.stringContaining(`${file}:4:8: `)]);
  replace(config(3));
  expect(days(await next())).toBe(3);
});

test('a file that was emptied, because it is being written, does not put the defaults in force', async () => {
  start(config(1));
  truncateSync(file);
  expect(mistakes(await next())).toEqual([expect.stringContaining('the file says nothing')]);
  writeFileSync(file, config(2));
  expect(days(await next())).toBe(2);
});

test('a half-written file is turned down, and the whole one taken over', async () => {
  start(config(1));
  const whole = config(2, 'budgets:\n  - { id: b, scope: { organization: true }, limit_usd: 5, period: day }\n');
  writeFileSync(file, whole.slice(0, -12));
  expect(mistakes(await next())).toEqual([expect.stringMatching(/:\d+:\d+: /)]);
  writeFileSync(file, whole);
  const event = await next();
  expect('settings' in event && event.settings.budgets.map(({ id }) => id)).toEqual(['b']);
});

test('SIGHUP reads the file at once, changed or not', async () => {
  start(config(1));
  process.kill(process.pid, 'SIGHUP');
  expect(days(await next())).toBe(1);
  replace(config(2, 'nonsense\n'));
  process.kill(process.pid, 'SIGHUP');
  expect(mistakes(await next())).not.toBeNull();
});

test('what cannot change while running is told with its place, and nothing else of the file is taken over', async () => {
  start(config(1, 'listen: 127.0.0.1:4100\n'));
  replace(config(2, `listen: 127.0.0.1:4200\nadmin:\n  listen: 127.0.0.1:4201\ndata_dir: ${folder}\n`));
  expect(mistakes(await next())).toEqual([
    `${file}:3:9: a change of listen waits for a restart, and with it all else that this file changes; expected what is in force, for the rest to hold now`,
    `${file}:5:11: a change of admin.listen waits for a restart, and with it all else that this file changes; expected what is in force, for the rest to hold now`,
    `${file}:6:11: a change of data_dir waits for a restart, and with it all else that this file changes; expected what is in force, for the rest to hold now`,
  ]);
  replace(config(3, 'listen: 127.0.0.1:4100\n'));
  expect(days(await next())).toBe(3);
});

test('settings that could not be put in force leave the old ones, and are tried again on SIGHUP', async () => {
  let broken = true;
  start(config(1), async (settings) => {
    if (broken) throw new Error('the price book has a mistake');
    tell({ settings });
  });
  replace(config(2));
  expect(mistakes(await next())).toEqual([`${file}:1:1: the new config could not be put in force: the price book has a mistake`]);
  broken = false;
  process.kill(process.pid, 'SIGHUP');
  expect(days(await next())).toBe(2);
});

test('one reload runs at a time, and a storm of asks while it runs is one more', async () => {
  const releases: (() => void)[] = [];
  const began: number[] = [];
  let running = 0;
  let most = 0;
  start(config(1), async (settings) => {
    began.push(settings.retention.requestsDays);
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => releases.push(resolve));
    running--;
    tell({ settings });
  });
  const first = watch!.reload();
  const storm = Array.from({ length: 50 }, () => watch!.reload());
  // Written while the first reading is in force already: who asked since must get this.
  writeFileSync(file, config(2));
  releases.shift()!();
  await first;
  await expect.poll(() => releases.length).toBe(1);
  releases.shift()!();
  await Promise.all(storm);
  expect({ began, most }).toEqual({ began: [1, 2], most: 1 });
});

test('after close nothing is read any more, neither on change nor on a signal', async () => {
  start(config(1));
  const listeners = process.listenerCount('SIGHUP');
  await watch!.close();
  expect(process.listenerCount('SIGHUP')).toBe(listeners - 1);
  writeFileSync(file, config(2));
  await watch!.reload();
  expect(seen).toEqual([]);
});

test('price files that change alone are taken up as a config is, also one that the config names since a reload', async () => {
  start(config(30));
  writeFileSync(join(folder, 'prices.yaml'), 'dearer');
  const dearer = await next();
  expect(days(dearer)).toBe(30);
  writeFileSync(join(folder, 'contract.yaml'), 'ours');
  replace('prices: { file: prices.yaml, contract: contract.yaml }\nretention: { requests_days: 31 }\n');
  const named = await next();
  expect(days(named)).toBe(31);
  writeFileSync(join(folder, 'contract.yaml'), 'ours, cheaper');
  const cheaper = await next();
  expect('settings' in cheaper && cheaper.settings.prices.contract).toBe(join(folder, 'contract.yaml'));
  const digests = [dearer, named, cheaper].map((event) => ('settings' in event ? event.settings.prices.digest : null));
  expect(new Set(digests).size).toBe(3);
});
