// web/pages/savings/card.tsx: one finding: how much, how sure, why, what to change, who sees to it, and what came of it.

import { useId, useState } from 'preact/hooks';
import type { SavingAnswer, SavingBody, SavingRow } from '../../../server/http/admin/wire.ts';
import { dayMonth, exactMoney, money, nanos, shortMoney, whole } from '../../format.ts';
import { Snippet } from '../../parts/marks.tsx';
import { ask, Failure, refresh } from '../../server.ts';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { zone } from '../../state/period.ts';
import { amountOf, GRADES, STATES } from './figures.ts';

/** The requests behind a finding: those of its workflow and models in the time that was looked at. */
const evidenceOf = (row: SavingRow, from: string): string => addressWith({ [FILTERS.workspace]: row.workspace, [FILTERS.workflow]: row.workflow, [FILTERS.model]: row.models, from, to: null }, 'requests');

export function SavingCard({ row, from }: { row: SavingRow; from: string }) {
  const grade = GRADES[row.grade];
  return (
    <li class={`saving ${row.state}`}>
      <header class="saving-head">
        <div>
          <h3>{row.title}</h3>
          <p class="muted">{row.workspace} / {row.workflow}{row.models.length > 0 && <> <span aria-hidden="true">·</span> {row.models.join(', ')}</>}</p>
        </div>
        <p class="saving-amount">
          <strong title={row.grade === 'signal' ? exactMoney(nanos(row.at_stake_usd)) : `${exactMoney(nanos(row.low_usd))} to ${exactMoney(nanos(row.high_usd))}`}>{amountOf(row)}</strong>
          <span class={`grade ${grade.tone}`} title={grade.meaning}>{grade.word}<span class="unseen">: {grade.meaning}</span></span>
        </p>
      </header>
      {row.reopened && <p class="note warn">This was done on {dayMonth(Date.parse(row.decided_at ?? ''), zone.value)}, and has come back.</p>}
      <p>{row.why}</p>
      <p><strong>{row.fix}</strong></p>
      {row.snippet !== null && <Snippet text={row.snippet} what={`the change for ${row.title}`} />}
      <p class="note muted">{row.caveat}</p>
      {row.effect && <Effect effect={row.effect} since={row.decided_at} />}
      <footer class="saving-foot">
        <p>
          {row.calls > 0 && <a href={evidenceOf(row, from)} onClick={follow} aria-label={`${whole(row.calls)} requests behind: ${row.title}, ${row.workspace} / ${row.workflow}`}>{whole(row.calls)} {row.calls === 1 ? 'request' : 'requests'}</a>}
          {row.examples.length > 0 && (
            <span class="muted"> such as {row.examples.slice(0, 3).map((id, at) => (
              <span key={id}>{at > 0 && ', '}<a href={addressWith({ row: id, [FILTERS.workspace]: row.workspace, [FILTERS.workflow]: row.workflow, from, to: null }, 'requests')} onClick={follow}><span class="unseen">Request {id.slice(0, -6)}</span><code>{id.slice(-6)}</code></a></span>
            ))}</span>
          )}
        </p>
        <Decision row={row} />
      </footer>
    </li>
  );
}

function Effect({ effect, since }: { effect: NonNullable<SavingRow['effect']>; since: string | null }) {
  const saved = nanos(effect.saved_usd);
  return (
    <p class={`saving-effect ${saved > 0n ? 'good' : 'bad'}`}>
      <span aria-hidden="true">{saved > 0n ? '✓' : '!'}</span> Since {since === null ? 'it was done' : dayMonth(Date.parse(since), zone.value)} an action costs {money(nanos(effect.since_usd))} instead of {money(nanos(effect.before_usd))}: over {whole(effect.actions)} actions{' '}
      <strong>{saved > 0n ? `${shortMoney(saved)} saved` : saved === 0n ? 'nothing saved' : `${shortMoney(-saved)} more`}</strong>.
    </p>
  );
}

/** Where it stands; a dismissal asks for its reason first, since the next reader will. */
function Decision({ row }: { row: SavingRow }) {
  const [asking, setAsking] = useState<'reason' | 'owner' | null>(null);
  const [text, setText] = useState('');
  const [state, setState] = useState<{ sending: boolean; fault: string }>({ sending: false, fault: '' });
  const field = useId();
  const decide = async (body: Omit<SavingBody, 'id'>) => {
    setState({ sending: true, fault: '' });
    try {
      await ask<SavingAnswer>('/api/savings', { method: 'POST', body: JSON.stringify({ id: row.id, ...body }) });
      setState({ sending: false, fault: '' });
      setAsking(null);
      setText('');
      refresh();
    } catch (cause) {
      setState({ sending: false, fault: cause instanceof Failure ? cause.message : String(cause) });
    }
  };
  const choose = (chosen: SavingRow['state']) => {
    setText('');
    if (chosen === 'dismissed') return setAsking('reason');
    setAsking(null);
    if (chosen !== row.state || row.reopened) void decide({ state: chosen });
  };
  const keepOwner = () => {
    setAsking(asking === 'owner' ? null : 'owner');
    setText(row.owner ?? '');
  };
  return (
    <div class="decision">
      <div class="segments small" role="group" aria-label={`State of ${row.title}, ${row.workspace} / ${row.workflow}`}>
        {(Object.keys(STATES) as SavingRow['state'][]).map((one) => (
          <button type="button" key={one} aria-pressed={row.state === one} disabled={state.sending} onClick={() => choose(one)}>{STATES[one]}</button>
        ))}
      </div>
      <button type="button" class="quiet" onClick={keepOwner} aria-expanded={asking === 'owner'} aria-label={row.owner ? `Owner: ${row.owner}. Change` : 'No owner. Name one'}>{row.owner ? `Owner: ${row.owner}` : 'No owner'}</button>
      {asking !== null && (
        <form
          class="decision-form"
          onSubmit={(event) => {
            event.preventDefault();
            const said = text.trim();
            if (asking === 'reason') void decide({ state: 'dismissed', reason: said });
            else void decide({ state: row.state, owner: said === '' ? null : said, ...(row.state === 'dismissed' ? { reason: row.reason } : {}) });
          }}
        >
          <label for={field}>{asking === 'reason' ? 'Why it stays as it is' : 'Who sees to it'}</label>
          <input id={field} type="text" value={text} onInput={(event) => setText(event.currentTarget.value)} required={asking === 'reason'} maxLength={asking === 'reason' ? 500 : 64} autocomplete="off" />
          <button type="submit" class="primary" disabled={state.sending}>{asking === 'reason' ? 'Dismiss' : 'Keep'}</button>
          <button type="button" class="quiet" onClick={() => setAsking(null)}>Cancel</button>
        </form>
      )}
      {row.state === 'dismissed' && row.reason !== null && asking === null && <p class="note muted">Dismissed by {row.decided_by}: {row.reason}</p>}
      {state.fault !== '' && <p class="note warn" role="alert">{state.fault}</p>}
    </div>
  );
}
