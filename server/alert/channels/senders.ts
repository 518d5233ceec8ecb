// server/alert/channels/senders.ts: from a channel of the config to what sends for it.

import type { Channel } from '../../domain/settings.ts';
import { alertmanagerSender } from './alertmanager.ts';
import type { Sender } from './channel.ts';
import { emailSender } from './email.ts';
import { pagerdutySender } from './pagerduty.ts';
import { slackSender } from './slack.ts';
import { teamsSender } from './teams.ts';
import { webhookSender } from './webhook.ts';

/** The config's schema has checked the fields of each kind. */
export function senderOf({ type, fields }: Channel): Sender {
  const text = (name: string): string => String(fields.get(name));
  switch (type) {
    case 'slack': return slackSender(text('url'));
    case 'teams': return teamsSender(text('url'));
    case 'pagerduty': return pagerdutySender({ url: text('url'), routingKey: text('routing_key') });
    case 'webhook': return webhookSender({ url: text('url'), secrets: ['secret', 'previous_secret'].map((name) => fields.get(name)).filter((secret) => typeof secret === 'string') });
    case 'alertmanager': return alertmanagerSender(text('url'));
    case 'email': return emailSender({ smtp: text('smtp'), from: text('from'), to: fields.get('to') as readonly string[] });
  }
}
