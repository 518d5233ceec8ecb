// test/alert/payloads.test.ts: what goes over the wire against the schemas that the providers document: closed objects, every limit, whatever names and texts hold.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { systemResolver } from '../../server/alert/address.ts';
import { senderOf } from '../../server/alert/channels/senders.ts';
import type { Notice } from '../../server/domain/alert.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Channel } from '../../server/domain/settings.ts';
import { startReceiver, type Receiver } from './receiver.ts';

const AT = epochMs(Date.UTC(2026, 10, 21, 12));
let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());

/* Slack: docs.slack.dev/reference/block-kit/blocks (header, section, actions, context), /composition-objects/text-object, /block-elements/button-element; docs.slack.dev/messaging/formatting-message-text for the three characters. */
const text = (least: number, most: number) => z.string().min(least).max(most).refine((value) => !/<|>|&(?!amp;|lt;|gt;)(?!\w{0,3}…$)/.test(value), 'characters that Slack would take for mark-up');
const plainText = (most: number) => z.strictObject({ type: z.literal('plain_text'), text: text(1, most), emoji: z.boolean().optional() });
const mrkdwn = (most: number) => z.strictObject({ type: z.literal('mrkdwn'), text: text(1, most), verbatim: z.boolean().optional() });
const button = z.strictObject({ type: z.literal('button'), text: plainText(75), action_id: z.string().max(255).optional(), url: z.url().max(3000), value: z.string().max(2000).optional(), style: z.enum(['primary', 'danger']).optional() });
const slack = z.strictObject({
  text: text(1, 40_000),
  blocks: z.array(z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('header'), text: plainText(150) }),
    z.strictObject({ type: z.literal('section'), text: mrkdwn(3000).optional(), fields: z.array(mrkdwn(2000)).min(1).max(10).optional() }).refine((section) => section.text !== undefined || section.fields !== undefined, 'text or fields'),
    z.strictObject({ type: z.literal('actions'), elements: z.array(button).min(1).max(25) }),
    z.strictObject({ type: z.literal('context'), elements: z.array(mrkdwn(3000)).min(1).max(10) }),
  ])).min(1).max(50),
});

/* Teams: learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook (28 KB, the envelope); Adaptive Cards 1.4: github.com/microsoft/AdaptiveCards schemas/1.4.0/adaptive-card.json. */
const card = z.strictObject({
  $schema: z.url(),
  type: z.literal('AdaptiveCard'),
  version: z.literal('1.4'),
  fallbackText: z.string(),
  body: z.array(z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('TextBlock'), text: z.string().min(1), wrap: z.boolean().optional(), isSubtle: z.boolean().optional(), size: z.enum(['default', 'small', 'medium', 'large', 'extraLarge']).optional(),
      weight: z.enum(['default', 'lighter', 'bolder']).optional(), color: z.enum(['default', 'dark', 'light', 'accent', 'good', 'warning', 'attention']).optional(), spacing: z.enum(['default', 'none', 'small', 'medium', 'large', 'extraLarge', 'padding']).optional(),
    }),
    z.strictObject({ type: z.literal('FactSet'), facts: z.array(z.strictObject({ title: z.string(), value: z.string() })) }),
  ])).min(1),
  actions: z.array(z.strictObject({ type: z.literal('Action.OpenUrl'), title: z.string().min(1), url: z.url() })).optional(),
});
const teams = z.strictObject({ type: z.literal('message'), attachments: z.tuple([z.strictObject({ contentType: z.literal('application/vnd.microsoft.card.adaptive'), content: card })]) });
const TEAMS_BYTES = 28 * 1024;

/* PagerDuty: github.com/PagerDuty/developer-docs docs/events-API-v2/01-Overview.md and 02-Trigger-Events.md. */
const KEY = z.string().length(32);
const pagerduty = z.discriminatedUnion('event_action', [
  z.strictObject({
    routing_key: KEY, event_action: z.literal('trigger'), dedup_key: z.string().min(1).max(255),
    payload: z.strictObject({
      summary: z.string().min(1).max(1024), source: z.string().min(1), severity: z.enum(['critical', 'error', 'warning', 'info']), timestamp: z.iso.datetime({ offset: true }), component: z.string(), group: z.string(), class: z.string(), custom_details: z.record(z.string(), z.unknown()),
    }),
    links: z.array(z.strictObject({ href: z.url(), text: z.string() })).optional(),
  }),
  z.strictObject({ routing_key: KEY, event_action: z.literal('acknowledge'), dedup_key: z.string().min(1).max(255) }),
  z.strictObject({ routing_key: KEY, event_action: z.literal('resolve'), dedup_key: z.string().min(1).max(255) }),
]);
const PAGERDUTY_BYTES = 512 * 1024;

/* Standard Webhooks 1.0.0: github.com/standard-webhooks/standard-webhooks spec/standard-webhooks.md: payload structure, webhook headers, signature scheme. */
const alert = z.strictObject({
  event: z.enum(['alert.firing', 'alert.acknowledged', 'alert.resolved', 'alert.test']), rule: z.string(), severity: z.string(), scope: z.string(), fingerprint: z.string(), incident: z.string(), at: z.iso.datetime(), since: z.iso.datetime().nullable(), resolved: z.boolean(), repeated: z.boolean(),
  title: z.string(), text: z.string(), value: z.number(), threshold: z.number(), unit: z.string(), facts: z.array(z.strictObject({ label: z.string(), value: z.string() })), acknowledged_by: z.string().nullable(), url: z.url().nullable(), budget: z.string().nullable(), extra_usd: z.number().nullable(),
});
const webhook = z.strictObject({ id: z.string(), type: z.string().regex(/^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*$/), timestamp: z.iso.datetime(), data: z.union([alert, z.strictObject({ alerts: z.array(alert).min(2) })]) });
const webhookHeaders = z.looseObject({
  'content-type': z.literal('application/json'), 'webhook-id': z.string().regex(/^[^.]{1,256}$/), 'webhook-timestamp': z.string().regex(/^\d{10}$/), 'webhook-signature': z.string().regex(/^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)*$/),
});

const channel = (type: Channel['type']): Channel => ({
  id: 'ops', type, minSeverity: 'info', quiet: null, repeatMs: null, fallback: null,
  fields: new Map<string, unknown>([['url', receiver.url], ['routing_key', 'R0123456789ABCDEF0123456789ABCDE'], ['secret', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'], ['previous_secret', 'whsec_plJ3nmyCDGBKInavdOK15jsl']]),
});

const usual: Notice = {
  id: 'n', type: 'alert.firing', fingerprint: 'budget:support-month@2026-11-01T00:00Z', incident: '5f0c', rule: 'budget', scope: 'support-month', at: AT, since: AT, peak: 330, ackedBy: null, repeated: false, resolved: false,
  severity: 'warning', title: 'Budget support-month has reached 80 % of its month', text: '$330.00 of $400.00 are spent.', facts: [{ label: 'Spent', value: '$330.00' }, { label: 'Limit', value: '$400.00' }], value: 330, threshold: 320, unit: 'usd', notify: null,
};
/** Names come from clients: a model, a workflow or a key can hold anything. */
const HOSTILE = ['<!channel> & <https://evil.example|x>', '*_`~[a](b)`\\', '\u0000\u0001\u001b[31m\u007f', '\u202eabc', '🧨'.repeat(40), '漢'.repeat(4_000), '"\\'.repeat(4_000), '&'.repeat(4_000), '\u0001'.repeat(4_000), ''];
const hostile = HOSTILE.map((nasty, i): Notice => ({ ...usual, incident: `i${i}`, title: `Model ${nasty} has no price`, text: `${nasty} ${nasty}`, scope: nasty, fingerprint: `unpriced:${nasty}`, rule: 'unpriced', facts: Array.from({ length: 15 }, (_, n) => ({ label: `${n} ${nasty}`, value: nasty })) }));
const ended = (notice: Notice): Notice => ({ ...notice, type: 'alert.resolved', resolved: true, since: epochMs(AT - 3_600_000), ackedBy: 'jane <jane@example.com>' });

const LETTERS: { name: string; notices: readonly Notice[] }[] = [
  { name: 'one that fires', notices: [usual] },
  { name: 'one that has ended', notices: [ended(usual)] },
  { name: 'one that is told again', notices: [{ ...usual, repeated: true, severity: 'critical' }] },
  { name: 'a test', notices: [{ ...usual, type: 'alert.test', severity: 'info' }] },
  { name: 'one without figures', notices: [{ ...usual, facts: [], since: null }] },
  { name: 'one that somebody took on', notices: [{ ...usual, type: 'alert.acknowledged', ackedBy: 'jane' }] },
  ...hostile.map((notice, i) => ({ name: `hostile text ${i}`, notices: [notice] })),
  ...hostile.map((notice, i) => ({ name: `hostile text ${i}, ended`, notices: [ended(notice)] })),
  { name: 'a digest of two', notices: [usual, ended(usual)] },
  { name: 'a digest of all that is hostile', notices: hostile },
  { name: 'a digest of a hundred', notices: Array.from({ length: 100 }, (_, i) => ({ ...usual, incident: `i${i}` })) },
];

async function wire(type: Channel['type'], notices: readonly Notice[], dashboardUrl: string | null): Promise<{ body: string; headers: object }> {
  const before = receiver.received.length;
  const sent = await senderOf(channel(type)).send({ message: { id: 'msg_0123456789abcdef', notices }, now: AT, dashboardUrl }, { privateAddresses: true, resolve: systemResolver });
  expect(sent.status).toBe(200);
  return receiver.received[before]!;
}

const failures = (schema: z.ZodType, value: unknown): string[] => (schema.safeParse(value).error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);

test.each(LETTERS)('$name is what every provider documents', async ({ notices }) => {
  for (const dashboardUrl of [null, 'https://tollgate.example/']) {
    const forSlack = await wire('slack', notices, dashboardUrl);
    expect(failures(slack, JSON.parse(forSlack.body))).toEqual([]);
    const forTeams = await wire('teams', notices, dashboardUrl);
    expect(failures(teams, JSON.parse(forTeams.body))).toEqual([]);
    expect(Buffer.byteLength(forTeams.body)).toBeLessThanOrEqual(TEAMS_BYTES);
    const hook = await wire('webhook', notices, dashboardUrl);
    expect(failures(webhook, JSON.parse(hook.body))).toEqual([]);
    expect(failures(webhookHeaders, hook.headers)).toEqual([]);
    // PagerDuty takes one event for each alert.
    for (const notice of notices.slice(0, 12)) {
      const event = await wire('pagerduty', [notice], dashboardUrl);
      expect(failures(pagerduty, JSON.parse(event.body))).toEqual([]);
      expect(Buffer.byteLength(event.body)).toBeLessThanOrEqual(PAGERDUTY_BYTES);
    }
  }
});
