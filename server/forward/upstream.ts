// server/forward/upstream.ts: the connections to the provider.

import { buildConnector, Pool, type Dispatcher } from 'undici';
import type { Provider } from '../domain/batch.ts';
import type { Settings } from '../domain/settings.ts';
import { withoutContinue } from './interim.ts';

export type UpstreamSettings = Settings['upstream'];

/** Sockets to one origin. The origin comes from the config and from nowhere else. */
export interface Upstream {
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void;
  /** The gateway's own calls. */
  readonly own: Provider;
  /** Takes new settings; calls in flight finish on the sockets that they have. */
  reload(settings: UpstreamSettings): void;
  readonly settings: UpstreamSettings;
  /** Connections to the provider that are open. */
  readonly sockets: number;
  /** Bytes of answers that wait for their cost, of all exchanges together. */
  readonly waiting: { bytes: number };
  close(): Promise<void>;
}

export function createUpstream(initial: UpstreamSettings): Upstream {
  let settings = initial;
  let pool = openPool(initial);
  return {
    dispatch: (options, handler) => void pool.dispatch(options, handler),
    own: {
      async get(path, credential, signal) {
        const headers = { ...Object.fromEntries(credential), 'accept-encoding': 'identity', 'user-agent': 'tollgate' };
        const { statusCode, body } = await pool.request({ method: 'GET', path, headers, signal, headersTimeout: settings.headersTimeoutMs, bodyTimeout: settings.idleTimeoutMs });
        return { status: statusCode, body };
      },
    },
    reload(next) {
      const same = next.origin === settings.origin && next.connections === settings.connections && next.connectTimeoutMs === settings.connectTimeoutMs;
      settings = next;
      if (same) return;
      // `close` waits for the calls in flight; nobody needs to wait for it.
      void pool.close();
      pool = openPool(next);
    },
    get settings() {
      return settings;
    },
    get sockets() {
      return pool.stats.connected;
    },
    waiting: { bytes: 0 },
    close: () => pool.destroy(),
  };
}

function openPool(settings: UpstreamSettings): Pool {
  const connect = buildConnector({ timeout: settings.connectTimeoutMs });
  return new Pool(settings.origin, {
    connections: settings.connections,
    // One request a socket at a time: an answer that stalls must not hold up another call's.
    pipelining: 1,
    connect: (options, callback) =>
      connect(options, (...connected) => {
        if (connected[0] === null) withoutContinue(connected[1]);
        callback(...connected);
      }),
    // Shorter than any server's own, so that a call is rarely written to a socket that is being closed at the other end.
    keepAliveTimeout: 4_000,
    maxHeaderSize: 65_536,
  });
}
