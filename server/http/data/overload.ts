// server/http/data/overload.ts: what the gateway gives up first when there is too much of everything: idle connections, then new calls, then new connections.

import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { getHeapStatistics } from 'node:v8';
import { OVERLOAD_RUNGS, type OverloadRung } from '../../domain/observer.ts';
import type { Refusal } from '../../domain/refusal.ts';

/** How much there is of what can run out. */
export interface Load {
  readonly inFlight: number;
  readonly maxInFlight: number;
  readonly heldBodyBytes: number;
  readonly maxHeldBodyBytes: number;
  readonly connections: number;
  readonly maxConnections: number;
  /** Changes that wait for the ledger, and how many may. */
  readonly journal: number;
  readonly maxJournal: number;
  /** How many calls may be in flight with the event loop as late as it is; without bounds while it is in time. */
  readonly room: number;
  /** 0 to 1; of file descriptors or of the heap, whichever is nearer its end. */
  readonly exhaustion: number;
}

const CLOSE_ABOVE = 0.8;
const JOURNAL_FULL = 0.8;

/** Rungs on which a call is refused. */
type RefusingRung = Exclude<OverloadRung, 'close' | 'accept'>;

const TOO_MUCH = {
  in_flight: 'The gateway serves as many calls at once as `max_in_flight` allows.',
  held_bodies: 'The gateway holds as many bytes of request bodies as `body.held` allows.',
  journal: 'The ledger is behind with its writing.',
  loop_lag: 'The gateway has more to do than it can.',
} as const satisfies Record<RefusingRung, string>;

export const overloaded = (rung: RefusingRung): Refusal => ({ reason: 'overloaded', message: `${TOO_MUCH[rung]} Try again in a second.`, rule: null, retryAfterSeconds: 1 });

/** The reason to refuse a new call; null when there is none. Pure. */
export function refuseFor(load: Load): RefusingRung | null {
  if (load.inFlight >= load.maxInFlight) return 'in_flight';
  if (load.heldBodyBytes >= load.maxHeldBodyBytes) return 'held_bodies';
  if (load.journal >= load.maxJournal * JOURNAL_FULL) return 'journal';
  return load.inFlight >= load.room ? 'loop_lag' : null;
}

/**
 * Whether connections are let go after their answer, so that clients spread over other replicas and idle ones make room. A refused
 * client comes back, and a connection costs several refusals: it keeps its own unless connections are what is short. Pure.
 */
export const closesAfter = (load: Load, refuses: boolean): boolean =>
  load.connections > load.maxConnections * CLOSE_ABOVE || (!refuses && (load.inFlight > load.maxInFlight * CLOSE_ABOVE || load.heldBodyBytes > load.maxHeldBodyBytes * CLOSE_ABOVE));

/** Whether new connections are turned away before a byte of them is read. Pure. */
export const refusesConnections = (load: Load): boolean => load.connections >= load.maxConnections || load.exhaustion >= 1;

/** A loop that comes round this much later than it should, by its mean, has more to do than it can: what comes now waits in line for all that came before. */
const LATE_MS = 50;
/** For how long it has been so before calls are refused: a burst is no overload. */
const LATE_FOR_MS = 1_000;
/** What is given up at each look while the loop is late, and tried again while it is not. */
const LESS = 0.9;
const MORE = 1.05;
/** Never fewer than this share of the most calls in flight: where refusals alone keep the loop late, some calls are still served. */
const LEAST = 0.1;

/** The loop as last looked at; `lateForMs` is how long it has been late without a break. */
export interface Lateness {
  readonly room: number;
  readonly lateForMs: number;
}

/** How many calls may be in flight after a look at the loop. Pure. @param meanLagMs of all rounds in the last `ms` */
export function roomAfter(before: Lateness, { meanLagMs, ms, inFlight, maxInFlight }: { meanLagMs: number; ms: number; inFlight: number; maxInFlight: number }): Lateness {
  const late = meanLagMs > LATE_MS;
  const lateForMs = late ? before.lateForMs + ms : 0;
  if (late && lateForMs >= LATE_FOR_MS) return { room: Math.max(maxInFlight * LEAST, Math.min(before.room, inFlight) * LESS), lateForMs };
  // Not late for long enough to take anything, but no reason to give more.
  if (late || before.room === Infinity) return { room: before.room, lateForMs };
  const room = before.room * MORE + 1;
  return { room: room >= maxInFlight ? Infinity : room, lateForMs };
}

const TICK_MS = 25;
const LOOK_MS = 250;
const RESOURCES_MS = 1_000;
const HEAP_FULL = 0.9;
const DESCRIPTORS_FULL = 0.95;

/** Measures what nobody tells: how late the event loop is, the heap, and the file descriptors. */
export class Strain {
  #ticks = 0;
  #lookedAt: number;
  #countedAt: number;
  #lateness: Lateness = { room: Infinity, lateForMs: 0 };
  #exhaustion = 0;
  readonly #timer: NodeJS.Timeout;
  readonly #monotonic: () => number;
  readonly #calls: () => { inFlight: number; maxInFlight: number };
  readonly #mostDescriptors = descriptorLimit();

  constructor(monotonic: () => number, calls: () => { inFlight: number; maxInFlight: number }) {
    this.#monotonic = monotonic;
    this.#calls = calls;
    this.#lookedAt = this.#countedAt = monotonic();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  get room(): number {
    return this.#lateness.room;
  }

  get exhaustion(): number {
    return this.#exhaustion;
  }

  /**
   * Whether a new connection has one of the last descriptors, which the provider's connections and the ledger need. The system gives out
   * the lowest that is free, so its number tells how many are taken, at once: a crowd can fill the table between two looks, and from then
   * on the system turns connections away itself, which nobody hears of.
   */
  takesOfTheLast(socket: Socket): boolean {
    // Node does not document where it is. Where it is not, there are the looks.
    const { fd = -1 } = (socket as Socket & { _handle?: { fd?: number } | null })._handle ?? {};
    return fd >= this.#mostDescriptors * DESCRIPTORS_FULL;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.#ticks++;
    const now = this.#monotonic();
    const ms = now - this.#lookedAt;
    if (ms < LOOK_MS) return;
    this.#lateness = roomAfter(this.#lateness, { meanLagMs: ms / this.#ticks - TICK_MS, ms, ...this.#calls() });
    this.#ticks = 0;
    this.#lookedAt = now;
    if (now - this.#countedAt < RESOURCES_MS) return;
    this.#countedAt = now;
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    this.#exhaustion = Math.max(used / (limit * HEAP_FULL), openDescriptors() / (this.#mostDescriptors * DESCRIPTORS_FULL));
  }
}

/** Of this process; without bounds where the system does not say. */
function descriptorLimit(): number {
  try {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity);
  } catch {
    // Not Linux: the connection limits are what is left.
    return Infinity;
  }
}

function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch (error) {
    // Where there is none left to look with, all are taken. Else as above.
    return (error as NodeJS.ErrnoException).code === 'EMFILE' ? Infinity : 0;
  }
}

export const noOverloads = (): Record<OverloadRung, number> => Object.fromEntries(OVERLOAD_RUNGS.map((rung) => [rung, 0])) as Record<OverloadRung, number>;
