// test/long/steady-load.ts: calls at a fixed rate and a fixed number of open streams, for as long as a soak takes.

import { hello, send } from '../flow/scene.ts';

export interface SteadyLoad {
  /** Calls begun so far. */
  begun(): number;
  /** Begins no more, and waits for those under way. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly perSecond: number;
  /** Streams that are open at any time; each that ends is followed by another. */
  readonly streams: number;
  /** Headers of the n-th call. */
  readonly headers: (n: number) => Record<string, string>;
  /** What the stand-in does to streams, so that they last. */
  readonly streamFault: string;
}

/** Begins at once. How calls end is not looked at: the ledger says it. */
export function steadyLoad(dataUrl: string, { perSecond, streams, headers, streamFault }: LoadOptions): SteadyLoad {
  let next = 0;
  let going = true;
  const underWay = new Set<Promise<unknown>>();
  const one = async (stream: boolean): Promise<void> => {
    const n = next++;
    await send(`${dataUrl}/v1/messages`, { headers: { ...headers(n), ...(stream ? { 'x-standin-fault': streamFault } : {}) }, body: hello({ stream }) }).catch(() => null);
  };
  const run = (work: Promise<unknown>): void => {
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };
  const again = async (): Promise<void> => {
    while (going) await one(true);
  };
  for (let i = 0; i < streams; i++) run(again());
  const timer = setInterval(() => run(one(false)), 1_000 / perSecond);
  return {
    begun: () => next,
    async stop() {
      going = false;
      clearInterval(timer);
      await Promise.all(underWay);
    },
  };
}
