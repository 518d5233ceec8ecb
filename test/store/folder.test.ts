// test/store/folder.test.ts: the folder of a ledger is made, or it is said why not.

import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeFolder } from '../../server/store/sqlite/folder.ts';

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'tollgate-folder-'));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

test('folders are made down to the last, for their owner alone; one that is there is left as it is', () => {
  const folder = join(place, 'var', 'lib', 'tollgate');
  makeFolder(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  makeFolder(folder);
  expect(existsSync(folder)).toBe(true);
});

test('a file in its place is named', () => {
  const file = join(place, 'data');
  writeFileSync(file, '');
  expect(() => makeFolder(file)).toThrow(`${file} is no folder, and so cannot hold the ledger.`);
});

test('below a file there is no folder', () => {
  const file = join(place, 'data');
  writeFileSync(file, '');
  expect(() => makeFolder(join(file, 'ledger'))).toThrow(/ENOTDIR/);
});

test.runIf(existsSync('/proc/self'))('a place that takes no folders is an error, and no endless attempt', () => {
  expect(() => makeFolder('/proc/tollgate/data')).toThrow(/ENOENT/);
});
