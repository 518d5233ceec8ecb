// server/alert/key-signs.ts: from which networks and with which client software each key is used, as keyed hashes: what a stolen key changes.

import { createHmac } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import type { KeyMark } from '../domain/alert.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../domain/durations.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';

/** A key says nothing by what it changes before it has been in use for so long. */
const SETTLED_MS = 7 * DAY_MS;
const HABIT_MS = 28 * DAY_MS;
/** A key with more of a kind is at home everywhere: one more says nothing. */
const MOST_KNOWN = 8;
const MOST_KEPT = 32;
const MOST_KEYS = 1_000;
const MOST_AGENTS = 1_000;
const MOST_HASHED = 5_000;
/** Of a mark's last sighting, on disk. */
const WRITTEN_EVERY_MS = DAY_MS;
const MARK = 16;

/** What a request tells of where it comes from; Node's own fits. */
export interface Arrival {
  readonly socket: { readonly remoteAddress?: string | undefined };
  readonly headers: { readonly 'user-agent'?: string | undefined };
}

/** What is new of a key in the past hour. */
export interface KeyNews {
  readonly networks: number;
  /** Clients by name, where this process saw them; of the others only their number is known. */
  readonly clients: readonly string[];
  readonly clientCount: number;
}

interface Kept {
  readonly kind: KeyMark['kind'];
  readonly firstAt: EpochMs;
  lastAt: EpochMs;
  /** As it is on disk; 0: it is not. */
  writtenAt: number;
  /** In memory only: the name of the client. */
  readonly name: string | null;
}

export class KeySigns {
  private readonly secret: string;
  private readonly keys = new Map<string, Map<string, Kept>>();
  /** What a connection said last, so that the calls of one are looked at once a minute. */
  private readonly lately = new WeakMap<object, { readonly key: string; readonly agent: string | undefined; readonly at: number }>();
  private readonly families = new Map<string, string>();
  /** Not hashed anew for every connection. */
  private readonly hashed = new Map<string, string>();

  /** @param secret the installation's own: without it nobody can try networks against a mark */
  constructor(secret: string) {
    this.secret = secret;
  }

  restore(marks: readonly KeyMark[]): void {
    for (const { key, kind, mark, firstAt, lastAt } of marks) this.of(key)?.set(mark, { kind, firstAt, lastAt, writtenAt: lastAt, name: null });
  }

  /** A key was used. Quick: it runs before the call goes on. */
  note(key: string, { socket, headers }: Arrival, at: EpochMs): void {
    const agent = headers['user-agent'];
    const last = this.lately.get(socket);
    if (last !== undefined && last.key === key && last.agent === agent && Math.abs(at - last.at) < MINUTE_MS) return;
    this.lately.set(socket, { key, agent, at });
    const network = networkOf(socket.remoteAddress ?? '');
    if (network !== null) this.see(key, 'network', network, at, null);
    const family = this.familyOf(agent);
    if (family !== null) this.see(key, 'client', family, at, family);
  }

  /** What keys did in the past hour that they never did before, of those that have habits. */
  newsAt(now: EpochMs): Map<string, KeyNews> {
    const news = new Map<string, KeyNews>();
    for (const [key, marks] of this.keys) {
      const networks = newcomers(marks, 'network', now);
      const clients = newcomers(marks, 'client', now);
      if (networks.length + clients.length === 0) continue;
      news.set(key, { networks: networks.length, clients: clients.flatMap(({ name }) => (name === null ? [] : [name])), clientCount: clients.length });
    }
    return news;
  }

  /** What has to be written since the last call. */
  takeChanges(): KeyMark[] {
    const changes: KeyMark[] = [];
    for (const [key, marks] of this.keys) {
      for (const [mark, kept] of marks) {
        if (kept.writtenAt !== 0 && kept.lastAt - kept.writtenAt < WRITTEN_EVERY_MS) continue;
        kept.writtenAt = kept.lastAt;
        changes.push({ key, kind: kept.kind, mark, firstAt: kept.firstAt, lastAt: kept.lastAt });
      }
    }
    return changes;
  }

  /** They could not be written. */
  giveBack(marks: readonly KeyMark[]): void {
    for (const { key, mark } of marks) {
      const kept = this.keys.get(key)?.get(mark);
      if (kept !== undefined) kept.writtenAt = 0;
    }
  }

  private see(key: string, kind: KeyMark['kind'], what: string, at: EpochMs, name: string | null): void {
    const marks = this.of(key);
    if (marks === null) return;
    const mark = this.markOf(`${kind}\n${key}\n${what}`);
    const kept = marks.get(mark);
    if (kept !== undefined) {
      kept.lastAt = epochMs(Math.max(kept.lastAt, at));
      return;
    }
    const alike = [...marks].filter(([, other]) => other.kind === kind);
    if (alike.length >= MOST_KEPT) marks.delete(alike.reduce((oldest, other) => (other[1].lastAt < oldest[1].lastAt ? other : oldest))[0]);
    marks.set(mark, { kind, firstAt: at, lastAt: at, writtenAt: 0, name });
  }

  /** With the key in it: that two keys share a network cannot be told from their marks. */
  private markOf(text: string): string {
    let mark = this.hashed.get(text);
    if (mark === undefined) {
      if (this.hashed.size >= MOST_HASHED) this.hashed.clear();
      this.hashed.set(text, (mark = createHmac('sha256', this.secret).update(text).digest('base64url').slice(0, MARK)));
    }
    return mark;
  }

  private of(key: string): Map<string, Kept> | null {
    let marks = this.keys.get(key);
    if (marks !== undefined) return marks;
    if (this.keys.size >= MOST_KEYS) return null;
    this.keys.set(key, (marks = new Map()));
    return marks;
  }

  private familyOf(agent: string | undefined): string | null {
    if (agent === undefined) return null;
    let family = this.families.get(agent);
    if (family === undefined) {
      if (this.families.size >= MOST_AGENTS) this.families.clear();
      this.families.set(agent, (family = clientFamily(agent)));
    }
    return family === '' ? null : family;
  }
}

/** Marks of one kind that came up in the past hour, of a key that has been in use for long and in few places; none of others. */
function newcomers(marks: ReadonlyMap<string, Kept>, kind: KeyMark['kind'], now: EpochMs): Kept[] {
  const own = [...marks.values()].filter((kept) => kept.kind === kind);
  const known = own.filter(({ firstAt, lastAt }) => firstAt <= now - HOUR_MS && lastAt > now - HABIT_MS);
  const settled = own.some(({ firstAt }) => firstAt <= now - SETTLED_MS) && known.length > 0 && known.length <= MOST_KNOWN;
  return settled ? own.filter(({ firstAt }) => firstAt > now - HOUR_MS && firstAt <= now) : [];
}

/** What providers hand out as one: the first 24 bits of an IPv4 address, 48 of an IPv6 one. Null: no address. */
export function networkOf(address: string): string | null {
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  if (isIPv4(plain)) return plain.slice(0, plain.lastIndexOf('.'));
  const [bare = ''] = plain.split('%');
  if (!isIPv6(bare)) return null;
  const [head = '', tail] = bare.toLowerCase().split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? front : [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back];
  return groups.slice(0, 3).map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}

/** A `user-agent` up to its first version: `Anthropic/JS 0.71.2` is `Anthropic/JS`, `curl/8.5.0` is `curl`. */
export const clientFamily = (agent: string): string => /^[A-Za-z][A-Za-z._-]*(?:\/[A-Za-z][A-Za-z._-]*)?/.exec(agent)?.[0].slice(0, 60) ?? '';
