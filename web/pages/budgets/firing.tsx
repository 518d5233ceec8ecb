// web/pages/budgets/firing.tsx: what fires now, the most urgent first; each can be taken on, and leads to the calls behind it.

import { useState } from 'preact/hooks';
import type { AcknowledgeAnswer, AlertFiring, AlertsAnswer, BudgetRow } from '../../../server/http/admin/wire.ts';
import { dayAndTime, fromNow, fullTime } from '../../format.ts';
import { Prose } from '../../parts/marks.tsx';
import { ask, Failure, refresh } from '../../server.ts';
import { follow } from '../../state/location.ts';
import { now, zone } from '../../state/period.ts';
import { SilenceDialog } from './silence-dialog.tsx';
import { callsBehind, RULE_WORDS, SEVERITY_LOOKS } from './words.ts';

const WEIGHT = { critical: 0, warning: 1, info: 2 } as const;
const SHOWN = 5;

export function Firing({ answer, budgets }: { answer: AlertsAnswer; budgets: readonly BudgetRow[] }) {
  const [all, setAll] = useState(false);
  const firing = answer.firing.toSorted((a, b) => Number(a.state === 'acked') - Number(b.state === 'acked') || Number(a.silenced !== null) - Number(b.silenced !== null) || WEIGHT[a.severity] - WEIGHT[b.severity]);
  if (firing.length === 0) return <p class="calm"><span aria-hidden="true">✓</span> Nothing fires{answer.pending.length > 0 && `; ${answer.pending.length} ${answer.pending.length === 1 ? 'rule is' : 'rules are'} watching something for a while first`}.</p>;
  return (
    <>
      <ul class="matters">{firing.slice(0, all ? firing.length : SHOWN).map((alert) => <Alert key={alert.fingerprint} alert={alert} budgets={budgets} />)}</ul>
      {firing.length > SHOWN && <p class="more"><button type="button" class="quiet" onClick={() => setAll(!all)}>{all ? 'Show the first' : `Show ${firing.length - SHOWN} more`}</button></p>}
    </>
  );
}

function Alert({ alert, budgets }: { alert: AlertFiring; budgets: readonly BudgetRow[] }) {
  const [silencing, setSilencing] = useState(false);
  const look = SEVERITY_LOOKS[alert.severity];
  const calls = callsBehind(alert, budgets);
  return (
    <li>
      <span class={`sign ${look.tone}`} title={look.word}><span aria-hidden="true">{look.sign}</span><span class="unseen">{look.word}: </span></span>
      <div>
        <p class="matter-what">{alert.title}</p>
        <p class="muted">
          <Prose text={alert.text} /> <span aria-hidden="true">·</span> {RULE_WORDS[alert.rule].name.toLowerCase()}
          {alert.since && <> <span aria-hidden="true">·</span> <time dateTime={alert.since} title={fullTime(Date.parse(alert.since), zone.value)}>{fromNow(Date.parse(alert.since), now.value)}</time></>}
          {alert.state === 'acked' && <> <span aria-hidden="true">·</span> <strong>{alert.acknowledged_by} looks after it</strong></>}
          {alert.silenced && <> <span aria-hidden="true">·</span> silenced until <time dateTime={alert.silenced.until} title={fullTime(Date.parse(alert.silenced.until), zone.value)}>{dayAndTime(Date.parse(alert.silenced.until), zone.value)}</time></>}
        </p>
      </div>
      <span class="matter-actions">
        {calls && <a class="button" href={calls} onClick={follow} aria-label={`Requests behind: ${alert.title}`}>Requests</a>}
        {alert.state === 'firing' && <TakeOn alert={alert} />}
        {alert.silenced === null && <button type="button" onClick={() => setSilencing(true)} title="No message about it for a while" aria-label={`Silence: ${alert.title}`}>Silence…</button>}
        {silencing && <SilenceDialog about={{ rule: alert.rule, scope: alert.scope }} onClose={() => setSilencing(false)} />}
      </span>
    </li>
  );
}

/** Acknowledging stops the repeats; the alert stays until its cause is gone. */
function TakeOn({ alert }: { alert: AlertFiring }) {
  const [state, setState] = useState<{ sending: boolean; fault: string }>({ sending: false, fault: '' });
  const send = async () => {
    setState({ sending: true, fault: '' });
    try {
      await ask<AcknowledgeAnswer>('/api/alerts/acknowledge', { method: 'POST', body: JSON.stringify({ fingerprint: alert.fingerprint }) });
      setState({ sending: false, fault: '' });
      refresh();
    } catch (cause) {
      setState({ sending: false, fault: cause instanceof Failure ? cause.message : String(cause) });
    }
  };
  return (
    <>
      <button type="button" disabled={state.sending} onClick={() => void send()} title="It is not repeated then" aria-label={`Acknowledge: ${alert.title}`}>Acknowledge</button>
      {state.fault && <span class="problem" role="alert">{state.fault}</span>}
    </>
  );
}
