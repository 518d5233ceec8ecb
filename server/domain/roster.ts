// server/domain/roster.ts: who is in the house right now, for things that come and go with every call.

/** A member's place; hand it back to `leave`. */
export interface Seat<T> {
  readonly member: T;
  index: number;
}

/**
 * A set for members that stay for milliseconds. A `Set` that is added to and deleted from with every call leaves a chain of
 * old tables behind, through which the garbage collector keeps whole calls alive long after their end (measured: three times
 * the survivors of each young collection). This one is an array in which the last member takes the place of one that leaves.
 */
export class Roster<T> implements Iterable<T> {
  readonly #seats: Seat<T>[] = [];

  get size(): number {
    return this.#seats.length;
  }

  enter(member: T): Seat<T> {
    const seat = { member, index: this.#seats.length };
    this.#seats.push(seat);
    return seat;
  }

  /** The second and later calls for one seat do nothing. */
  leave(seat: Seat<T>): void {
    if (this.#seats[seat.index] !== seat) return;
    const last = this.#seats.pop() as Seat<T>;
    if (last === seat) return;
    this.#seats[seat.index] = last;
    last.index = seat.index;
  }

  /** As they are when asked; members may leave meanwhile. */
  *[Symbol.iterator](): Iterator<T> {
    for (const { member } of [...this.#seats]) yield member;
  }
}
