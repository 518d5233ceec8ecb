// web/live.ts: keeps the screen current: server-sent events while the page is seen, a slow poll where they do not come.

import { effect, signal } from '@preact/signals';
import type { LiveTick } from '../server/http/admin/wire.ts';
import { refresh, signedOut } from './server.ts';

export const liveState = signal<'live' | 'polling' | 'reconnecting' | 'paused'>('reconnecting');
/** Calls under way, as of the last tick; null before the first. */
export const inFlight = signal<number | null>(null);

/** Calls arrive in bursts; the figures are asked for at most this often. */
const calmMs = 4_000;
/** The present moves even when no call comes. */
const idleMs = 60_000;
const pollMs = 10_000;

let source: EventSource | null = null;
let waiting: ReturnType<typeof setTimeout> | null = null;
let lastRefresh = Date.now();

function refreshSoon(): void {
  if (waiting !== null || liveState.value === 'paused') return;
  waiting = setTimeout(() => {
    waiting = null;
    lastRefresh = Date.now();
    if (!document.hidden && !signedOut.value) refresh();
  }, Math.max(250, calmMs - (Date.now() - lastRefresh)));
}

function connect(): void {
  if (source || typeof EventSource === 'undefined') return;
  source = new EventSource('/api/live');
  source.addEventListener('open', () => {
    liveState.value = 'live';
  });
  source.addEventListener('tick', (event) => {
    inFlight.value = (JSON.parse((event as MessageEvent<string>).data) as LiveTick).in_flight;
    refreshSoon();
  });
  for (const name of ['config', 'gap']) source.addEventListener(name, refreshSoon);
  source.addEventListener('error', () => {
    // The browser tries again by itself unless the server said no; then the poll below goes on alone.
    liveState.value = source?.readyState === EventSource.CLOSED ? 'polling' : 'reconnecting';
    if (source?.readyState === EventSource.CLOSED) disconnect();
  });
}

function disconnect(): void {
  source?.close();
  source = null;
}

/** `l`: stops and starts the updates. */
export function toggleLive(): void {
  if (liveState.value === 'paused') {
    liveState.value = 'reconnecting';
    connect();
    refreshSoon();
  } else {
    disconnect();
    liveState.value = 'paused';
  }
}

export function startLive(): void {
  connect();
  // A server that wants a sign-in turns the stream away; afterwards it is asked again.
  effect(() => {
    if (!signedOut.value && liveState.peek() === 'polling') connect();
  });
  document.addEventListener('visibilitychange', () => {
    if (liveState.value === 'paused') return;
    if (document.hidden) disconnect();
    else {
      connect();
      refreshSoon();
    }
  });
  setInterval(() => {
    if (document.hidden || liveState.value === 'paused') return;
    if (Date.now() - lastRefresh >= (liveState.value === 'live' ? idleMs : pollMs)) refreshSoon();
  }, 1_000);
}
