// web/live.ts: keeps the screen current: server-sent events while the page is seen, a slow poll where they do not come. Pages of one browser share one stream.

import { effect, signal } from '@preact/signals';
import type { LiveAlert, LiveTick } from '../server/http/admin/wire.ts';
import { refresh, signedOut } from './server.ts';

type LiveState = 'live' | 'polling' | 'reconnecting' | 'paused';
export const liveState = signal<LiveState>('reconnecting');
/** Calls under way, as of the last tick; null before the first. */
export const inFlight = signal<number | null>(null);

/** What fires and nobody has taken on or silenced, as of the latest alert event; null before the first. */
export const openAlerts = signal<number | null>(null);
/** What the latest alert event says, for those who do not see the badge. */
export const alertSaid = signal('');

/** Calls arrive in bursts; the figures are asked for at most this often. */
const calmMs = 4_000;
/** The present moves even when no call comes. */
const idleMs = 60_000;
const pollMs = 10_000;

/** A crowd that hears of one thing asks within as long a time as it is large, and within two seconds; a page that is alone asks at once. */
const spreadMs = (): number => Math.random() * Math.min(2_000, (crowd - 1) * 100);

/** What the page that holds the stream tells the others. */
type Told = { readonly kind: 'state'; readonly state: LiveState } | { readonly kind: 'tick'; readonly tick: LiveTick } | { readonly kind: 'changed'; readonly told: number } | { readonly kind: 'alert'; readonly alert: LiveAlert } | { readonly kind: 'hello' };
const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('tollgate-live');

let source: EventSource | null = null;
/** Lets the stream go to another page; null while another one, or none, holds it. */
let release: (() => void) | null = null;
/** Ends the wait for the stream. */
let waitingFor: AbortController | null = null;
let waiting: ReturnType<typeof setTimeout> | null = null;
let lastRefresh = Date.now();
/** Streams that heard the latest event. */
let crowd = 1;

function refreshSoon(): void {
  if (waiting !== null || liveState.value === 'paused') return;
  waiting = setTimeout(() => {
    waiting = null;
    lastRefresh = Date.now();
    if (!document.hidden && !signedOut.value) refresh();
  }, Math.max(250, calmMs - (Date.now() - lastRefresh)) + spreadMs());
}

const ALERT_WORDS = { fired: 'Alert', raised: 'Alert, more urgent', resolved: 'Resolved', acknowledged: 'Taken on', silenced: 'Silenced', unsilenced: 'No longer silenced' } as const;

function ticked({ told, in_flight }: LiveTick): void {
  inFlight.value = in_flight;
  changed(told);
}

function alerted({ event, alert, open, told }: LiveAlert): void {
  openAlerts.value = open;
  alertSaid.value = alert === null || alert.silenced ? '' : `${ALERT_WORDS[event]}: ${alert.title}`;
  changed(told);
}

function changed(told: number): void {
  crowd = told;
  refreshSoon();
}

const tell = (told: Told): void => channel?.postMessage(told);

function become(state: LiveState): void {
  liveState.value = state;
  if (source) tell({ kind: 'state', state });
}

function open(): void {
  if (source || typeof EventSource === 'undefined') return;
  // The browser itself asks for what was missed when a stream breaks; a page that comes back asks for all figures anew.
  source = new EventSource('/api/live');
  source.addEventListener('open', () => become('live'));
  source.addEventListener('tick', (event) => {
    const tick = JSON.parse((event as MessageEvent<string>).data) as LiveTick;
    tell({ kind: 'tick', tick });
    ticked(tick);
  });
  source.addEventListener('alert', (event) => {
    const alert = JSON.parse((event as MessageEvent<string>).data) as LiveAlert;
    tell({ kind: 'alert', alert });
    alerted(alert);
  });
  for (const name of ['config', 'price', 'gap']) {
    source.addEventListener(name, (event) => {
      // After a restart those who come back first are few; all of them will come.
      const told = Math.max((JSON.parse((event as MessageEvent<string>).data) as { told: number }).told, name === 'gap' ? crowd : 1);
      tell({ kind: 'changed', told });
      changed(told);
    });
  }
  source.addEventListener('error', () => {
    // The browser tries again by itself unless the server said no; then the poll below goes on alone.
    const closed = source?.readyState === EventSource.CLOSED;
    become(closed ? 'polling' : 'reconnecting');
    if (closed) disconnect();
  });
}

/** Browsers allow six connections to one host: of several pages, one holds the stream and the others listen to it. */
function connect(): void {
  if (source || waitingFor) return;
  // Locks are there on loopback and under https alone; elsewhere each page has a stream of its own.
  if (!channel || !navigator.locks) return open();
  const wait = new AbortController();
  waitingFor = wait;
  tell({ kind: 'hello' });
  navigator.locks
    .request('tollgate-live', { signal: wait.signal }, () => {
      if (waitingFor !== wait) return undefined;
      open();
      return new Promise<void>((done) => (release = done));
    })
    .catch(() => undefined); // The wait was ended: this page was paused or hidden.
}

function disconnect(): void {
  source?.close();
  source = null;
  waitingFor?.abort();
  waitingFor = null;
  release?.();
  release = null;
}

channel?.addEventListener('message', ({ data }: MessageEvent<Told>) => {
  if (data.kind === 'hello') return source ? tell({ kind: 'state', state: liveState.value }) : undefined;
  if (source || liveState.value === 'paused' || document.hidden) return;
  if (data.kind === 'state') liveState.value = data.state;
  else {
    liveState.value = 'live';
    if (data.kind === 'tick') ticked(data.tick);
    if (data.kind === 'alert') alerted(data.alert);
    if (data.kind === 'changed') changed(data.told);
  }
});

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
