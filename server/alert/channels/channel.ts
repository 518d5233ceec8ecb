// server/alert/channels/channel.ts: what every kind of channel can do: show a message, and send it.

import type { Notice, OutboxMessage, Severity } from '../../domain/alert.ts';
import type { Sent, Reach } from '../post.ts';

/** What a message holds for every kind of channel. */
export interface Letter {
  readonly message: Pick<OutboxMessage, 'id' | 'notices'>;
  readonly now: number;
  readonly dashboardUrl: string | null;
}

export interface Sender {
  /** The payload as it goes over the wire, without the address and without secrets, for `--print` and the tests. */
  show(letter: Letter): string;
  /** Never throws. */
  send(letter: Letter, reach: Reach): Promise<Sent>;
  /** What must not stand in a log. */
  readonly secrets: readonly string[];
  /** False: every notice is a message of its own. */
  readonly digests: boolean;
  /** True: it keeps a state of its own, and is told when somebody acknowledged. */
  readonly acknowledges?: true;
}

/** `[TEST] `, `Resolved: `, `Still: ` or nothing, before the title. */
export const headline = (notice: Notice): string =>
  `${notice.type === 'alert.test' ? '[TEST] ' : ''}${notice.resolved ? 'Resolved: ' : notice.repeated ? 'Still: ' : ''}${notice.title}`;

/** One line for a digest as a whole. */
export function subject(notices: readonly Notice[]): string {
  const [first] = notices;
  if (notices.length === 1 && first !== undefined) return headline(first);
  const resolved = notices.filter((notice) => notice.resolved).length;
  return [`${notices.length - resolved} alerts`, ...(resolved > 0 ? [`${resolved} resolved`] : [])].join(', ');
}

export const worst = (notices: readonly Notice[]): Severity =>
  notices.some((n) => n.severity === 'critical') ? 'critical' : notices.some((n) => n.severity === 'warning') ? 'warning' : 'info';

/** What is said below the facts: how long it lasted, who had seen it, and what names it. */
export function footnotes(notice: Notice): string[] {
  return [
    ...(notice.resolved && notice.since !== null ? [`Lasted ${lasted(notice.at - notice.since)}; peak ${peakOf(notice)}${notice.extra == null ? '' : `; about $${notice.extra.toFixed(2)} more than usual`}.`] : []),
    ...(notice.ackedBy === null ? [] : [`Acknowledged by ${notice.ackedBy}.`]),
    `Incident ${notice.incident}`,
  ];
}

const peakOf = ({ peak, unit }: Notice): string => (unit === 'usd' ? `$${peak.toFixed(2)}` : unit === 'ratio' ? peak.toFixed(3) : unit === 'days' ? `${Math.floor(peak)} days` : String(Math.round(peak)));

export function lasted(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.round(minutes / 1440)} days`;
}

/** Characters, not code units: a cut never splits one in two. Control characters, which names of clients can hold, become spaces: no channel shows them, and as JSON each is six bytes. */
export function clip(said: string, most: number): string {
  const text = said.slice(0, most + 1).replaceAll(/\p{Cc}/gu, (one) => (one === '\n' ? one : ' '));
  if (text.length <= most) return text;
  let end = most - 1;
  if (/[\uD800-\uDBFF]/.test(text[end - 1] ?? '')) end -= 1;
  return `${text.slice(0, end)}…`;
}

export const linkOf = (dashboardUrl: string | null, { rule, scope }: Pick<Notice, 'rule' | 'scope'>): string | null =>
  dashboardUrl === null ? null : new URL(['budget', 'pace', 'forecast'].includes(rule) ? '/budgets' : `/?${new URLSearchParams(rule === 'anomaly' ? { ws: scope } : {}).toString()}`.replace(/\?$/, ''), dashboardUrl).href;

/** Where an alert is silenced for a while; null for what has ended or is a test, and without a dashboard. */
export const silenceLinkOf = (dashboardUrl: string | null, { rule, scope, resolved, type }: Pick<Notice, 'rule' | 'scope' | 'resolved' | 'type'>): string | null =>
  dashboardUrl === null || resolved || type === 'alert.test' ? null : new URL(`/budgets?${new URLSearchParams({ silence: `${rule}:${scope}` }).toString()}`, dashboardUrl).href;
