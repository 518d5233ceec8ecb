// server/http/admin/live.ts: what is happening now, as server-sent events: figures once a second at most, alerts, and reloads of the config and of its prices.

import { randomBytes } from 'node:crypto';
import type { AlertHappening } from '../../domain/alert.ts';
import type { Clock } from '../../domain/ids.ts';
import type { LedgerEntry, RefusedEntry } from '../../domain/ledger.ts';
import { nanodollars, usdString } from '../../domain/money.ts';
import type { Observer } from '../../domain/observer.ts';
import { addTokens, NO_TOKENS, type Tokens } from '../../domain/usage.ts';
import { iso, tokens } from './encode.ts';
import type { LiveConfig, LiveEvent, LiveTick } from './wire.ts';

const TICK_MS = 1_000;
const HEARTBEAT_MS = 15_000;
/** Events kept for those who come back: five minutes of a busy gateway. */
const RING = 300;
const MOST_LISTENERS = 100;
const MOST_WORKSPACES = 50;
/** A listener that has this much unread is let go; its browser comes back and asks for what it missed. */
export const MOST_UNREAD_BYTES = 256 * 1024;

/** One open page. */
export interface Listener {
  write(text: string): void;
  unreadBytes(): number;
  /** False once whoever listens may not any more. */
  allowed(): boolean;
  end(): void;
}

export interface Live {
  /** To be told of every call, beside the metrics. */
  readonly observer: Observer;
  /** After every reload. `error` null: it went well, and `digest` is of the config now in force. */
  reloaded(reload: { readonly digest: string; readonly error: string | null }): void;
  /** An alert began, rose or ended, somebody took it on, or a silence was made or lifted. */
  alerted(happening: AlertHappening): void;
  /** Other prices are in force. @param digest of the price files */
  priced(prices: { readonly digest: string; readonly rows: number }): void;
  /** Null when there are too many listeners already. @param lastEventId of a page that comes back @param begin called first when there is room */
  listen(listener: Listener, lastEventId: string | null, begin: () => void): { stop(): void } | null;
  close(): void;
}

interface Figures {
  requests: number;
  refused: number;
  errors: number;
  tokens: Tokens;
  cost: bigint;
}

const nothing = (): Figures => ({ requests: 0, refused: 0, errors: 0, tokens: NO_TOKENS, cost: 0n });
const figures = (f: Figures) => ({ requests: f.requests, refused: f.refused, errors: f.errors, tokens: tokens(f.tokens), cost_usd: usdString(nanodollars(f.cost)) });
const NO_ERROR: ReadonlySet<string> = new Set(['ok', 'truncated', 'refused', 'client_abort']);

/** @param inFlight calls admitted and not yet ended */
export function createLive(services: { readonly clock: Clock; readonly inFlight: () => number }): Live {
  // Ids of another run of the gateway are not ours: figures have been missed.
  const run = randomBytes(4).toString('hex');
  const ring: { readonly number: number; readonly text: string }[] = [];
  const listeners = new Set<Listener>();
  let number = 0;
  let total = nothing();
  let byWorkspace = new Map<string, Figures>();
  let ticking: NodeJS.Timeout | null = null;
  let closed = false;

  const now = (): { at: string; told: number } => ({ at: iso(services.clock.now()), told: listeners.size });
  const drop = (listener: Listener): void => {
    if (listeners.delete(listener)) listener.end();
  };
  const send = (listener: Listener, text: string): void => {
    if (!listener.allowed() || listener.unreadBytes() > MOST_UNREAD_BYTES) return drop(listener);
    listener.write(text);
  };
  const publish = ({ event, data }: LiveEvent): void => {
    number++;
    const text = `id: ${run}-${number}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    ring.push({ number, text });
    if (ring.length > RING) ring.shift();
    for (const listener of [...listeners]) send(listener, text);
  };
  const tick = (): void => {
    ticking = null;
    const data: LiveTick = {
      ...now(),
      in_flight: services.inFlight(),
      ...figures(total),
      workspaces: [...byWorkspace].map(([workspace, f]) => ({ workspace, ...figures(f) })),
    };
    total = nothing();
    byWorkspace = new Map();
    publish({ event: 'tick', data });
  };
  /** Something happened: a tick is due, a second from now, with whatever else happens until then. */
  const due = (): void => {
    if (ticking === null && !closed) ticking = setTimeout(tick, TICK_MS).unref();
  };
  const count = (workspace: string, add: (f: Figures) => void): void => {
    const name = byWorkspace.has(workspace) || byWorkspace.size < MOST_WORKSPACES ? workspace : 'other';
    const own = byWorkspace.get(name) ?? nothing();
    byWorkspace.set(name, own);
    add(own);
    add(total);
    due();
  };
  const heartbeat = setInterval(() => {
    for (const listener of [...listeners]) send(listener, ': still here\n\n');
  }, HEARTBEAT_MS).unref();

  return {
    observer: {
      started: () => due(),
      settled({ opened, settlement }: LedgerEntry) {
        count(opened.caller.workspace, (f) => {
          f.requests++;
          if (!NO_ERROR.has(settlement.outcome)) f.errors++;
          f.tokens = addTokens(f.tokens, settlement.cost.tokens);
          f.cost += settlement.cost.total;
        });
      },
      refused({ caller }: RefusedEntry) {
        count(caller.workspace, (f) => {
          f.requests++;
          f.refused++;
        });
      },
      turnedAway: () => {},
    },
    reloaded({ digest, error }) {
      const data: LiveConfig = { ...now(), ok: error === null, digest, error };
      publish({ event: 'config', data });
    },
    alerted({ at, event, state, open }) {
      publish({
        event: 'alert',
        data: { ...now(), at: iso(at), event, open, alert: state === null ? null : { fingerprint: state.fingerprint, incident: state.incident, rule: state.rule, scope: state.scope, severity: state.text.severity, title: state.text.title, silenced: state.silence != null } },
      });
    },
    priced: ({ digest, rows }) => publish({ event: 'price', data: { ...now(), digest, rows } }),
    listen(listener, lastEventId, begin) {
      if (closed || listeners.size >= MOST_LISTENERS) return null;
      begin();
      listeners.add(listener);
      listener.write('retry: 3000\n\n');
      for (const text of missed(lastEventId)) send(listener, text);
      return { stop: () => void listeners.delete(listener) };
    },
    close() {
      closed = true;
      clearInterval(heartbeat);
      if (ticking !== null) clearTimeout(ticking);
      for (const listener of [...listeners]) drop(listener);
    },
  };

  /** What came after an event, or the word that it is not kept any more. */
  function missed(lastEventId: string | null): string[] {
    if (lastEventId === null) return [];
    const [from, text] = lastEventId.split('-');
    const last = from === run && /^\d{1,15}$/.test(text ?? '') ? Number(text) : null;
    const oldest = ring[0]?.number ?? number + 1;
    if (last !== null && last <= number && last + 1 >= oldest) return ring.filter((event) => event.number > last).map((event) => event.text);
    return [`id: ${run}-${number}\nevent: gap\ndata: ${JSON.stringify(now())}\n\n`];
  }
}
