// server/admit/waiting-room.ts: where calls wait that only other calls in flight keep out.

interface Waiter {
  /** True when the call got what it waits for. */
  readonly attempt: () => boolean;
  readonly leave: (how: 'served' | 'timed_out' | 'aborted') => void;
}

/**
 * Calls in the order of their arrival, woken by what becomes free, never by polling. Each time the first one is asked first;
 * one that does not fit keeps nobody else waiting, for a small call must not be refused over a large one that may never fit.
 */
export class WaitingRoom {
  readonly #waiters = new Set<Waiter>();

  /**
   * Waits until `attempt` succeeds, the time is up, or the client leaves.
   * @param attempt decides and takes in one step; asked when something became free, and a last time at the end
   */
  wait(attempt: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<'served' | 'timed_out' | 'aborted'> {
    if (signal.aborted) return Promise.resolve('aborted');
    return new Promise((resolve) => {
      const leave: Waiter['leave'] = (how) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#waiters.delete(waiter);
        resolve(how);
      };
      const waiter: Waiter = { attempt, leave };
      const onAbort = (): void => leave('aborted');
      // The last try sees a period that has ended meanwhile, which frees a budget without a word.
      const timer = setTimeout(() => leave(attempt() ? 'served' : 'timed_out'), timeoutMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Something became free, or the rules changed. */
  wake(): void {
    for (const waiter of this.#waiters) if (waiter.attempt()) waiter.leave('served');
  }

  get size(): number {
    return this.#waiters.size;
  }
}
