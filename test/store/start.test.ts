// test/store/start.test.ts: a ledger that must not be opened is refused with a sentence, and left as it was.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { harmRows } from './harm.ts';
import { logbook, openEntry, settlement } from './samples.ts';
import { scratch, type Scratch } from './scratch.ts';

const opener = fileURLToPath(new URL('./opener.mjs', import.meta.url));
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

let place: Scratch;
beforeEach(() => {
  place = scratch();
});
afterEach(() => place.remove());

async function aLedger(calls = 50): Promise<void> {
  const { ledger } = await place.open();
  await Promise.all(Array.from({ length: calls }, (_, i) => ledger.open(openEntry(`req_${i}`)).then(() => ledger.settle(settlement(`req_${i}`)))));
  await ledger.close();
}

const damage = {
  'a page in its middle overwritten': (file: string) => {
    const bytes = readFileSync(file);
    // The root page of the largest table: every row hangs from it.
    const db = new Database(file, { readonly: true });
    const { rootpage } = db.prepare<[], { rootpage: number }>("SELECT rootpage FROM sqlite_schema WHERE name = 'call'").get() as { rootpage: number };
    db.close();
    bytes.fill(0xa5, (rootpage - 1) * 4096, rootpage * 4096);
    writeFileSync(file, bytes);
  },
  'its end cut off': (file: string) => truncateSync(file, 4096 * 5),
  'nothing in it': (file: string) => truncateSync(file, 0),
  'text instead of a database': (file: string) => writeFileSync(file, 'requests: many\n'.repeat(100)),
  'a table of ours gone': (file: string) => void new Database(file).exec('DROP TABLE rollup').close(),
};

test.each(Object.entries(damage))('a ledger with %s is refused as damaged, unchanged, and not replaced', async (_, harm) => {
  await aLedger();
  harm(place.file);
  const before = sha256(place.file);
  await expect(place.open()).rejects.toMatchObject({ name: 'LedgerRefused', code: 'corrupt', message: expect.stringMatching(/damaged.*backup/s) });
  expect(sha256(place.file)).toBe(before);
});

test('a ledger too large to be checked before it serves is checked beside the calls; what is found stops it, and the next start looks at all of it', async () => {
  await aLedger(200);
  const good = readFileSync(place.file);
  const log = logbook();
  const whole = await place.open({ wholeBytes: 0, log });
  await expect.poll(() => log.lines.map(({ event }) => event)).toContain('ledger_checked');
  await whole.ledger.close();
  expect(existsSync(`${place.file}.damaged`)).toBe(false);

  harmRows(place.file);
  const damaged = readFileSync(place.file);
  let trouble: string | null = null;
  const hurt = await place.open({ wholeBytes: 0, onDamage: (what) => (trouble = what) });
  await expect.poll(() => trouble).toMatch(/is damaged.*backup/s);
  await hurt.ledger.close();
  // However large it is, and whoever starts it.
  await expect(place.open({ wholeBytes: 0 })).rejects.toMatchObject({ name: 'LedgerRefused', code: 'corrupt' });
  expect(damaged.length).toBe(readFileSync(place.file).length);

  writeFileSync(place.file, good);
  const mended = await place.open({ wholeBytes: 0 });
  expect(existsSync(`${place.file}.damaged`)).toBe(false);
  await mended.ledger.close();
});

test('a ledger whose file went missing while its write-ahead log stayed is not replaced by a fresh one', async () => {
  await aLedger();
  writeFileSync(`${place.file}-wal`, 'frames');
  unlinkSync(place.file);
  await expect(place.open()).rejects.toMatchObject({ code: 'corrupt' });
  expect(existsSync(place.file)).toBe(false);
});

test.each([
  { name: "another program's database", make: (db: Database.Database) => void db.exec('CREATE TABLE notes (text TEXT); PRAGMA application_id = 7') },
  { name: 'a database that names no program', make: (db: Database.Database) => void db.exec('CREATE TABLE notes (text TEXT)') },
])('$name is refused as foreign, unchanged', async ({ make }) => {
  const db = new Database(place.file);
  make(db);
  db.close();
  const before = sha256(place.file);
  await expect(place.open()).rejects.toMatchObject({ code: 'foreign', message: expect.stringContaining(place.file) });
  expect(sha256(place.file)).toBe(before);
});

test('a ledger with a table that is not ours is refused as foreign', async () => {
  await aLedger();
  new Database(place.file).exec('CREATE TABLE notes (text TEXT)').close();
  await expect(place.open()).rejects.toMatchObject({ code: 'foreign', message: expect.stringContaining('notes') });
});

test('a ledger that a newer version wrote is refused, unchanged', async () => {
  await aLedger();
  new Database(place.file).exec('PRAGMA user_version = 999').close();
  const before = sha256(place.file);
  await expect(place.open()).rejects.toMatchObject({ code: 'newer', message: expect.stringContaining('999') });
  expect(sha256(place.file)).toBe(before);
});

test('a ledger that this user cannot write is refused, unchanged', async () => {
  await aLedger();
  const before = sha256(place.file);
  for (const name of readdirSync(place.dir)) chmodSync(`${place.dir}/${name}`, 0o444);
  chmodSync(place.dir, 0o555);
  // Root may write everything, so the ledger is opened by a process that is somebody else.
  const somebody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const { stdout } = spawnSync(process.execPath, [opener, place.file], { ...somebody, encoding: 'utf8' });
  expect(JSON.parse(stdout)).toMatchObject({ code: 'read_only' });
  chmodSync(place.dir, 0o755);
  expect(sha256(place.file)).toBe(before);
});

test('a ledger that this process holds is refused to a second opener, who is told by whom', async () => {
  const { ledger } = await place.open();
  await expect(place.open()).rejects.toMatchObject({ code: 'held', message: expect.stringContaining(`process ${process.pid}`) });
  await ledger.open(openEntry('req_1'));
  await ledger.close();
  const next = await place.open();
  await next.ledger.close();
});

test('a ledger that another process holds is refused while it lives, and free at once when it is killed', async () => {
  const holder = spawn(process.execPath, [opener, place.file, 'stay'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(holder.stdout, 'data')) as [Buffer];
  expect(line.toString()).toContain('open');
  await expect(place.open()).rejects.toMatchObject({ code: 'held', message: expect.stringContaining(`process ${holder.pid}`) });
  const gone = once(holder, 'exit');
  holder.kill('SIGKILL');
  await gone;
  const { ledger } = await place.open();
  await ledger.close();
});

test('the files of a ledger are for its owner alone', async () => {
  await aLedger();
  expect(statSync(place.file).mode & 0o077).toBe(0);
});

test('a start that was killed while it made the ledger does not stand in the way of the next', async () => {
  writeFileSync(`${place.file}.new`, 'half a ledger');
  await aLedger(1);
  expect(place.read('SELECT count(*) AS n FROM call')).toEqual([{ n: 1 }]);
});

test('what is in a ledger survives an older start that died before its log was folded in', async () => {
  const { ledger } = await place.open();
  await ledger.open(openEntry('req_1'));
  const crash = place.crashed();
  await ledger.close();
  expect(statSync(`${crash.file}-wal`).size).toBeGreaterThan(0);
  const { ledger: again, recovery } = await crash.open();
  expect(recovery.crashed).toBe(1);
  await again.close();
});
