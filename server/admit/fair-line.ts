// server/admit/fair-line.ts: a line of waiting calls in which every workspace gets its turn, whatever others have lined up.

/** One place in the line; hand it back to `leave`. */
export interface Place<T> {
  readonly member: T;
  /** Who it is fair to: a workspace. */
  readonly flow: string;
  /** What a turn takes of what is shared out, as a part of it. */
  readonly cost: number;
  /** Places are numbered as they are taken. */
  readonly number: number;
}

interface Flow<T> {
  readonly places: Set<Place<T>>;
  /** What the flow will have had when its next turn comes, on the line's own scale. */
  start: number;
}

/**
 * Start-time fair queueing (Goyal, Vin, Cheng 1996): first come, first served within a flow; between flows, the one that has had least
 * goes first. Two flows that both wait never get further apart than the dearest turn of each, so a long line of one keeps no other
 * waiting, and one turn that takes much is followed by many small ones of others.
 */
export class FairLine<T> {
  readonly #flows = new Map<string, Flow<T>>();
  /** What flows that were served last have had: one that joins begins here, so that nobody saves up turns. */
  #virtual = 0;
  #size = 0;
  #taken = 0;

  get size(): number {
    return this.#size;
  }

  enter(flow: string, member: T, cost: number): Place<T> {
    let own = this.#flows.get(flow);
    if (own === undefined) this.#flows.set(flow, (own = { places: new Set(), start: this.#virtual }));
    else if (own.places.size === 0) own.start = Math.max(own.start, this.#virtual);
    const place: Place<T> = { member, flow, cost, number: this.#taken++ };
    own.places.add(place);
    this.#size++;
    return place;
  }

  /** Whose turn it is; null when nobody waits. */
  first(): Place<T> | null {
    let first: Place<T> | null = null;
    let least = Infinity;
    for (const { places, start } of this.#flows.values()) {
      const head = headOf(places);
      if (head === null || start > least || (start === least && first !== null && head.number > first.number)) continue;
      first = head;
      least = start;
    }
    return first;
  }

  /** The first one has its turn, and its flow pays for it. */
  serve(place: Place<T>): void {
    const own = this.#flows.get(place.flow);
    if (own === undefined || !own.places.delete(place)) return;
    this.#size--;
    this.#virtual = own.start;
    own.start += place.cost;
    for (const [name, { places, start }] of this.#flows) if (places.size === 0 && (this.#size === 0 || start <= this.#virtual)) this.#flows.delete(name);
    if (this.#size === 0) this.#virtual = 0;
  }

  /** Gives a place up without a turn. False when it was not in the line any more. */
  leave(place: Place<T>): boolean {
    const own = this.#flows.get(place.flow);
    if (own === undefined || !own.places.delete(place)) return false;
    this.#size--;
    if (own.places.size === 0 && own.start <= this.#virtual) this.#flows.delete(place.flow);
    return true;
  }

  /** The one that waits longest; null when nobody does. */
  oldest(): Place<T> | null {
    let oldest: Place<T> | null = null;
    for (const { places } of this.#flows.values()) {
      const head = headOf(places);
      if (head !== null && (oldest === null || head.number < oldest.number)) oldest = head;
    }
    return oldest;
  }

  /** The one of a flow that came last; null when none waits. */
  newest(flow: string): Place<T> | null {
    let newest: Place<T> | null = null;
    for (const place of this.#flows.get(flow)?.places ?? []) newest = place;
    return newest;
  }

  /** How many wait, by flow; none at zero. */
  sizes(): (readonly [flow: string, waiting: number])[] {
    return [...this.#flows].flatMap(([name, { places }]) => (places.size === 0 ? [] : [[name, places.size] as const]));
  }

  /** As they are when asked; members may leave meanwhile. */
  *[Symbol.iterator](): Iterator<Place<T>> {
    for (const { places } of [...this.#flows.values()]) for (const place of [...places]) yield place;
  }
}

function headOf<T>(places: ReadonlySet<Place<T>>): Place<T> | null {
  for (const place of places) return place;
  return null;
}
