// server/forward/upstream.ts: the connections to the provider.

import { buildConnector, Pool, type Dispatcher } from 'undici';
import type { Provider } from '../domain/batch.ts';
import type { Settings } from '../domain/settings.ts';
import { withoutContinue } from './interim.ts';
import { Retries } from './tries.ts';

export type UpstreamSettings = Settings['upstream'];

/** Sockets to the origins of the config, which come from nowhere else. */
export interface Upstream {
  /** Null when the origin is not in the config any more: a key that was written for it must not go to another. */
  to(origin: string): Dispatcher | null;
  /** The gateway's own calls. */
  readonly own: Provider;
  /** Takes new settings; calls in flight finish on the sockets that they have. */
  reload(settings: UpstreamSettings): void;
  readonly settings: UpstreamSettings;
  /** Connections to the provider that are open. */
  readonly sockets: number;
  /** Bytes of answers that wait for their cost, of all exchanges together. */
  readonly waiting: { bytes: number };
  readonly retries: Retries;
  close(): Promise<void>;
}

/** @param chance from 0 up to 1, for the spread of further tries */
export function createUpstream(initial: UpstreamSettings, chance: () => number): Upstream {
  let settings = initial;
  let pool = openPool(initial.origin, initial);
  /** Of failovers, by origin. */
  const others = new Map<string, Pool>();
  return {
    to(origin) {
      if (origin === settings.origin) return pool;
      const open = others.get(origin);
      if (open !== undefined || !settings.failover.some((place) => place.origin === origin)) return open ?? null;
      const made = openPool(origin, settings);
      others.set(origin, made);
      return made;
    },
    own: {
      async get(path, credential, signal) {
        const headers = { ...Object.fromEntries(credential), 'accept-encoding': 'identity', 'user-agent': 'tollgate' };
        const { statusCode, body } = await pool.request({ method: 'GET', path, headers, signal, headersTimeout: settings.headersTimeoutMs, bodyTimeout: settings.idleTimeoutMs });
        return { status: statusCode, body };
      },
    },
    reload(next) {
      const alike = next.connections === settings.connections && next.connectTimeoutMs === settings.connectTimeoutMs;
      const same = alike && next.origin === settings.origin;
      settings = next;
      // `close` waits for the calls in flight; nobody needs to wait for it.
      for (const [origin, other] of others) {
        if (alike && next.failover.some((place) => place.origin === origin)) continue;
        others.delete(origin);
        void other.close();
      }
      if (same) return;
      void pool.close();
      pool = openPool(next.origin, next);
    },
    get settings() {
      return settings;
    },
    get sockets() {
      return pool.stats.connected;
    },
    waiting: { bytes: 0 },
    retries: new Retries(chance),
    close: async () => void (await Promise.all([pool, ...others.values()].map((open) => open.destroy()))),
  };
}

function openPool(origin: string, settings: UpstreamSettings): Pool {
  const connect = buildConnector({ timeout: settings.connectTimeoutMs });
  return new Pool(origin, {
    connections: settings.connections,
    // One request a socket at a time: an answer that stalls must not hold up another call's.
    pipelining: 1,
    connect: (options, callback) =>
      connect(options, (...connected) => {
        if (connected[0] === null) withoutContinue(connected[1]);
        callback(...connected);
      }),
    // An idle socket goes before the other end closes it, so that a call is rarely written to one that is being closed: two seconds before
    // the end that a `Keep-Alive: timeout=` tells, and after four where none does. Not later than a minute: something on the way may
    // forget an idle connection without a word, and a call written to it then hears nothing.
    keepAliveTimeout: 4_000,
    keepAliveTimeoutThreshold: 2_000,
    keepAliveMaxTimeout: 60_000,
    maxHeaderSize: 65_536,
  });
}
