// server/http/data/overload.ts: what the gateway gives up first when there is too much of everything: idle connections, then new calls, then new connections.

import { readdirSync, readFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { OVERLOAD_RUNGS, type OverloadRung } from '../../domain/observer.ts';

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
  /** The least delay of the event loop during the last second. */
  readonly loopLagMs: number;
  /** 0 to 1; of file descriptors or of the heap, whichever is nearer its end. */
  readonly exhaustion: number;
}

const CLOSE_ABOVE = 0.8;
const JOURNAL_FULL = 0.8;
const LAG_MS = 200;

/** The reason to refuse a new call; null when there is none. Pure. */
export function refuseFor(load: Load): Exclude<OverloadRung, 'close' | 'accept'> | null {
  if (load.inFlight >= load.maxInFlight) return 'in_flight';
  if (load.heldBodyBytes >= load.maxHeldBodyBytes) return 'held_bodies';
  if (load.journal >= load.maxJournal * JOURNAL_FULL) return 'journal';
  return load.loopLagMs > LAG_MS ? 'loop_lag' : null;
}

/** Whether connections are let go after their answer, so that clients spread over other replicas and idle ones make room. Pure. */
export const closesAfter = (load: Load): boolean =>
  load.inFlight > load.maxInFlight * CLOSE_ABOVE || load.heldBodyBytes > load.maxHeldBodyBytes * CLOSE_ABOVE || load.connections > load.maxConnections * CLOSE_ABOVE;

/** Whether new connections are turned away before a byte of them is read. Pure. */
export const refusesConnections = (load: Load): boolean => load.connections >= load.maxConnections || load.exhaustion >= 1;

const SAMPLE_MS = 250;
const SAMPLES = 4;
const HEAP_FULL = 0.9;
const DESCRIPTORS_FULL = 0.95;

/** Measures what nobody tells: the delay of the event loop, the heap, and the file descriptors. */
export class Strain {
  /** A loop that was busy for four samples in a row was busy for a second. */
  readonly #lags = [0, 0, 0, 0];
  #at = 0;
  #last: number;
  #exhaustion = 0;
  readonly #timer: NodeJS.Timeout;
  readonly #monotonic: () => number;
  readonly #mostDescriptors = descriptorLimit();

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#last = monotonic();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    this.#timer.unref();
  }

  get loopLagMs(): number {
    return Math.min(...this.#lags);
  }

  get exhaustion(): number {
    return this.#exhaustion;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const now = this.#monotonic();
    this.#lags[this.#at % SAMPLES] = Math.max(0, now - this.#last - SAMPLE_MS);
    this.#last = now;
    this.#at++;
    if (this.#at % SAMPLES !== 0) return;
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
  } catch {
    // As above.
    return 0;
  }
}

export const noOverloads = (): Record<OverloadRung, number> => Object.fromEntries(OVERLOAD_RUNGS.map((rung) => [rung, 0])) as Record<OverloadRung, number>;
