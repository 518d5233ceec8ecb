// server/alert/alerts.ts: looks on a timer and after settlements, keeps where every alert stands, and has told who is to be told.

import { randomBytes, randomUUID } from 'node:crypto';
import { atLeast, ALERT_RULES, isActive, SEVERITIES, type AlertDesk, type AlertHappening, type AlertState, type AlertStore, type Notice, type Severity, type TestRequest } from '../domain/alert.ts';
import { DAY_MS } from '../domain/durations.ts';
import { epochMs, type Clock, type EpochMs } from '../domain/ids.ts';
import type { Log, Observer } from '../domain/observer.ts';
import type { Settings } from '../domain/settings.ts';
import { isAbout, isSilencing, MOST_SILENCES, silenceOf, type Silence } from '../domain/silence.ts';
import { beatOfEntry, beatOfRefusal } from './beat.ts';
import { keptBack, released } from './hush.ts';
import { KeySigns, type Arrival } from './key-signs.ts';
import { acknowledged, severityTold } from './machine.ts';
import { Outbox } from './outbox.ts';
import { reachOf } from './post.ts';
import { Pulse } from './pulse.ts';
import { replay } from './replay.ts';
import { readingsOf, round } from './round.ts';
import { nodeTimers, type Timers } from './timers.ts';
import { Watch, type Sources } from './watch.ts';

const LOOK_EVERY_MS = 60_000;
/** After a settlement: soon, but once for all that settle meanwhile. */
const DEBOUNCE_MS = 1_000;
const LONGEST_TIMER_MS = 60_000;
const SHOWN_RESOLVED_MS = 7 * DAY_MS;
const SHOWN_SILENCES_MS = 90 * DAY_MS;

export interface AlertsOptions extends Sources {
  readonly store: AlertStore;
  readonly clock: Clock;
  readonly log: Log;
  /** What networks and clients of keys are hashed with. */
  readonly keySecret: string;
  /** Hears at once what began, ended or was silenced. */
  readonly happened?: (happening: AlertHappening) => void;
  readonly random?: () => number;
  /** Node's own unless told; they must go by the same time as the clock. */
  readonly timers?: Timers;
}

export interface Alerts extends AlertDesk {
  /** To be told of every call, beside the metrics. */
  readonly observer: Observer;
  /** A key of ours came with a request, from where and with what the request tells. */
  keyUsed(key: string, from: Arrival, at: EpochMs): void;
  /** Loads what was, and begins to look. */
  start(): Promise<void>;
  /** One look now: rules, states, messages. Looks never overlap. */
  look(): Promise<void>;
  /** After a reload of the config. */
  configured(settings: Settings): void;
  /** After a grant: limits are others now. */
  limitsMoved(): void;
  /** Resolves once no look and no delivery is under way. */
  idle(): Promise<void>;
  counts(): { readonly active: readonly { rule: string; severity: string; count: number }[]; readonly deliveries: readonly { channel: string; result: string; count: number }[] };
  close(): Promise<void>;
}

export function createAlerts(options: AlertsOptions): Alerts {
  const { clock, store, log, settings, happened = () => {}, random = Math.random, timers = nodeTimers } = options;
  const pulse = new Pulse(settings().alerts.rules.firstToken.slowerThanMs);
  const signs = new KeySigns(options.keySecret);
  const watch = new Watch(options, pulse, signs);
  const outbox = new Outbox({ gatherMs: () => settings().alerts.gatherMs, now: () => clock.now(), reach: () => reachOf(settings().alerts.privateAddresses), dashboardUrl: () => settings().alerts.dashboardUrl, random });
  const states = new Map<string, AlertState>();
  /** Of what could not be written yet. */
  const unsaved = new Map<string, AlertState | null>();
  const repeatedAt = new Map<string, number>();
  let silences: readonly Silence[] = [];
  let looking: Promise<void> = Promise.resolve();
  let delivering: Promise<void> = Promise.resolve();
  /** Each calls a timer off; null: none runs. */
  let debounce: (() => void) | null = null;
  let wake: (() => void) | null = null;
  let timer: (() => void) | null = null;
  let closed = false;
  outbox.configure(settings().alerts.channels);

  const save = async (): Promise<void> => {
    const changes = outbox.takeChanges();
    const keyMarks = signs.takeChanges();
    const taken = [...unsaved];
    unsaved.clear();
    if (taken.length === 0 && changes.messages.length === 0 && changes.deliveries.length === 0 && keyMarks.length === 0) return;
    try {
      await store.save({ states: taken.flatMap(([, state]) => (state === null ? [] : [state])), forgotten: taken.flatMap(([name, state]) => (state === null ? [name] : [])), ...changes, silences: [], keyMarks });
    } catch {
      // The ledger is in trouble, which is an alert of its own: it is sent from memory, and written when it can be.
      for (const [name, state] of taken) if (!unsaved.has(name)) unsaved.set(name, state);
      outbox.giveBack(changes);
      signs.giveBack(keyMarks);
    }
  };

  const deliver = (): void => {
    const done = (async () => {
      await save();
      await outbox.pump();
      await save();
      schedule();
    })().catch(unforeseen);
    delivering = delivering.then(() => done);
  };

  const schedule = (): void => {
    wake?.();
    wake = null;
    const at = outbox.nextAt();
    if (closed || at === null) return;
    wake = timers.after(Math.min(LONGEST_TIMER_MS, Math.max(50, at - clock.now())), deliver);
  };

  const unforeseen = (error: unknown): void => log.error('alerts_failed', { code: error instanceof Error ? error.name : typeof error });

  const lookOnce = async (): Promise<void> => {
    if (closed) return;
    const now = clock.now();
    const { figures, blind } = await watch.look(now, outbox.failing(now));
    const result = round(states, readingsOf(figures, settings().alerts.channels.map(({ id }) => id)), blind, now, randomUUID);
    for (const state of result.changed) unsaved.set(state.fingerprint, state);
    for (const name of result.forgotten) unsaved.set(name, null);
    for (const told of result.told) {
      const { event, state, before } = told;
      log.info('alert', { reason: state.rule, outcome: event, detail: state.text.title });
      const notice: Notice = { ...noticeOf(state, event === 'resolved', false, now), raisedFrom: event === 'raised' && before !== null ? severityTold(before) : null };
      const quiet = keptBack(told, silences, now);
      if (quiet === null) outbox.add(notice);
      else {
        put(quiet);
        outbox.silenced(notice, whySilent(quiet.silence));
      }
    }
    for (const { event, state } of result.moved) happen(event, states.get(state.fingerprint) ?? state);
    release(now);
    repeat(now);
    await save();
  };

  const put = (state: AlertState): void => {
    states.set(state.fingerprint, state);
    unsaved.set(state.fingerprint, state);
  };

  const happen = (event: AlertHappening['event'], state: AlertState | null): void => happened({ at: clock.now(), event, state, open: open().length });

  /** What fires, and nobody has taken on or silenced. */
  const open = (): readonly AlertState[] => {
    const now = clock.now();
    return [...states.values()].filter((state) => state.state === 'firing' && silenceOf(silences, state, now) === null);
  };

  const whySilent = (id: string | null | undefined): string => {
    const silence = silences.find((known) => known.id === id);
    return silence === undefined ? 'silenced' : `silenced by ${silence.actor} until ${new Date(silence.until).toISOString()}: ${silence.reason}`;
  };

  /** Tells what silences that are over have kept back, where it still fires. */
  const release = (now: EpochMs): void => {
    for (const state of states.values()) {
      const freed = released(state, silences, now);
      if (freed === null) continue;
      put(freed.state);
      if (freed.told) outbox.add({ ...noticeOf(freed.state, false, false, now), raisedFrom: state.announced ? severityTold(state) : null });
    }
  };

  /** What waits to be told of alerts that a new silence is about is not told for now. */
  const withdraw = (silence: Silence): void => {
    for (const state of states.values()) {
      if (!isActive(state) || !isAbout(silence, state)) continue;
      const taken = outbox.withdraw(state.incident, whySilent(silence.id));
      if (taken.length === 0) continue;
      const begins = taken.some((notice) => !notice.repeated && notice.raisedFrom == null);
      put({ ...state, silence: silence.id, announced: state.announced && !begins });
    }
  };

  /** Durable before it is in force: a restart must not bring back what somebody wanted to be quiet. */
  const keep = async (silence: Silence): Promise<void> => {
    await store.save({ states: [], forgotten: [], messages: [], deliveries: [], silences: [silence], keyMarks: [] });
    const now = clock.now();
    silences = [silence, ...silences.filter(({ id, until }) => id !== silence.id && now - until < SHOWN_SILENCES_MS)];
  };

  /** Sending does not hold up the next look. */
  const look = (): Promise<void> => {
    looking = looking.then(lookOnce, lookOnce).catch(unforeseen).then(deliver);
    return looking;
  };

  const repeat = (now: EpochMs): void => {
    for (const { id, repeatMs, minSeverity } of settings().alerts.channels) {
      if (repeatMs === null) continue;
      for (const state of states.values()) {
        if (state.state !== 'firing' || !state.announced || !atLeast(severityTold(state), minSeverity) || !(state.text.notify?.includes(id) ?? true)) continue;
        if (silenceOf(silences, state, now) !== null) continue;
        const place = `${id}\n${state.incident}`;
        const last = Math.min(now, repeatedAt.get(place) ?? state.lastSentAt ?? now);
        if (now - last < repeatMs) continue;
        repeatedAt.set(place, now);
        put({ ...state, lastSentAt: now });
        outbox.add(noticeOf(state, false, true, now), id);
      }
    }
  };

  const soon = (): void => {
    if (debounce === null && !closed && timer !== null) {
      debounce = timers.after(DEBOUNCE_MS, () => {
        debounce = null;
        void look();
      });
    }
  };

  const idle = async (): Promise<void> => {
    for (let last: readonly unknown[] = []; last[0] !== looking || last[1] !== delivering; ) {
      last = [looking, delivering];
      await looking;
      await delivering;
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
        watch.rowLost(clock.now());
        soon();
      },
    },
    keyUsed(key, from, at) {
      if (settings().alerts.rules.keyLeak.enabled) signs.note(key, from, at);
    },
    async start() {
      const kept = await store.load();
      for (const state of kept.states) states.set(state.fingerprint, state);
      silences = kept.silences;
      signs.restore(kept.keyMarks);
      outbox.restore(kept.messages, kept.deliveries);
      await watch.warmUp(clock.now()).catch(() => log.warn('alerts_without_past'));
      timer = timers.every(LOOK_EVERY_MS, () => void look());
      void look();
    },
    look,
    configured(next) {
      outbox.configure(next.alerts.channels);
      pulse.countAsSlow(next.alerts.rules.firstToken.slowerThanMs);
      soon();
    },
    limitsMoved: soon,
    idle,
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
      put(next);
      // Who has a state of its own for it, as PagerDuty has, is told; unless it has never heard of it.
      if (next.announced) outbox.add({ ...noticeOf(next, false, false, clock.now()), type: 'alert.acknowledged' });
      happen('acknowledged', next);
      await save();
      deliver();
      return next;
    },
    silences: () => [...silences].sort((a, b) => b.createdAt - a.createdAt),
    async silence(request) {
      const now = clock.now();
      if (silences.filter((silence) => isSilencing(silence, now)).length >= MOST_SILENCES) return null;
      const silence: Silence = { ...request, id: `silence_${randomBytes(8).toString('hex')}`, createdAt: now, liftedAt: null };
      await keep(silence);
      withdraw(silence);
      happen('silenced', null);
      await save();
      return silence;
    },
    async lift(id) {
      const known = silences.find((silence) => silence.id === id);
      if (known === undefined) return null;
      const lifted = isSilencing(known, clock.now()) ? { ...known, liftedAt: clock.now() } : known;
      if (lifted === known) return known;
      await keep(lifted);
      happen('unsilenced', null);
      release(clock.now());
      await save();
      deliver();
      return lifted;
    },
    open() {
      const severities = open().map(({ text }) => text.severity);
      return { count: severities.length, worst: severities.reduce<Severity | null>((worst, severity) => (worst === null || atLeast(severity, worst) ? severity : worst), null) };
    },
    async test(request) {
      const result = await outbox.test(request.channel, testNotice(request, clock.now()), request.print);
      await save();
      return result;
    },
    replay: async ({ since, rule }) => replay({ settings: settings(), reports: options.reports, grants: options.grants(), keys: await options.keys(), from: since, to: clock.now(), rule }),
    async close() {
      closed = true;
      outbox.stop();
      for (const each of [debounce, wake, timer]) each?.();
      await idle();
      await save();
    },
  };
}

const noticeOf = (state: AlertState, resolved: boolean, repeated: boolean, at: EpochMs): Notice => ({
  ...state.text,
  severity: severityTold(state),
  id: randomUUID(),
  type: resolved ? 'alert.resolved' : 'alert.firing',
  fingerprint: state.fingerprint,
  incident: state.incident,
  rule: state.rule,
  scope: state.scope,
  at,
  since: state.since,
  peak: state.peak,
  extra: state.extra ?? null,
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
