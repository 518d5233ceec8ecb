// web/pages/budgets/silences.tsx: what nobody is told of for now, until when and why; each can be ended.

import { useState } from 'preact/hooks';
import type { AlertFiring, AlertsAnswer, SilenceAnswer, SilenceRow } from '../../../server/http/admin/wire.ts';
import { dayAndTime, fromNow, fullTime } from '../../format.ts';
import { Panel } from '../../parts/panel.tsx';
import { ask, Failure, refresh, type Asked } from '../../server.ts';
import { addressWith, go, parameter } from '../../state/location.ts';
import { now, zone } from '../../state/period.ts';
import { SilenceDialog } from './silence-dialog.tsx';
import { RULE_WORDS } from './words.ts';

export function Silences({ asked }: { asked: Asked<AlertsAnswer> }) {
  const [making, setMaking] = useState(false);
  // A link in a message names the alert: rule, colon, scope.
  const wanted = parameter('silence');
  const [rule = '', scope = ''] = wanted === null ? [] : [wanted.slice(0, wanted.indexOf(':')), wanted.slice(wanted.indexOf(':') + 1)];
  const named = rule in RULE_WORDS && scope !== '' ? { rule: rule as AlertFiring['rule'], scope } : null;
  return (
    <Panel title="Silenced" asked={asked} skeleton="row" aside={<button type="button" class="quiet small" onClick={() => setMaking(true)}>New silence…</button>}>
      {(answer) => {
        const inForce = answer.silences.filter((silence) => silence.in_force);
        return (
          <>
            {inForce.length === 0 ? <p class="calm">Nothing is silenced.</p> : <ul class="rules silences">{inForce.map((silence) => <Silence key={silence.id} silence={silence} />)}</ul>}
            {(making || named) && <SilenceDialog about={making ? null : named} onClose={() => (making ? setMaking(false) : go(addressWith({ silence: null }), 'replace'))} />}
          </>
        );
      }}
    </Panel>
  );
}

const about = ({ rule, scope }: SilenceRow): string => `${rule === null ? 'Every alert' : RULE_WORDS[rule].name}${scope === null || scope === '*' ? '' : ` of ${scope}`}`;

function Silence({ silence }: { silence: SilenceRow }) {
  const [state, setState] = useState({ sending: false, fault: '' });
  const until = Date.parse(silence.until);
  const lift = async () => {
    setState({ sending: true, fault: '' });
    try {
      await ask<SilenceAnswer>(`/api/alerts/silences/${encodeURIComponent(silence.id)}`, { method: 'DELETE' });
      refresh();
    } catch (cause) {
      setState({ sending: false, fault: cause instanceof Failure ? cause.message : String(cause) });
    }
  };
  return (
    <li>
      <span><strong>{about(silence)}</strong> <span class="muted">{silence.reason}; by {silence.actor}</span></span>
      <span class="muted">until <time dateTime={silence.until} title={fullTime(until, zone.value)}>{dayAndTime(until, zone.value)}</time> ({fromNow(until, now.value)})</span>
      <button type="button" disabled={state.sending} onClick={() => void lift()} aria-label={`End the silence of ${about(silence)}`}>End</button>
      {state.fault && <span class="problem rule-yaml" role="alert">{state.fault}</span>}
    </li>
  );
}
