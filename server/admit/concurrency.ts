// server/admit/concurrency.ts: how many calls of one scope may be in flight at once.

export class Places {
  #limit: number;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Negative after the limit was lowered below what is in flight. */
  get remaining(): number {
    return this.#limit - this.#taken;
  }

  take(): void {
    this.#taken++;
  }

  /** Exactly once per `take`. */
  leave(): void {
    this.#taken--;
  }

  /** Calls in flight stay; only the next ones feel it. */
  resize(limit: number): void {
    this.#limit = limit;
  }
}
