// server/alert/channels/alertmanager.ts: an Alertmanager of Prometheus, which then groups, inhibits, silences and routes as it is told to.

import type { Notice, Severity } from '../../domain/alert.ts';
import { post } from '../post.ts';
import { clip, footnotes, headline, linkOf, type Letter, type Sender } from './channel.ts';

const DAY_MS = 86_400_000;
/** What is not pushed again by then is over for Alertmanager. It forgets what fires when it restarts, so a channel repeats. */
const LASTS_MS = 7 * DAY_MS;
const TEST_LASTS_MS = 60_000;

interface Pushed {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL?: string;
}

/** @param url where Alertmanager is, e.g. `http://127.0.0.1:9093`; its API v2 stands below it */
export function alertmanagerSender(url: string): Sender {
  const address = new URL(url);
  address.pathname = `${address.pathname.replace(/\/+$/, '')}/api/v2/alerts`;
  const payload = ({ message: { notices }, now, dashboardUrl }: Letter): string => JSON.stringify(notices.flatMap((notice) => pushedFor(notice, now, dashboardUrl)));
  return {
    digests: true,
    acknowledges: true,
    secrets: [url, ...(address.password === '' ? [] : [address.password])],
    show: payload,
    send: (letter, reach) => post({ url: address.href, headers: { 'content-type': 'application/json' }, body: payload(letter) }, reach),
  };
}

/** One that became more urgent is another alert there, since its labels are its name: the one before ends. */
function pushedFor(notice: Notice, now: number, dashboardUrl: string | null): Pushed[] {
  const before = notice.raisedFrom ?? null;
  return [
    ...(before === null || before === notice.severity ? [] : [pushed(notice, before, notice.at, dashboardUrl)]),
    pushed(notice, notice.severity, notice.resolved ? notice.at : now + (notice.type === 'alert.test' ? TEST_LASTS_MS : LASTS_MS), dashboardUrl),
  ];
}

function pushed(notice: Notice, severity: Severity, endsAt: number, dashboardUrl: string | null): Pushed {
  const link = linkOf(dashboardUrl, notice);
  const startsAt = Math.min(notice.since ?? notice.at, endsAt);
  return {
    labels: { alertname: nameOf(notice), service: 'tollgate', rule: notice.rule, scope: clip(notice.scope, 255), severity },
    annotations: {
      summary: clip(headline({ ...notice, repeated: false, resolved: false }), 1_000),
      description: clip([notice.text, ...notice.facts.map(({ label, value }) => `${label}: ${value}`), ...footnotes(notice)].join('\n'), 8_000),
    },
    startsAt: new Date(startsAt).toISOString(),
    endsAt: new Date(endsAt).toISOString(),
    ...(link === null ? {} : { generatorURL: link }),
  };
}

/** `budget` is TollgateBudget, as the alerts of Prometheus' own rules are named; a test has a name that no route is for. */
const nameOf = ({ rule, type }: Pick<Notice, 'rule' | 'type'>): string =>
  type === 'alert.test' ? 'TollgateTest' : `Tollgate${rule.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')}`;
