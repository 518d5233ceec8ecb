// server/alert/channels/teams.ts: the webhook of a Teams workflow: one Adaptive Card.

import type { Notice } from '../../domain/alert.ts';
import { post } from '../post.ts';
import { clip, footnotes, headline, linkOf, subject, type Letter, type Sender } from './channel.ts';

/** Teams takes 28 KB; cards of Adaptive Cards 1.4. learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors */
const MOST_BYTES = 25 * 1024;
const COLOUR = { critical: 'attention', warning: 'warning', info: 'accent' } as const;

export function teamsSender(url: string): Sender {
  const payload = (letter: Letter): string => {
    // Fewer notices until it fits; one alone fits, since its texts are cut.
    for (let shown = Math.min(letter.message.notices.length, 10); ; shown--) {
      const text = JSON.stringify(card(letter, shown));
      if (shown <= 1 || Buffer.byteLength(text) <= MOST_BYTES) return text;
    }
  };
  return {
    digests: true,
    secrets: [url, new URL(url).pathname, ...new URL(url).searchParams.values()],
    show: payload,
    send: (letter, reach) => post({ url, headers: { 'content-type': 'application/json' }, body: payload(letter) }, reach),
  };
}

function card({ message, dashboardUrl }: Letter, shown: number): object {
  const { notices } = message;
  const links = [...new Set(notices.slice(0, shown).map((notice) => linkOf(dashboardUrl, notice)).filter((link) => link !== null))].slice(0, 1);
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          fallbackText: clip(subject(notices), 500),
          body: [
            ...(notices.length === 1 ? [] : [{ type: 'TextBlock', size: 'large', weight: 'bolder', wrap: true, text: plain(clip(subject(notices), 300)) }]),
            ...notices.slice(0, shown).flatMap(blocksOf),
            ...(notices.length > shown ? [{ type: 'TextBlock', wrap: true, isSubtle: true, text: `And ${notices.length - shown} more; the dashboard shows all.` }] : []),
          ],
          ...(links.length === 0 ? {} : { actions: links.map((link) => ({ type: 'Action.OpenUrl', title: 'Open', url: link })) }),
        },
      },
    ],
  };
}

const blocksOf = (notice: Notice): object[] => [
  { type: 'TextBlock', size: 'medium', weight: 'bolder', wrap: true, color: notice.resolved ? 'good' : COLOUR[notice.severity], text: plain(clip(headline(notice), 300)) },
  { type: 'TextBlock', wrap: true, text: plain(clip(notice.text, 1_500)) },
  { type: 'FactSet', facts: notice.facts.slice(0, 10).map(({ label, value }) => ({ title: clip(label, 100), value: plain(clip(value, 300)) })) },
  { type: 'TextBlock', wrap: true, isSubtle: true, spacing: 'small', text: plain(clip([notice.severity, ...footnotes(notice)].join(' · '), 500)) },
];

/** Text blocks read Markdown: what names hold of it stays text. */
const plain = (text: string): string => text.replaceAll(/[\\*_[\]`]/g, '\\$&');
