// server/alert/channels/pagerduty.ts: PagerDuty's Events API v2: one event per alert; the fingerprint ties trigger, acknowledge and resolve together.

import { createHash } from 'node:crypto';
import type { Notice } from '../../domain/alert.ts';
import { post } from '../post.ts';
import { clip, headline, linkOf, type Letter, type Sender } from './channel.ts';

const MOST_FACTS = 20;

/** Limits: 255 characters of dedup_key, 1,024 of summary, 512 KB in all; 202 means taken. developer.pagerduty.com/docs/events-api-v2 */
export function pagerdutySender({ url, routingKey }: { url: string; routingKey: string }): Sender {
  const event = ({ message, dashboardUrl }: Letter, key: string): object => {
    const notice = message.notices[0] as Notice;
    const dedupKey = dedupKeyOf(notice);
    if (notice.resolved) return { routing_key: key, event_action: 'resolve', dedup_key: dedupKey };
    if (notice.type === 'alert.acknowledged') return { routing_key: key, event_action: 'acknowledge', dedup_key: dedupKey };
    const link = linkOf(dashboardUrl, notice);
    return {
      routing_key: key,
      event_action: 'trigger',
      dedup_key: dedupKey,
      payload: {
        summary: clip(headline(notice), 1_024),
        source: 'tollgate',
        severity: notice.severity,
        timestamp: new Date(notice.at).toISOString(),
        component: clip(notice.scope, 255),
        group: 'tollgate',
        class: notice.rule,
        custom_details: { text: clip(notice.text, 4_000), incident: notice.incident, ...Object.fromEntries(notice.facts.slice(0, MOST_FACTS).map(({ label, value }) => [clip(label, 100), clip(value, 1_000)])) },
      },
      ...(link === null ? {} : { links: [{ href: link, text: 'Open' }] }),
    };
  };
  return {
    digests: false,
    acknowledges: true,
    secrets: [routingKey],
    show: (letter) => JSON.stringify(event(letter, '(routing key)')),
    send: (letter, reach) => post({ url, headers: { 'content-type': 'application/json' }, body: JSON.stringify(event(letter, routingKey)) }, reach),
  };
}

/** A test never touches the incident of a real alert. */
export function dedupKeyOf({ fingerprint, type }: Pick<Notice, 'fingerprint' | 'type'>): string {
  const key = `tollgate:${type === 'alert.test' ? 'test:' : ''}${fingerprint}`;
  return key.length <= 255 ? key : `${key.slice(0, 190)}:${createHash('sha256').update(key).digest('hex').slice(0, 64)}`;
}
