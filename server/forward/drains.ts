// server/forward/drains.ts: answers that are read to their end after their client left, for the usage: only so many at once, each only so long.

/** One answer that is read on. */
export interface Drain {
  /** Milliseconds after which it is cut, and its cost estimated. */
  readonly forMs: number;
  /** It is over. The second and later calls do nothing. */
  end(): void;
}

export class Drains {
  #running = 0;
  readonly #caps: () => { readonly max: number; readonly forMs: number };

  /** @param caps those in force at the moment */
  constructor(caps: () => { readonly max: number; readonly forMs: number }) {
    this.#caps = caps;
  }

  get running(): number {
    return this.#running;
  }

  /** Null when as many as may are under way: clients that leave in a crowd must not keep the provider, and our sockets, busy for nobody. */
  begin(): Drain | null {
    const { max, forMs } = this.#caps();
    if (this.#running >= max) return null;
    this.#running += 1;
    let over = false;
    return {
      forMs,
      end: () => {
        if (over) return;
        over = true;
        this.#running -= 1;
      },
    };
  }
}
