// web/pages/budgets/silence-dialog.tsx: asks for how long nobody is told of some alerts, and why.

import { useState } from 'preact/hooks';
import type { AlertFiring, SilenceAnswer, SilenceBody } from '../../../server/http/admin/wire.ts';
import { ask, Failure, refresh } from '../../server.ts';
import { Dialog } from '../../shell/dialog.tsx';
import { RULE_WORDS } from './words.ts';

const HOUR_MS = 3_600_000;
const SPANS = [{ name: '1 hour', hours: 1 }, { name: '4 hours', hours: 4 }, { name: '1 day', hours: 24 }, { name: '1 week', hours: 168 }] as const;

/** `about` null: the person chooses. */
export function SilenceDialog({ about, onClose }: { about: Pick<AlertFiring, 'rule' | 'scope'> | null; onClose: () => void }) {
  const [rule, setRule] = useState<AlertFiring['rule'] | ''>(about?.rule ?? '');
  const [scope, setScope] = useState(about?.scope ?? '*');
  const [hours, setHours] = useState<number>(4);
  const [reason, setReason] = useState('');
  const [state, setState] = useState({ sending: false, fault: '' });
  const send = async (event: Event) => {
    event.preventDefault();
    setState({ sending: true, fault: '' });
    try {
      const body: SilenceBody = { ...(rule === '' ? {} : { rule }), scope, until: new Date(Date.now() + hours * HOUR_MS).toISOString(), reason };
      await ask<SilenceAnswer>('/api/alerts/silences', { method: 'POST', body: JSON.stringify(body) });
      refresh();
      onClose();
    } catch (cause) {
      setState({ sending: false, fault: cause instanceof Failure ? cause.message : String(cause) });
    }
  };
  return (
    <Dialog title="Silence alerts" onClose={onClose}>
      <form class="silence-form" onSubmit={(event) => void send(event)}>
        <p class="muted">They fire and end as ever, and stand on this page; no message is sent. What still fires at the end is told then.</p>
        <label>Rule
          <select value={rule} onChange={(event) => setRule(event.currentTarget.value as AlertFiring['rule'] | '')}>
            <option value="">Every rule</option>
            {Object.entries(RULE_WORDS).map(([name, { name: word }]) => <option key={name} value={name}>{word}</option>)}
          </select>
        </label>
        <label>About
          <input type="text" required maxLength={512} value={scope} onInput={(event) => setScope(event.currentTarget.value)} aria-describedby="silence-scope" />
        </label>
        <p id="silence-scope" class="muted">A budget, a workspace, a key, as the alert names it; * is any run of characters.</p>
        <div class="segments" role="group" aria-label="For how long">
          {SPANS.map((span) => <button type="button" key={span.hours} aria-pressed={hours === span.hours} onClick={() => setHours(span.hours)}>{span.name}</button>)}
        </div>
        <label>Why
          <input type="text" required maxLength={200} value={reason} onInput={(event) => setReason(event.currentTarget.value)} placeholder="For the audit log" />
        </label>
        <p><button type="submit" disabled={state.sending || reason.trim() === '' || scope.trim() === ''}>Silence</button></p>
        {state.fault && <p class="problem" role="alert">{state.fault}</p>}
      </form>
    </Dialog>
  );
}
