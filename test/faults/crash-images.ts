// test/faults/crash-images.ts: what would be on the disk of a gateway if the power went at a moment: made from a trace of its system calls.

import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** What strace has to write down, and how. */
export const CRASH_TRACE = ['-ttt', '-xx', '-s', '100000', '-e', 'trace=pwrite64,fsync,fdatasync,ftruncate,write,writev,sendto,sendmsg'];

/** Files by path, as they are at the beginning of the trace, all of it on the disk. */
export type Files = ReadonlyMap<string, Buffer>;

export interface Moment {
  /** Seconds since the epoch. */
  readonly at: number;
  /** Bytes that the process handed to a socket or a pipe. */
  readonly sent: Buffer;
  /** What is on the disk for certain. */
  synced(): Map<string, Buffer>;
  /** The same with some of what was written since the last sync; every second write whole, every third one half. */
  torn(): Map<string, Buffer>;
}

/** Descriptors of a process that stand for these files. */
export function descriptorsOf(pid: number, paths: readonly string[]): Map<number, string> {
  const found = new Map<number, string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const path = readlinkSync(`/proc/${pid}/fd/${fd}`);
      if (paths.includes(path)) found.set(Number(fd), path);
    } catch {
      // Closed meanwhile: not one of a ledger.
    }
  }
  return found;
}

interface Write {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Tells every moment at which the process sent something, in order. */
export function* momentsIn(traceFile: string, descriptors: ReadonlyMap<number, string>, before: Files): Generator<Moment> {
  const disk = new Map<string, Buffer>([...before].map(([path, bytes]) => [path, Buffer.from(bytes)]));
  const unsynced = new Map<string, Write[]>([...before.keys()].map((path) => [path, []]));
  const syncing = new Map<string, number>();
  const sync = (fd: number): void => {
    const path = descriptors.get(fd);
    if (path === undefined) return;
    for (const write of unsynced.get(path)!.splice(0)) disk.set(path, written(disk.get(path)!, write));
  };
  for (const line of readFileSync(traceFile, 'latin1').split('\n')) {
    const resumed = /^(\d+) +[\d.]+ <\.\.\. f(?:data)?sync resumed>.*= 0/.exec(line);
    if (resumed) {
      sync(syncing.get(resumed[1]!)!);
      continue;
    }
    const call = /^(\d+) +([\d.]+) (\w+)\((\d+)(.*)$/.exec(line);
    if (call === null) continue;
    const [, thread, at, name, descriptor, rest] = call as unknown as [string, string, string, string, string, string];
    const fd = Number(descriptor);
    const path = descriptors.get(fd);
    if (name === 'fsync' || name === 'fdatasync') {
      // One that has not come back has promised nothing; its thread writes nothing meanwhile.
      if (rest.includes('unfinished')) syncing.set(thread, fd);
      else if (rest.endsWith('= 0')) sync(fd);
    } else if (name === 'pwrite64') {
      const offset = /", \d+, (\d+)/.exec(rest);
      if (path !== undefined && offset) unsynced.get(path)!.push({ offset: Number(offset[1]), bytes: bytesIn(rest) });
    } else if (name !== 'ftruncate' && path === undefined) {
      yield {
        at: Number(at),
        sent: bytesIn(rest),
        synced: () => new Map(disk),
        torn: () => new Map([...disk].map(([file, bytes]) => [file, tornOf(bytes, unsynced.get(file)!)])),
      };
    }
  }
}

const bytesIn = (text: string): Buffer => Buffer.from([...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((match) => match[1]!.replaceAll('\\x', '')).join(''), 'hex');

function written(file: Buffer, { offset, bytes }: Write): Buffer {
  const out = offset + bytes.length > file.length ? Buffer.concat([file, Buffer.alloc(offset + bytes.length - file.length)]) : Buffer.from(file);
  bytes.copy(out, offset);
  return out;
}

const tornOf = (file: Buffer, writes: readonly Write[]): Buffer =>
  writes.reduce((bytes, write, at) => (at % 2 === 0 ? written(bytes, write) : at % 3 === 0 ? written(bytes, { offset: write.offset, bytes: write.bytes.subarray(0, write.bytes.length / 2) }) : bytes), file);
