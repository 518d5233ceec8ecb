// server/alert/channels/webhook.ts: a generic webhook, signed as Standard Webhooks describes (standardwebhooks.com).

import { createHmac } from 'node:crypto';
import type { Notice } from '../../domain/alert.ts';
import { post } from '../post.ts';
import { linkOf, type Letter, type Sender } from './channel.ts';

export function webhookSender({ url, secrets }: { url: string; /** The one in force first. */ secrets: readonly string[] }): Sender {
  const payload = ({ message, dashboardUrl }: Letter): string => {
    const [first] = message.notices;
    const data = message.notices.map((notice) => dataOf(notice, dashboardUrl));
    const single = message.notices.length === 1;
    return JSON.stringify({
      id: message.id,
      type: single ? first?.type : 'alert.digest',
      timestamp: new Date(first?.at ?? 0).toISOString(),
      data: single ? data[0] : { alerts: data },
    });
  };
  return {
    digests: true,
    secrets: [url, new URL(url).pathname, ...new URL(url).searchParams.values(), ...secrets],
    show: payload,
    send(letter, reach) {
      const body = payload(letter);
      const seconds = Math.floor(letter.now / 1000);
      // The id stays the same over retries; the time is that of the try.
      const signatures = secrets.map((secret) => `v1,${signature(secret, letter.message.id, seconds, body)}`);
      return post({
        url,
        headers: {
          'content-type': 'application/json',
          'webhook-id': letter.message.id,
          'webhook-timestamp': String(seconds),
          ...(signatures.length === 0 ? {} : { 'webhook-signature': signatures.join(' ') }),
        },
        body,
      }, reach);
    },
  };
}

/** `whsec_` stands before base64; anything else is the key's own bytes. */
export function signature(secret: string, id: string, seconds: number, body: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret, 'utf8');
  return createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
}

const dataOf = (notice: Notice, dashboardUrl: string | null): object => ({
  event: notice.type,
  rule: notice.rule,
  severity: notice.severity,
  scope: notice.scope,
  budget: notice.rule === 'budget' || notice.rule === 'pace' || notice.rule === 'forecast' ? notice.scope : null,
  fingerprint: notice.fingerprint,
  incident: notice.incident,
  at: new Date(notice.at).toISOString(),
  since: notice.since === null ? null : new Date(notice.since).toISOString(),
  resolved: notice.resolved,
  repeated: notice.repeated,
  title: notice.title,
  text: notice.text,
  value: notice.value,
  threshold: notice.threshold,
  unit: notice.unit,
  extra_usd: notice.extra ?? null,
  facts: notice.facts,
  acknowledged_by: notice.ackedBy,
  url: linkOf(dashboardUrl, notice),
});
