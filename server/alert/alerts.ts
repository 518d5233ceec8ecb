// server/alert/alerts.ts: looks on a timer and after settlements, keeps where every alert stands, and has told who is to be told.

import { randomUUID } from 'node:crypto';
import { atLeast, ALERT_RULES, SEVERITIES, type AlertDesk, type AlertState, type AlertStore, type Notice, type TestRequest } from '../domain/alert.ts';
import { epochMs, type Clock, type EpochMs } from '../domain/ids.ts';
import type { Log, Observer } from '../domain/observer.ts';
import type { Settings } from '../domain/settings.ts';
import { beatOfEntry, beatOfRefusal } from './beat.ts';
import { acknowledged } from './machine.ts';
import { Outbox } from './outbox.ts';
import { reachOf } from './post.ts';
import { Pulse } from './pulse.ts';
import { replay } from './replay.ts';
import { readingsOf, round } from './round.ts';
import { Watch, type Sources } from './watch.ts';

const LOOK_EVERY_MS = 60_000;
/** After a settlement: soon, but once for all that settle meanwhile. */
const DEBOUNCE_MS = 1_000;
const LONGEST_TIMER_MS = 60_000;
const SHOWN_RESOLVED_MS = 7 * 86_400_000;

export interface AlertsOptions extends Sources {
  readonly store: AlertStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
}

export interface Alerts extends AlertDesk {
  /** To be told of every call, beside the metrics. */
  readonly observer: Observer;
  /** Loads what was, and begins to look. */
  start(): Promise<void>;
  /** One look now: rules, states, messages. Looks never overlap. */
  look(): Promise<void>;
  /** After a reload of the config. */
  configured(settings: Settings): void;
  /** After a grant: limits are others now. */
  limitsMoved(): void;
  counts(): { readonly active: readonly { rule: string; severity: string; count: number }[]; readonly deliveries: readonly { channel: string; result: string; count: number }[] };
  close(): Promise<void>;
}

export function createAlerts(options: AlertsOptions): Alerts {
  const { clock, store, log, settings, random = Math.random } = options;
  const pulse = new Pulse(settings().alerts.rules.firstToken.slowerThanMs);
  const watch = new Watch(options, pulse);
  const outbox = new Outbox({ gatherMs: () => settings().alerts.gatherMs, now: () => clock.now(), reach: () => reachOf(settings().alerts.privateAddresses), dashboardUrl: () => settings().alerts.dashboardUrl, random });
  const states = new Map<string, AlertState>();
  /** Of what could not be written yet. */
  const unsaved = new Map<string, AlertState | null>();
  const repeatedAt = new Map<string, number>();
  let looking: Promise<void> = Promise.resolve();
  let debounce: NodeJS.Timeout | null = null;
  let wake: NodeJS.Timeout | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  outbox.configure(settings().alerts.channels);

  const save = async (): Promise<void> => {
    const changes = outbox.takeChanges();
    const taken = [...unsaved];
    unsaved.clear();
    if (taken.length === 0 && changes.messages.length === 0 && changes.deliveries.length === 0) return;
    try {
      await store.save({ states: taken.flatMap(([, state]) => (state === null ? [] : [state])), forgotten: taken.flatMap(([name, state]) => (state === null ? [name] : [])), ...changes });
    } catch {
      // The ledger is in trouble, which is an alert of its own: it is sent from memory, and written when it can be.
      for (const [name, state] of taken) if (!unsaved.has(name)) unsaved.set(name, state);
      outbox.giveBack(changes);
    }
  };

  const deliver = async (): Promise<void> => {
    await save();
    await outbox.pump();
    await save();
    schedule();
  };

  const schedule = (): void => {
    if (wake !== null) clearTimeout(wake);
    wake = null;
    const at = outbox.nextAt();
    if (closed || at === null) return;
    wake = setTimeout(() => void deliver().catch(unforeseen), Math.min(LONGEST_TIMER_MS, Math.max(50, at - clock.now()))).unref();
  };

  const unforeseen = (error: unknown): void => log.error('alerts_failed', { code: error instanceof Error ? error.name : typeof error });

  const lookOnce = async (): Promise<void> => {
    if (closed) return;
    const now = clock.now();
    const { figures, blind } = await watch.look(now, outbox.failing(now));
    const result = round(states, readingsOf(figures, settings().alerts.channels.map(({ id }) => id)), blind, now, randomUUID);
    for (const state of result.changed) unsaved.set(state.fingerprint, state);
    for (const name of result.forgotten) unsaved.set(name, null);
    for (const { event, state } of result.told) {
      log.info('alert', { reason: state.rule, outcome: event, detail: state.text.title });
      outbox.add(noticeOf(state, event === 'resolved', false, now));
    }
    repeat(now);
    await save();
  };

  /** Sending does not hold up the next look. */
  const look = (): Promise<void> => {
    looking = looking.then(lookOnce, lookOnce).catch(unforeseen).then(() => void deliver().catch(unforeseen));
    return looking;
  };

  const repeat = (now: EpochMs): void => {
    for (const { id, repeatMs, minSeverity } of settings().alerts.channels) {
      if (repeatMs === null) continue;
      for (const state of states.values()) {
        if (state.state !== 'firing' || !state.announced || !atLeast(state.text.severity, minSeverity) || !(state.text.notify?.includes(id) ?? true)) continue;
        const place = `${id}\n${state.incident}`;
        const last = Math.min(now, repeatedAt.get(place) ?? state.lastSentAt ?? now);
        if (now - last < repeatMs) continue;
        repeatedAt.set(place, now);
        const told = { ...state, lastSentAt: now };
        states.set(state.fingerprint, told);
        unsaved.set(state.fingerprint, told);
        outbox.add(noticeOf(state, false, true, now), id);
      }
    }
  };

  const soon = (): void => {
    if (debounce === null && !closed && timer !== null) {
      debounce = setTimeout(() => {
        debounce = null;
        void look();
      }, DEBOUNCE_MS).unref();
    }
  };

  return {
    observer: {
      started: () => {},
      settled(entry) {
        pulse.note(beatOfEntry(entry));
        soon();
      },
      refused: (entry) => pulse.note(beatOfRefusal(entry)),
      turnedAway: () => {},
      lost() {
        watch.rowLost();
        soon();
      },
    },
    async start() {
      const kept = await store.load();
      for (const state of kept.states) states.set(state.fingerprint, state);
      outbox.restore(kept.messages, kept.deliveries);
      await watch.warmUp(clock.now()).catch(() => log.warn('alerts_without_past'));
      timer = setInterval(() => void look(), LOOK_EVERY_MS).unref();
      void look();
    },
    look,
    configured(next) {
      outbox.configure(next.alerts.channels);
      pulse.countAsSlow(next.alerts.rules.firstToken.slowerThanMs);
      soon();
    },
    limitsMoved: soon,
    counts() {
      const active = ALERT_RULES.flatMap((rule) => SEVERITIES.map((severity) => ({ rule, severity, count: [...states.values()].filter((s) => s.rule === rule && s.text.severity === severity && isActive(s)).length })));
      return { active, deliveries: outbox.tally() };
    },
    states() {
      const now = clock.now();
      return [...states.values()].filter((s) => s.state !== 'resolved' || now - (s.resolvedAt ?? 0) < SHOWN_RESOLVED_MS).sort((a, b) => (b.since ?? b.updatedAt) - (a.since ?? a.updatedAt));
    },
    deliveries: () => outbox.log(),
    waiting: () => outbox.waiting(),
    async acknowledge(fingerprint, by) {
      const state = states.get(fingerprint);
      if (state === undefined || !isActive(state)) return null;
      const next = acknowledged(state, by, clock.now());
      states.set(fingerprint, next);
      unsaved.set(fingerprint, next);
      // Who has a state of its own for it, as PagerDuty has, is told.
      outbox.add({ ...noticeOf(next, false, false, clock.now()), type: 'alert.acknowledged' });
      await save();
      void deliver().catch(unforeseen);
      return next;
    },
    async test(request) {
      const result = await outbox.test(request.channel, testNotice(request, clock.now()), request.print);
      await save();
      return result;
    },
    replay: ({ since, rule }) => replay({ settings: settings(), reports: options.reports, grants: options.grants(), from: since, to: clock.now(), rule }),
    async close() {
      closed = true;
      for (const each of [debounce, wake, timer]) if (each !== null) clearTimeout(each);
      await looking;
      await save();
    },
  };
}

const isActive = ({ state }: AlertState): boolean => state === 'firing' || state === 'acked';

const noticeOf = (state: AlertState, resolved: boolean, repeated: boolean, at: EpochMs): Notice => ({
  ...state.text,
  id: randomUUID(),
  type: resolved ? 'alert.resolved' : 'alert.firing',
  fingerprint: state.fingerprint,
  incident: state.incident,
  rule: state.rule,
  scope: state.scope,
  at,
  since: state.since,
  peak: state.peak,
  ackedBy: state.ackedBy,
  repeated,
  resolved,
});

const testNotice = ({ rule, severity, resolve }: TestRequest, at: EpochMs): Notice => ({
  id: randomUUID(),
  type: 'alert.test',
  fingerprint: `${rule}:test`,
  incident: 'test',
  rule,
  scope: 'test',
  at,
  since: epochMs(at - 60_000),
  peak: 0,
  ackedBy: null,
  repeated: false,
  resolved: resolve,
  severity,
  title: `A test of the rule ${rule}`,
  text: 'Somebody asked for this message to see whether it arrives. Nothing is wrong.',
  facts: [{ label: 'Rule', value: rule }, { label: 'Severity', value: severity }],
  value: 0,
  threshold: 0,
  unit: 'count',
  notify: null,
});
