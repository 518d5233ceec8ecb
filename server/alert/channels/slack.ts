// server/alert/channels/slack.ts: Slack's incoming webhooks: blocks, with a text for notifications.

import type { Notice } from '../../domain/alert.ts';
import { post } from '../post.ts';
import { clip, footnotes, headline, linkOf, silenceLinkOf, subject, type Letter, type Sender } from './channel.ts';

/** Slack's limits: 50 blocks; 150 characters in a header, 3,000 in a section, 10 fields of 2,000; one message a second. docs.slack.dev/reference/block-kit/blocks */
const MOST_NOTICES = 10;
const MOST_URL = 3_000;
const MARK = { critical: ':red_circle:', warning: ':large_orange_circle:', info: ':large_blue_circle:' } as const;

/** The three characters that Slack's mark-up is made of; mentions and links in names stay text. */
export const escapeSlack = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export function slackSender(url: string): Sender {
  const payload = ({ message, dashboardUrl }: Letter): object => {
    const shown = message.notices.slice(0, MOST_NOTICES);
    const more = message.notices.length - shown.length;
    return {
      text: clip(escapeSlack(subject(message.notices)), 3_000),
      blocks: [
        ...(message.notices.length === 1 ? [] : [header(subject(message.notices))]),
        ...shown.flatMap((notice) => blocksOf(notice, message.notices.length === 1, dashboardUrl)),
        ...(more > 0 ? [context(`And ${more} more; the dashboard shows all.`)] : []),
      ],
    };
  };
  return {
    digests: true,
    secrets: [url, new URL(url).pathname],
    show: (letter) => JSON.stringify(payload(letter)),
    send: (letter, reach) => post({ url, headers: { 'content-type': 'application/json' }, body: JSON.stringify(payload(letter)) }, reach),
  };
}

function blocksOf(notice: Notice, alone: boolean, dashboardUrl: string | null): object[] {
  const link = linkOf(dashboardUrl, notice);
  const silence = silenceLinkOf(dashboardUrl, notice);
  const mark = notice.resolved ? ':white_check_mark:' : MARK[notice.severity];
  return [
    ...(alone ? [header(headline(notice))] : []),
    { type: 'section', text: { type: 'mrkdwn', text: clip(`${mark} ${alone ? '' : `*${escapeSlack(headline(notice))}* `}${escapeSlack(notice.text)}`, 3_000) } },
    ...(notice.facts.length === 0 ? [] : [{ type: 'section', fields: notice.facts.slice(0, 10).map(({ label, value }) => ({ type: 'mrkdwn', text: clip(`*${escapeSlack(label)}*\n${escapeSlack(value)}`, 2_000) })) }]),
    ...(link === null ? [] : [{ type: 'actions', elements: [button('Open', link), ...(silence === null || silence.length > MOST_URL ? [] : [button('Silence…', silence)])] }]),
    context([notice.severity, ...footnotes(notice)].map(escapeSlack).join(' · ')),
  ];
}

const button = (text: string, url: string): object => ({ type: 'button', text: { type: 'plain_text', text }, url: clip(url, MOST_URL) });
const header = (text: string): object => ({ type: 'header', text: { type: 'plain_text', text: clip(escapeSlack(text), 150), emoji: false } });
const context = (text: string): object => ({ type: 'context', elements: [{ type: 'mrkdwn', text: clip(text, 3_000) }] });
