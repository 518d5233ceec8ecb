// test/observe/later.test.ts: ended calls are told a little later, each once and in order; all else at once.

import { expect, test } from 'vitest';
import type { WorkspaceId } from '../../server/domain/ids.ts';
import type { Observer } from '../../server/domain/observer.ts';
import { tellLater } from '../../server/observe/later.ts';
import { openEntry, refusedEntry, settlement } from '../store/samples.ts';

const entry = (id: string): Parameters<Observer['settled']>[0] => ({ opened: openEntry(id), settlement: settlement(id) });

/** Notes what it is told, and resolves `heard` at the next ended call. */
function listener(): { observer: Observer; told: string[]; heard: Promise<void> } {
  const told: string[] = [];
  let resolve = (): void => undefined;
  const heard = new Promise<void>((done) => (resolve = done));
  const observer: Observer = {
    started: (workspace) => void told.push(`started ${workspace}`),
    settled({ opened }) {
      told.push(`settled ${opened.id}`);
      resolve();
    },
    refused: ({ id }) => void told.push(`refused ${id}`),
    turnedAway: (reason) => void told.push(`turned away ${reason}`),
    lost: (record) => void told.push(`lost ${record}`),
    queued: (workspace, result) => void told.push(`queued ${workspace} ${result}`),
  };
  return { observer, told, heard };
}

test('what else happens is told at once, before calls that ended earlier', () => {
  const { observer, told } = listener();
  const later = tellLater(observer);
  later.settled(entry('a'));
  later.started('support' as WorkspaceId, 'messages');
  later.refused(refusedEntry('b'));
  later.turnedAway('unknown_path', null);
  later.lost?.('settlement');
  later.queued?.('support' as WorkspaceId, 'passed', 5);
  expect(told).toEqual(['started support', 'refused b', 'turned away unknown_path', 'lost settlement', 'queued support passed']);
  later.flush();
  expect(told.at(-1)).toBe('settled a');
});

test('whoever reads what observers count has it complete: each call once, in order', () => {
  const { observer, told } = listener();
  const later = tellLater(observer);
  for (const id of ['a', 'b', 'c']) later.settled(entry(id));
  later.flush();
  later.flush();
  later.settled(entry('d'));
  later.flush();
  expect(told).toEqual(['settled a', 'settled b', 'settled c', 'settled d']);
});

test('without anybody reading, they are told after a moment', async () => {
  const { observer, told, heard } = listener();
  tellLater(observer).settled(entry('a'));
  expect(told).toEqual([]);
  await heard;
  expect(told).toEqual(['settled a']);
});

test('a crowd is told without waiting, so that it never grows', () => {
  const { observer, told } = listener();
  const later = tellLater(observer);
  for (let i = 0; i < 1_000; i++) later.settled(entry(String(i)));
  expect(told.length).toBeGreaterThan(900);
  later.flush();
  expect(told).toEqual(Array.from({ length: 1_000 }, (_, i) => `settled ${i}`));
});
