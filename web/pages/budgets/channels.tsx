// web/pages/budgets/channels.tsx: who is told, how it went the last time, and a test that goes the real way.

import { useState } from 'preact/hooks';
import type { AlertDelivery, AlertsAnswer, AlertTestAnswer, AlertTestBody } from '../../../server/http/admin/wire.ts';
import { duration, fromNow, fullTime } from '../../format.ts';
import { Snippet } from '../../parts/marks.tsx';
import { ask, Failure, refresh } from '../../server.ts';
import { now, zone } from '../../state/period.ts';

const TYPES = { slack: 'Slack', teams: 'Teams', pagerduty: 'PagerDuty', webhook: 'webhook', email: 'e-mail', alertmanager: 'Alertmanager' } as const;
const STARTER = `alerts:
  channels:
    ops: { type: slack, url: "\${SLACK_URL}", min_severity: warning }
# every budget tells them all, unless it says whom:  notify: [ops]
`;

export function Channels({ answer }: { answer: AlertsAnswer }) {
  if (answer.channels.length === 0) {
    return (
      <>
        <p>Nobody is told: alerts stand on this page alone. A channel turns it on (Slack, Teams, PagerDuty, a signed webhook, e-mail or an Alertmanager):</p>
        <Snippet text={STARTER} what="a first channel" />
      </>
    );
  }
  return (
    <ul class="rules channels">
      {answer.channels.map((channel) => {
        const last = answer.deliveries.find((one) => one.channel === channel.id);
        const waiting = answer.waiting.filter((one) => one.channel === channel.id && (one.state === 'gathering' || one.state === 'held' || one.state === 'sending'));
        return (
          <li key={channel.id}>
            <span>
              <strong>{channel.id}</strong> <span class="muted">{TYPES[channel.type]}, {channel.min_severity === 'info' ? 'everything' : `${channel.min_severity} and up`}{channel.fallback && `, else ${channel.fallback}`}{waiting.length > 0 && `; ${waiting.length} waiting${waiting.some((one) => one.state === 'held') ? ', held by quiet hours' : ''}`}</span>
            </span>
            {last ? <Result of={last} /> : <span class="muted">nothing sent yet</span>}
            <Test channel={channel.id} />
          </li>
        );
      })}
    </ul>
  );
}

const RESULTS = { delivered: { tone: 'good', sign: '✓', word: 'delivered' }, retry: { tone: 'warn', sign: '!', word: 'tries again' }, dead: { tone: 'bad', sign: '✕', word: 'given up' }, collapsed: { tone: 'neutral', sign: '–', word: 'nothing left to say' }, silenced: { tone: 'neutral', sign: '–', word: 'silenced' } } as const;

export function Result({ of: { result, status, at, duration_ms: ms } }: { of: AlertDelivery }) {
  const look = RESULTS[result];
  return (
    <span class={`outcome ${look.tone}`} title={`${fullTime(Date.parse(at), zone.value)}, took ${duration(ms)}`}>
      <span class="outcome-sign" aria-hidden="true">{look.sign}</span>{look.word}{status !== null && <span class="muted"> {status}</span>}<span class="muted"> {fromNow(Date.parse(at), now.value)}</span>
    </span>
  );
}

function Test({ channel }: { channel: string }) {
  const [state, setState] = useState<{ busy: boolean; said: string; bad: boolean }>({ busy: false, said: '', bad: false });
  const send = async () => {
    setState({ busy: true, said: 'Sending…', bad: false });
    try {
      const body: AlertTestBody = { channel };
      const { delivery } = await ask<AlertTestAnswer>('/api/alerts/test', { method: 'POST', body: JSON.stringify(body) });
      const fine = delivery?.result === 'delivered';
      setState({ busy: false, said: fine ? `Arrived${delivery.status === null ? '' : `, answered ${delivery.status}`} in ${duration(delivery.duration_ms)}.` : `Did not arrive: ${delivery?.detail || `answered ${delivery?.status ?? 'nothing'}`}.`, bad: !fine });
      refresh();
    } catch (cause) {
      setState({ busy: false, said: cause instanceof Failure ? cause.message : String(cause), bad: true });
    }
  };
  return (
    <>
      <button type="button" disabled={state.busy} onClick={() => void send()} aria-label={`Send test to ${channel}`}>Send test</button>
      <span class={`rule-yaml ${state.bad ? 'problem' : 'muted'}`} role="status">{state.said}</span>
    </>
  );
}
