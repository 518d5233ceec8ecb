// test/house/imports.test.ts: imports run downward only, and rooms of one level never import each other.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** From the bottom up. What stands in one line may import what stands in the lines below it, and its own room. */
const LEVELS: readonly (readonly string[])[] = [
  ['server/domain'],
  ['server/identify', 'server/price', 'server/admit', 'server/forward', 'server/meter', 'server/store', 'server/observe', 'server/settings', 'server/batch', 'server/alert', 'server/bill', 'server/reconcile'],
  ['server/served.ts'],
  ['server/forwarding.ts', 'server/planning.ts'],
  ['server/ending.ts'],
  ['server/turn.ts'],
  ['server/pipeline.ts', 'server/reckoning.ts', 'server/steady-clock.ts', 'server/config-notes.ts', 'server/config-warnings.ts', 'server/package-version.ts', 'server/advise'],
  ['server/http/data', 'server/http/admin'],
  ['server/compose.ts'],
  ['server/main.ts'],
  ['server/cli'],
];

/** A port turns what it is handed into calls on the rooms, so the data port may parse tags and the admin port explain a price. */
const levelOf = (file: string): { level: number; room: string } | null => {
  for (const [level, rooms] of LEVELS.entries()) {
    const room = rooms.find((r) => file === r || file.startsWith(`${r}/`));
    if (room) return { level, room };
  }
  return null;
};

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? sources(join(folder, entry.name)) : entry.name.endsWith('.ts') ? [join(folder, entry.name)] : []));
}

const importsOf = (file: string): string[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/^(?:import|export)[^'"]*? from '(\.[^']+)'/gms)].map(([, path]) => relative(root, join(root, dirname(file), path!)));

const files = sources('server');

test('every file of the server stands in a room', () => {
  expect(files.length).toBeGreaterThan(20);
  expect(files.filter((file) => levelOf(file) === null)).toEqual([]);
});

test('no import goes upward or sideways', () => {
  const wrong = files.flatMap((file) => {
    const from = levelOf(file);
    return importsOf(file).flatMap((target) => {
      const to = levelOf(target);
      if (from === null || to === null || to.room === from.room || to.level < from.level) return [];
      return [`${file} imports ${target}`];
    });
  });
  expect(wrong).toEqual([]);
});

test('the domain imports no library but what time zones and digests need', () => {
  const libraries = files.filter((f) => f.startsWith('server/domain/')).flatMap((file) => [...readFileSync(join(root, file), 'utf8').matchAll(/from '([^.'][^']*)'/g)].map(([, name]) => `${file} ${name}`));
  expect(libraries.sort()).toEqual(['server/domain/calendar.ts luxon', 'server/domain/directory.ts node:crypto', 'server/domain/forecast.ts luxon']);
});
