// server/forward/pause.ts: the wait between two tries of a call.

import type { ServerResponse } from 'node:http';
import type { OnTheWire } from './exchange.ts';

/**
 * Waits. `over`: the time has passed; `left`: the client left meanwhile; `drained`: the gateway is going down.
 * @param onWait told of the wait, so that it can be drained
 */
export function pause(ms: number, reply: ServerResponse, onWait: (wait: OnTheWire) => void): Promise<'over' | 'left' | 'drained'> {
  if (reply.destroyed) return Promise.resolve('left');
  if (ms <= 0) return Promise.resolve('over');
  return new Promise((resolve) => {
    const end = (how: 'over' | 'left' | 'drained'): void => {
      clearTimeout(timer);
      reply.off('close', onClose);
      resolve(how);
    };
    const onClose = (): void => end('left');
    const timer = setTimeout(() => end('over'), ms);
    reply.on('close', onClose);
    onWait({ drain: () => end('drained') });
  });
}
