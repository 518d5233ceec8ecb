// server/alert/outbox.ts: what is to be told, gathered into messages and sent until it arrives or is given up. Its messages are in the database before they are sent.

import { randomUUID } from 'node:crypto';
import { DateTime } from 'luxon';
import { atLeast, type Delivery, type Notice, type OutboxMessage } from '../domain/alert.ts';
import { DAY_MS } from '../domain/durations.ts';
import { epochMs, type EpochMs } from '../domain/ids.ts';
import { WEEKDAYS, type Channel, type QuietHours } from '../domain/settings.ts';
import type { Letter, Sender } from './channels/channel.ts';
import { senderOf } from './channels/senders.ts';
import type { Reach, Sent } from './post.ts';

/** Before the first try, the second, and so on; each ± 20 %, so that many gateways do not come at once. */
export const RETRY_DELAYS_MS = [0, 10_000, 60_000, 300_000, 1_800_000, 7_200_000, 21_600_000] as const;
const LONGEST_RETRY_AFTER_MS = 21_600_000;
/** One message per channel and minute; what comes in between is a digest. */
const SPACING_MS = 60_000;
const MAIL_SPACING_MS = 3_600_000;
const FALLBACK_AFTER = 3;
const MOST_NOTICES = 100;
const DELIVERIES_KEPT = 500;

export interface OutboxOptions {
  /** How long the first notice of a message waits for others. */
  readonly gatherMs: () => number;
  readonly now: () => EpochMs;
  readonly reach: () => Reach;
  readonly dashboardUrl: () => string | null;
  /** 0 to 1. */
  readonly random: () => number;
}

interface Line {
  readonly channel: Channel;
  readonly sender: Sender;
}

export class Outbox {
  private readonly options: OutboxOptions;
  private readonly lines = new Map<string, Line>();
  private readonly messages = new Map<string, OutboxMessage>();
  private deliveries: Delivery[] = [];
  private readonly counts = new Map<string, number>();
  private readonly lastSent = new Map<string, number>();
  private readonly mailed = new Map<string, number>();
  private readonly busy = new Set<string>();
  private changedMessages = new Map<string, OutboxMessage>();
  private newDeliveries: Delivery[] = [];
  private stopped = false;

  constructor(options: OutboxOptions) {
    this.options = options;
  }

  configure(channels: readonly Channel[]): void {
    this.lines.clear();
    for (const channel of channels) this.lines.set(channel.id, { channel, sender: senderOf(channel) });
  }

  restore(messages: readonly OutboxMessage[], deliveries: readonly Delivery[]): void {
    for (const message of messages) this.messages.set(message.id, message);
    this.deliveries = [...deliveries];
    for (const { channel, at, result } of deliveries) if (result === 'delivered') this.lastSent.set(channel, Math.max(at, this.lastSent.get(channel) ?? 0));
  }

  /** @param only one channel instead of those of the notice @param fallback it stands in for another: it has no fallback of its own, so that two cannot call each other for ever */
  add(notice: Notice, only: string | null = null, fallback = false): void {
    for (const line of this.lines.values()) {
      if (!this.isFor(notice, line, only)) continue;
      if (notice.resolved && this.collapse(notice, line)) continue;
      this.gather(notice, line.channel, line.sender, fallback);
    }
  }

  private isFor(notice: Notice, { channel, sender }: Line, only: string | null = null): boolean {
    const meant = only === null ? notice.notify === null || notice.notify.includes(channel.id) : channel.id === only;
    return meant && atLeast(notice.severity, channel.minSeverity) && (notice.type !== 'alert.acknowledged' || sender.acknowledges === true);
  }

  /** Keeps a notice back from every channel that would have been told, and says so in the log. */
  silenced(notice: Notice, why: string): void {
    for (const line of this.lines.values()) if (this.isFor(notice, line)) this.unsent(line, notice, 'silenced', why);
  }

  /** Takes back what still waits to be told of an alert, but for its end. @returns what was taken back, each notice once */
  withdraw(incident: string, why: string): readonly Notice[] {
    const taken = new Map<string, Notice>();
    for (const message of this.messages.values()) {
      if (message.state !== 'gathering' && message.state !== 'held') continue;
      const own = message.notices.filter((n) => n.incident === incident && n.type === 'alert.firing');
      if (own.length === 0) continue;
      const rest = message.notices.filter((n) => !own.includes(n));
      this.put({ ...message, notices: rest, state: rest.length === 0 ? 'collapsed' : message.state });
      for (const notice of own) {
        taken.set(notice.id, notice);
        const line = this.lines.get(message.channel);
        if (line !== undefined) this.unsent(line, notice, 'silenced', why);
      }
    }
    return [...taken.values()];
  }

  /** Sends what is due, and resolves when it was tried. One message per channel at a time. */
  async pump(): Promise<void> {
    const now = this.options.now();
    for (const message of this.messages.values()) {
      if ((message.state === 'gathering' || message.state === 'held') && message.dueAt <= now) this.put({ ...message, state: 'sending' });
    }
    const due = [...this.messages.values()].filter(({ state, dueAt, channel }) => state === 'sending' && dueAt <= now && !this.busy.has(channel)).sort((a, b) => a.dueAt - b.dueAt);
    await Promise.all([...new Set(due.map(({ channel }) => channel))].map((channel) => this.work(channel, due.filter((message) => message.channel === channel))));
  }

  /** Begins no further try; what waits is in the database. */
  stop(): void {
    this.stopped = true;
  }

  /** When the next message is due; null: none waits. */
  nextAt(): EpochMs | null {
    const times = [...this.messages.values()].filter(({ channel }) => !this.busy.has(channel)).map(({ dueAt }) => dueAt);
    return times.length === 0 ? null : epochMs(Math.min(...times));
  }

  waiting(): readonly OutboxMessage[] {
    return [...this.messages.values()].sort((a, b) => a.dueAt - b.dueAt);
  }

  log(): readonly Delivery[] {
    return this.deliveries;
  }

  /** Since the start, every channel and result, those at zero too. */
  tally(): { readonly channel: string; readonly result: string; readonly count: number }[] {
    return [...this.lines.keys()].flatMap((channel) => (['delivered', 'retry', 'dead', 'collapsed', 'silenced'] as const).map((result) => ({ channel, result, count: this.counts.get(`${channel}\n${result}`) ?? 0 })));
  }

  /**
   * Per channel: what was given up in the last day with no success since, and how long the oldest message is tried already. A test that was
   * given up is not counted, as whoever asked for it has its answer; one that arrived tells as well as any message that the channel works again.
   */
  failing(now: EpochMs): { channel: string; dead: number; waitingMs: number }[] {
    return [...this.lines.keys()].map((channel) => {
      const own = this.deliveries.filter((d) => d.channel === channel);
      const lastGood = Math.max(0, ...own.filter((d) => d.result === 'delivered').map(({ at }) => at));
      const dead = own.filter((d) => d.result === 'dead' && !isTest(d) && d.at > Math.max(lastGood, now - DAY_MS)).length;
      const tried = [...this.messages.values()].filter((m) => m.channel === channel && m.attempts > 0);
      return { channel, dead, waitingMs: Math.max(0, ...tried.map((m) => now - m.createdAt)) };
    });
  }

  /** What has to be written since the last call. */
  takeChanges(): { messages: readonly OutboxMessage[]; deliveries: readonly Delivery[] } {
    const changes = { messages: [...this.changedMessages.values()], deliveries: this.newDeliveries };
    this.changedMessages = new Map();
    this.newDeliveries = [];
    return changes;
  }

  /** They could not be written; the next call gives them again, but for what has changed since. */
  giveBack({ messages, deliveries }: { messages: readonly OutboxMessage[]; deliveries: readonly Delivery[] }): void {
    this.changedMessages = new Map([...messages.map((m) => [m.id, m] as const), ...this.changedMessages]);
    this.newDeliveries = [...deliveries, ...this.newDeliveries];
  }

  /** One message at once, past grouping and quiet hours, tried once. Null: no such channel. */
  async test(channel: string, notice: Notice, print: boolean): Promise<{ payload: string; delivery: Delivery | null } | null> {
    const line = this.lines.get(channel);
    if (line === undefined) return null;
    const message: OutboxMessage = { id: messageId(TEST), channel, state: 'sending', createdAt: notice.at, dueAt: notice.at, attempts: 0, fellBack: true, notices: [notice] };
    const payload = line.sender.show(this.letter(message));
    if (print) return { payload, delivery: null };
    const { sent, ms } = await this.timed(line, message);
    const delivery = this.note(line, message, 1, sent, ms, isGood(sent) ? 'delivered' : 'dead', null, false);
    return { payload, delivery };
  }

  private gather(notice: Notice, channel: Channel, { digests }: Sender, fallback: boolean): void {
    const now = this.options.now();
    const quietEnd = channel.quiet !== null && !atLeast(notice.severity, channel.quiet.bypass) ? quietUntil(channel.quiet, now) : null;
    const state = quietEnd === null ? ('gathering' as const) : ('held' as const);
    const open = digests ? [...this.messages.values()].find((m) => m.channel === channel.id && m.state === state && m.notices.length < MOST_NOTICES) : undefined;
    if (open !== undefined) return this.put({ ...open, notices: [...open.notices, notice] });
    const together = digests ? Math.max(now + this.options.gatherMs(), (this.lastSent.get(channel.id) ?? 0) + SPACING_MS) : now;
    // A firing that comes and goes is one mail an hour; what it came to is in it.
    const mailedAt = channel.type === 'email' && !notice.resolved ? this.mailed.get(notice.fingerprint) : undefined;
    const spaced = mailedAt === undefined || atLeast(notice.severity, 'critical') ? together : Math.max(together, mailedAt + MAIL_SPACING_MS);
    // Clocks that were set back must not hold a message for longer than it would be held anyway.
    const dueAt = quietEnd ?? epochMs(Math.min(spaced, now + MAIL_SPACING_MS));
    this.put({ id: messageId(), channel: channel.id, state, createdAt: now, dueAt, attempts: 0, fellBack: fallback, notices: [notice] });
  }

  /** A firing that was not told yet and is over is not told at all. True: so it was, and the end is not told either. */
  private collapse(notice: Notice, line: Line): boolean {
    const { id, minSeverity } = line.channel;
    for (const message of this.messages.values()) {
      if (message.channel !== id || (message.state !== 'gathering' && message.state !== 'held')) continue;
      const rest = message.notices.filter(({ incident }) => incident !== notice.incident);
      // Only where the beginning itself is here: a repetition or a rise of what was told long ago needs its end.
      const begins = message.notices.some((n) => n.incident === notice.incident && !n.repeated && !n.resolved && (n.raisedFrom == null || !atLeast(n.raisedFrom, minSeverity)));
      if (!begins) continue;
      this.put({ ...message, notices: rest, state: rest.length === 0 ? 'collapsed' : message.state });
      this.unsent(line, notice, 'collapsed', 'fired and resolved before it was sent', message);
      return true;
    }
    return false;
  }

  private async work(channel: string, due: readonly OutboxMessage[]): Promise<void> {
    this.busy.add(channel);
    try {
      for (const message of due) {
        if (this.stopped) return;
        await this.tryOnce(message);
      }
    } finally {
      this.busy.delete(channel);
    }
  }

  private async tryOnce(message: OutboxMessage): Promise<void> {
    const line = this.lines.get(message.channel);
    const gone: Sent = { status: null, said: 'the channel is not in the config any more', retryAfterMs: null, hopeless: true };
    const { sent, ms } = line === undefined ? { sent: gone, ms: 0 } : await this.timed(line, message);
    const now = this.options.now();
    const attempts = message.attempts + 1;
    if (isGood(sent)) {
      this.lastSent.set(message.channel, now);
      if (line?.channel.type === 'email') for (const { fingerprint } of message.notices) this.mailed.set(fingerprint, now);
      this.put({ ...message, attempts, state: 'sent' });
      this.note(line, message, attempts, sent, ms, 'delivered', null, true);
      return;
    }
    const delay = RETRY_DELAYS_MS[attempts];
    const dead = sent.hopeless || delay === undefined;
    const jittered = (delay ?? 0) * (0.8 + 0.4 * this.options.random());
    const nextAt = dead ? null : epochMs(Math.round(now + Math.max(jittered, Math.min(sent.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS))));
    const fellBack = message.fellBack || this.fallBack(message, line, dead || attempts >= FALLBACK_AFTER);
    this.put({ ...message, attempts, fellBack, state: dead ? 'dead' : 'sending', dueAt: nextAt ?? message.dueAt });
    this.note(line, message, attempts, sent, ms, dead ? 'dead' : 'retry', nextAt, true);
  }

  private fallBack({ notices }: OutboxMessage, line: Line | undefined, failedEnough: boolean): boolean {
    const critical = notices.filter(({ severity }) => severity === 'critical');
    const other = line?.channel.fallback ?? null;
    if (!failedEnough || other === null || critical.length === 0) return false;
    for (const notice of critical) this.add(notice, other, true);
    return true;
  }

  private async timed({ sender }: Line, message: OutboxMessage): Promise<{ sent: Sent; ms: number }> {
    const began = performance.now();
    const sent = await sender.send(this.letter(message), this.options.reach());
    return { sent, ms: performance.now() - began };
  }

  private letter(message: OutboxMessage): Letter {
    return { message, now: this.options.now(), dashboardUrl: this.options.dashboardUrl() };
  }

  private note(line: Line | undefined, message: OutboxMessage, attempt: number, sent: Sent, ms: number, result: Delivery['result'], nextAt: EpochMs | null, counted: boolean): Delivery {
    const rules = [...new Set(message.notices.map(({ rule }) => rule))].join(', ');
    const delivery: Delivery = {
      id: randomUUID(), message: message.id, channel: message.channel, rule: rules, at: this.options.now(), attempt, result, status: sent.status, ms: Math.round(ms),
      detail: redacted(sent.said, line?.sender.secrets ?? []), nextAt,
    };
    this.deliveries = [delivery, ...this.deliveries].slice(0, DELIVERIES_KEPT);
    this.newDeliveries.push(delivery);
    if (counted) this.counts.set(`${message.channel}\n${result}`, (this.counts.get(`${message.channel}\n${result}`) ?? 0) + 1);
    return delivery;
  }

  /** A line in the log about what was not sent. */
  private unsent(line: Line, notice: Notice, result: 'collapsed' | 'silenced', why: string, message: Pick<OutboxMessage, 'id' | 'channel'> = { id: messageId(), channel: line.channel.id }): void {
    const about: OutboxMessage = { id: message.id, channel: message.channel, state: 'collapsed', createdAt: notice.at, dueAt: notice.at, attempts: 0, fellBack: true, notices: [notice] };
    this.note(line, about, 0, { status: null, said: why, retryAfterMs: null, hopeless: false }, 0, result, null, true);
  }

  private put(message: OutboxMessage): void {
    if (message.state === 'sent' || message.state === 'dead' || message.state === 'collapsed') this.messages.delete(message.id);
    else this.messages.set(message.id, message);
    this.changedMessages.set(message.id, message);
  }
}

/** How the id of a test begins: all that is kept of a message is its tries, and they have to tell. */
const TEST = 'test_';
const messageId = (prefix: string = 'msg_'): string => `${prefix}${randomUUID().replaceAll('-', '')}`;
const isTest = ({ message }: Delivery): boolean => message.startsWith(TEST);
const isGood = ({ status }: Sent): boolean => status !== null && status >= 200 && status < 300;

/** 200 characters, on one line, without any of the channel's secrets: receivers like to quote what they got. */
export function redacted(said: string, secrets: readonly string[]): string {
  let text = said;
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) if (secret.length >= 4) text = text.replaceAll(secret, '[redacted]');
  return text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim().slice(0, 200);
}

/** When the quiet hours that hold `now` end; null when none do. */
export function quietUntil({ timezone, days, from, to }: QuietHours, now: EpochMs): EpochMs | null {
  const today = DateTime.fromMillis(now, { zone: timezone }).startOf('day');
  // Those that began yesterday may still last.
  for (const back of [0, 1]) {
    const day = today.minus({ days: back });
    if (!days.includes(WEEKDAYS[day.weekday - 1]!)) continue;
    const at = (minutes: number, on: DateTime): number => on.set({ hour: Math.floor(minutes / 60), minute: minutes % 60 }).toMillis();
    const begin = at(from, day);
    const end = at(to, to > from ? day : day.plus({ days: 1 }));
    if (now >= begin && now < end) return epochMs(end);
  }
  return null;
}
