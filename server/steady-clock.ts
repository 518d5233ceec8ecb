// server/steady-clock.ts: the gateway's clock: the wall clock as long as it is sane, so that a step of it neither opens a closed period nor jumps into another year.

import { epochMs, type Clock, type EpochMs } from './domain/ids.ts';

/** What a change of the wall clock against the monotonic one is from: less than this is the ordinary work of a time daemon. */
const STEP_MS = 1_000;
/** A jump ahead of more than this is believed when it still stands a second later. */
const DOUBTFUL_MS = 86_400_000;
const LOOK_EVERY_MS = 1_000;
/** Of two looks that follow one another; timers are not exact. */
const APART_MS = 900;

/** Of the machine, in milliseconds. */
export interface Readings {
  wall(): number;
  monotonic(): number;
}

export interface ClockSteps {
  back: number;
  forward: number;
}

/**
 * Time that never runs backwards. The wall clock is followed, but
 * - where it steps back, time goes on from where it was; while it is ahead by a day at most it runs at half speed, until the two meet;
 * - a jump ahead of more than a day waits for a second look; a day or less, which is what a machine does that was asleep, is followed at once.
 */
export class SteadyClock implements Clock {
  readonly steps: ClockSteps = { back: 0, forward: 0 };
  readonly #read: Readings;
  readonly #onStep: (direction: keyof ClockSteps, ms: number) => void;
  /** What is added to the wall clock: above 0 after a step back, below 0 while a jump ahead is in doubt. */
  #ahead = 0;
  #last: number;
  /** When the two clocks were last compared. */
  #wall: number;
  #monotonic: number;
  /** Of the latest look, and of the jump that is in doubt; monotonic. */
  #lookedAt: number;
  #doubtSince = 0;
  readonly #timer: NodeJS.Timeout;

  /** @param onStep told of every step of the wall clock by a second or more, in milliseconds without a sign */
  constructor(onStep: (direction: keyof ClockSteps, ms: number) => void, read: Readings = { wall: () => Date.now(), monotonic: () => performance.now() }) {
    this.#read = read;
    this.#onStep = onStep;
    this.#wall = this.#last = read.wall();
    this.#monotonic = this.#lookedAt = read.monotonic();
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  now(): EpochMs {
    let at = this.#read.wall() + this.#ahead;
    // Between two looks time goes on by a second or so: anything else is a step, or a long pause, and is looked at before it is believed.
    if (at < this.#last || at - this.#last > 2 * LOOK_EVERY_MS) {
      this.#compare();
      at = this.#read.wall() + this.#ahead;
      if (at < this.#last) at = this.#last;
    }
    this.#last = at;
    return epochMs(at);
  }

  monotonic(): number {
    return this.#read.monotonic();
  }

  /** Compares the two clocks; once a second by itself. */
  look(): void {
    this.#compare();
    const sinceMs = this.#monotonic - this.#lookedAt;
    this.#lookedAt = this.#monotonic;
    if (this.#ahead < 0 && this.#monotonic - this.#doubtSince >= APART_MS) this.#ahead = 0;
    else if (this.#ahead > 0 && this.#ahead <= DOUBTFUL_MS) this.#ahead = Math.max(0, this.#ahead - Math.floor(sinceMs / 2));
    this.now();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #compare(): void {
    const wall = this.#read.wall();
    const monotonic = this.#read.monotonic();
    const jump = Math.round(wall - this.#wall - (monotonic - this.#monotonic));
    this.#wall = wall;
    this.#monotonic = monotonic;
    if (Math.abs(jump) < STEP_MS) return;
    const direction = jump < 0 ? 'back' : 'forward';
    this.steps[direction]++;
    if (jump > DOUBTFUL_MS) this.#doubtSince = monotonic;
    if (jump < 0 || jump > DOUBTFUL_MS) this.#ahead -= jump;
    // What it is ahead by from an earlier step back is made up for by this one.
    else if (this.#ahead > 0) this.#ahead = Math.max(0, this.#ahead - jump);
    this.#onStep(direction, Math.abs(jump));
  }
}
