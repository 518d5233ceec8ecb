// web/pages/savings/page.tsx: what can we stop paying?

import type { ComponentChildren } from 'preact';
import type { SavingRow, SavingsAnswer } from '../../../server/http/admin/wire.ts';
import { TableSwitch } from '../../charts/chart.tsx';
import { compact, dayAndTime, exactMoney, nanos, percent, shortMoney, whole } from '../../format.ts';
import { Export } from '../../parts/listing.tsx';
import { Answered, Panel } from '../../parts/panel.tsx';
import { address, useAsk } from '../../server.ts';
import type { PageProps } from '../../shell/pages.tsx';
import { addressWith, filters, FILTERS, follow, toggleFilter } from '../../state/location.ts';
import { reportingZone, zone } from '../../state/period.ts';
import { NoTraffic } from '../workspaces/page.tsx';
import { SavingCard } from './card.tsx';
import { amountOf, GRADES, rangeOf, sortOut, STATES, weeksOf } from './figures.ts';
import { Weeks } from './weeks.tsx';

/** The filters that mean something of a finding. */
const FIELDS = ['workspace', 'workflow', 'model'] as const;

export function Savings({ status }: PageProps) {
  const chosen: Record<string, readonly string[]> = {};
  for (const field of FIELDS) if (filters.value[field].length > 0) chosen[field] = filters.value[field];
  const asked = useAsk<SavingsAnswer>(address('/api/savings', chosen));
  if (status.data && !status.data.first_run.has_traffic) return <NoTraffic baseUrl={status.data.base_url} />;
  return (
    <>
      {asked.data && <Lead answer={asked.data} />}
      <Narrowed />
      <Panel title="Captured and recoverable by week" asked={asked} skeleton="chart" aside={<TableSwitch />}>
        {(answer) => <Weeks weeks={weeksOf(answer, reportingZone.value)} />}
      </Panel>
      <Answered asked={asked} skeleton="list">{(answer) => <Findings answer={answer} csv={address('/api/export/savings.csv', chosen)} />}</Answered>
    </>
  );
}

/** The page's question, answered in a sentence. */
function Lead({ answer }: { answer: SavingsAnswer }) {
  const low = nanos(answer.recoverable_usd);
  const high = nanos(answer.recoverable_most_usd);
  const spend = nanos(answer.spend_usd);
  const estimated = nanos(answer.estimated_usd);
  const captured = nanos(answer.captured_usd);
  return (
    <p class="lead">
      {high === 0n ? <>Of {shortMoney(spend)} in 30 days nothing is known to be needless. </> : <>Of {shortMoney(spend)} in 30 days, <strong title={`${exactMoney(low)} to ${exactMoney(high)}`}>{rangeOf(low, high)}</strong> need not have been spent{low > 0n && spend > 0n && <> ({percent(Number(low) / Number(spend))} or more)</>}. </>}
      {captured >= 0n ? <>Caching and batches saved {shortMoney(captured)} already. </> : <>Caching cost {shortMoney(-captured)} more than it saved. </>}
      {estimated > 0n && <>A smaller model may save up to {shortMoney(estimated)} beside that, which only a trial tells. </>}
      {answer.coverage !== null && answer.coverage < 0.995 && <>Hashes of prompts cover {percent(answer.coverage)} of the calls; what repeats is seen in those only. </>}
      <span class="muted">Looked over on {dayAndTime(Date.parse(answer.at), zone.value)}; each call is counted once.</span>
    </p>
  );
}

function Narrowed() {
  const chips = FIELDS.flatMap((field) => filters.value[field].map((value) => ({ field, value })));
  if (chips.length === 0) return null;
  return (
    <p class="chips narrowed">
      <span class="muted">Only</span>
      {chips.map(({ field, value }) => <span class="chip" key={field + value}><span class="muted">{field}</span> {value}<button type="button" onClick={() => toggleFilter(field, value)} aria-label={`Drop ${field} ${value}`}>×</button></span>)}
      <a class="quiet" href={addressWith(Object.fromEntries(FIELDS.map((field) => [FILTERS[field], null])))} onClick={follow}>All</a>
    </p>
  );
}

function Findings({ answer, csv }: { answer: SavingsAnswer; csv: string }) {
  const { open, signals, decided, small } = sortOut(answer.rows);
  const cards = (rows: readonly SavingRow[]) => <ul class="savings">{rows.map((row) => <SavingCard key={row.id} row={row} from={answer.from} />)}</ul>;
  const checked = `hecked ${answer.levers} kinds of waste over ${compact(answer.calls)} calls, coverage ${answer.coverage === null ? '–' : percent(answer.coverage)}`;
  return (
    <>
      <Section title="What to change" aside={<Export to={csv} name="savings.csv" />}>
        {open.length > 0 ? cards(open) : <p class="panel calm"><span aria-hidden="true">✓</span> Nothing above $1 a month; c{checked}.</p>}
      </Section>
      {signals.length > 0 && <Section title="Worth a look" aside={<span class="muted">money at stake, of which none is claimed</span>}>{cards(signals)}</Section>}
      {decided.length > 0 && <Section title="Done and dismissed">{cards(decided)}</Section>}
      {small.length > 0 && <Small rows={small} />}
      {open.length > 0 && <p class="note muted">C{checked}.</p>}
    </>
  );
}

function Section({ title, aside, children }: { title: string; aside?: ComponentChildren; children: ComponentChildren }) {
  return <section aria-label={title}><header class="section-head"><h2>{title}</h2>{aside}</header>{children}</section>;
}

function Small({ rows }: { rows: readonly SavingRow[] }) {
  return (
    <details class="panel smaller">
      <summary>{whole(rows.length)} below $1 a month</summary>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Savings below a dollar, as a table">
        <table class="stacks">
          <thead><tr><th scope="col">What</th><th scope="col">Where</th><th scope="col" class="figure">Amount</th><th scope="col">Certainty</th><th scope="col">State</th></tr></thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id}>
                <th scope="row" data-name="What" title={row.fix}>{row.title}</th>
                <td data-name="Where">{row.workspace} / {row.workflow}</td>
                <td data-name="Amount" class="figure">{amountOf(row)}</td>
                <td data-name="Certainty">{GRADES[row.grade].word}</td>
                <td data-name="State">{STATES[row.state]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
