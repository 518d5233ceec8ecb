// server/alert/channels/email.ts: e-mail over SMTP: a text and an HTML part; all mails of one incident form a thread.

import { createHash } from 'node:crypto';
import type { Notice } from '../../domain/alert.ts';
import { AddressRefused, checkedAddress } from '../address.ts';
import { failed, type Sent } from '../post.ts';
import { footnotes, headline, linkOf, subject, worst, type Letter, type Sender } from './channel.ts';

const TIMEOUT_MS = 5_000;

export interface EmailFields {
  /** `smtp://` or `smtps://`, with user and password where the server asks for them. */
  readonly smtp: string;
  readonly from: string;
  readonly to: readonly string[];
}

export function emailSender({ smtp, from, to }: EmailFields): Sender {
  const server = new URL(smtp);
  const user = decodeURIComponent(server.username);
  const password = decodeURIComponent(server.password);
  const mailOf = ({ message, dashboardUrl }: Letter) => {
    const { notices } = message;
    const threads = [...new Set(notices.map(({ incident }) => threadId(incident)))];
    return {
      from,
      to: [...to],
      subject: `[tollgate] ${notices.every((n) => n.resolved) ? '' : `${worst(notices)}: `}${subject(notices)}`,
      messageId: `<${message.id}@tollgate>`,
      references: threads,
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
      text: notices.map((notice) => textOf(notice, linkOf(dashboardUrl, notice))).join('\n\n----\n\n'),
      html: `<!doctype html><html><body>${notices.map((notice) => htmlOf(notice, linkOf(dashboardUrl, notice))).join('<hr>')}</body></html>`,
      disableFileAccess: true,
      disableUrlAccess: true,
    };
  };
  return {
    digests: true,
    secrets: [smtp, server.host, ...(password === '' ? [] : [password, server.password, user])],
    show: (letter) => JSON.stringify(mailOf(letter)),
    async send(letter, reach): Promise<Sent> {
      try {
        const name = server.hostname.replace(/^\[|\]$/g, '');
        const host = await checkedAddress(server.hostname, reach.privateAddresses, reach.resolve);
        const secure = server.protocol === 'smtps:';
        // Loaded for the first mail: most gateways send none, and every start would pay for it.
        const { createTransport } = await import('nodemailer');
        const transport = createTransport({
          host,
          port: server.port === '' ? (secure ? 465 : 587) : Number(server.port),
          secure,
          // A password never goes over a line that is not encrypted.
          requireTLS: !secure && user !== '',
          ...(user === '' ? {} : { auth: { user, pass: password } }),
          tls: { servername: name },
          connectionTimeout: TIMEOUT_MS, greetingTimeout: TIMEOUT_MS, socketTimeout: TIMEOUT_MS, dnsTimeout: TIMEOUT_MS,
        });
        try {
          const info = await transport.sendMail(mailOf(letter));
          return { status: 250, said: String(info.response), retryAfterMs: null, hopeless: false };
        } finally {
          transport.close();
        }
      } catch (error) {
        if (error instanceof AddressRefused) return failed(error);
        const { code, responseCode, response } = error as { code?: string; responseCode?: number; response?: string };
        // 5yz is a no for good, 4yz a no for now (RFC 5321, section 4.2.1).
        return { status: responseCode ?? null, said: response ?? code ?? 'no answer', retryAfterMs: null, hopeless: (responseCode ?? 0) >= 500 || code === 'EAUTH' };
      }
    },
  };
}

const threadId = (incident: string): string => `<incident-${createHash('sha256').update(incident).digest('hex').slice(0, 24)}@tollgate>`;

const textOf = (notice: Notice, link: string | null): string =>
  [headline(notice), '', notice.text, '', ...notice.facts.map(({ label, value }) => `${label}: ${value}`), '', ...(link === null ? [] : [link]), ...footnotes(notice)].join('\n');

const htmlOf = (notice: Notice, link: string | null): string =>
  `<h2>${escapeHtml(headline(notice))}</h2><p>${escapeHtml(notice.text)}</p><table>${notice.facts.map(({ label, value }) => `<tr><th align="left">${escapeHtml(label)}</th><td>${escapeHtml(value)}</td></tr>`).join('')}</table>${link === null ? '' : `<p><a href="${escapeHtml(link)}">Open</a></p>`}<p><small>${footnotes(notice).map(escapeHtml).join('<br>')}</small></p>`;

export const escapeHtml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
