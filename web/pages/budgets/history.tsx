// web/pages/budgets/history.tsx: what fired in the last seven days, when, and for how long.

import type { AlertFiring, AlertsAnswer } from '../../../server/http/admin/wire.ts';
import { tablesShown, TableSwitch } from '../../charts/chart.tsx';
import { dayAndTime, dayMonth, duration, fullTime } from '../../format.ts';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { zone } from '../../state/period.ts';
import { addDays, dayMs, startOf } from '../../state/zone.ts';
import { RULE_WORDS, SEVERITY_LOOKS } from './words.ts';

const DAYS = 7;
const MOST = 12;

interface Past extends AlertFiring {
  readonly from: number;
  readonly to: number;
}

export function History({ asked }: { asked: Asked<AlertsAnswer> }) {
  return (
    <Panel title={`Fired in the last ${DAYS} days`} asked={asked} skeleton="row" aside={<TableSwitch />}>
      {(answer) => {
        const end = Date.parse(answer.at);
        const begin = addDays(startOf('day', end, zone.value), 1 - DAYS, zone.value);
        const all: Past[] = [...answer.firing, ...answer.resolved]
          .filter((one) => one.since !== null)
          .map((one) => ({ ...one, from: Date.parse(one.since!), to: one.resolved_at === null ? end : Date.parse(one.resolved_at) }))
          .filter((one) => one.to >= begin)
          .toSorted((a, b) => b.from - a.from);
        if (all.length === 0) return <p class="calm"><span aria-hidden="true">✓</span> Nothing fired.</p>;
        const shown = all.slice(0, MOST);
        const summary = `${all.length} ${all.length === 1 ? 'alert' : 'alerts'} fired in the last ${DAYS} days; ${all.filter((one) => one.resolved_at === null).length} still do.`;
        if (tablesShown.value) return <Table all={all} summary={summary} />;
        const share = (at: number) => `${(Math.max(0, Math.min(1, (at - begin) / (end - begin))) * 100).toFixed(2)}%`;
        const days = Array.from({ length: DAYS }, (_, i) => addDays(begin, i, zone.value)).filter((at) => at < end);
        return (
          <>
            <div class="spans" role="img" aria-label={summary}>
              {shown.map((one) => (
                <div class="span-row" key={one.fingerprint + one.incident} aria-hidden="true">
                  <span class="span-name" title={one.title}>{RULE_WORDS[one.rule].name} <span class="muted">{one.scope}</span></span>
                  <span class="span-track" title={`${one.title}: ${fullTime(one.from, zone.value)}, ${one.resolved_at === null ? 'still fires' : `for ${duration(one.to - one.from)}`}`}>
                    {days.map((at) => <b key={at} style={{ left: share(at) }} />)}
                    {/* One that fired a moment ago still has its four pixels. */}
                    <i class={`${SEVERITY_LOOKS[one.severity].tone} ${one.resolved_at === null ? 'open' : ''}`} style={{ left: `min(${share(one.from)}, 100% - 4px)`, right: `${(100 - Number.parseFloat(share(one.to))).toFixed(2)}%` }} />
                  </span>
                </div>
              ))}
              <div class="span-row muted" aria-hidden="true"><span /><span class="span-days">{days.map((at) => <span key={at} style={{ left: share(at) }}>{dayMonth(at + dayMs / 2, zone.value)}</span>)}</span></div>
            </div>
            <p class="note muted">{summary}{all.length > MOST && ` The newest ${MOST} are drawn; the table has them all.`}</p>
          </>
        );
      }}
    </Panel>
  );
}

function Table({ all, summary }: { all: readonly Past[]; summary: string }) {
  return (
    <div class="scroll-x chart-table" tabIndex={0} role="region" aria-label="What fired, as a table">
      <table>
        <caption class="unseen">{summary}</caption>
        <thead><tr><th scope="col">From</th><th scope="col">What</th><th scope="col">How urgent</th><th scope="col" class="figure">Lasted</th><th scope="col">Taken on by</th></tr></thead>
        <tbody>
          {all.map((one) => (
            <tr key={one.fingerprint + one.incident}>
              <th scope="row" title={fullTime(one.from, zone.value)}>{dayAndTime(one.from, zone.value)}</th>
              <td>{one.title}</td>
              <td>{SEVERITY_LOOKS[one.severity].word}</td>
              <td class="figure">{one.resolved_at === null ? 'still fires' : duration(one.to - one.from)}</td>
              <td>{one.acknowledged_by ?? <span class="muted">nobody</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
