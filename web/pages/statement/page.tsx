// web/pages/statement/page.tsx: a workspace's month as a bill, to be read, printed and handed on.

import type { StatementAnswer, StatementLine } from '../../../server/http/admin/wire.ts';
import { rowsBy } from '../../figures.ts';
import { calls, dayAndTime, dayMonth, exactMoney, money, nanos, percent, shortMoney, whole } from '../../format.ts';
import { Panel } from '../../parts/panel.tsx';
import { KIND_WORDS } from '../../parts/tokens.ts';
import { address, useAsk } from '../../server.ts';
import { addressWith, filters, follow, go, parameter } from '../../state/location.ts';
import { now, reportingZone } from '../../state/period.ts';
import { addMonths, dayText, startOf } from '../../state/zone.ts';

/** Months that can be chosen: this one and those before it. */
const MONTHS = 12;

export function Statement() {
  const zone = reportingZone.value;
  const workspace = filters.value.workspace[0] ?? '';
  const running = startOf('month', now.value, zone);
  const asked = parameter('month');
  const month = asked !== null && /^\d{4}-(0[1-9]|1[0-2])$/.test(asked) ? asked : dayText(running, zone).slice(0, 7);
  const question = { workspace, month };
  // A running month is not followed call by call: a bill that moves while it is read is none.
  const bill = useAsk<StatementAnswer>(workspace ? address('/api/statement', question) : null, address('statement', question), 'once');
  if (!workspace) return <section class="panel empty-feature"><h2>Whose statement?</h2><p>A statement is of one workspace. <a href={addressWith({}, 'workspaces')} onClick={follow}>Choose one</a>.</p></section>;
  const months = Array.from({ length: MONTHS }, (_, i) => dayText(addMonths(running, -i, zone), zone).slice(0, 7));
  return (
    <>
      <div class="statement-tools">
        <label class="field-inline">Month <select value={month} onChange={(event) => go(addressWith({ month: event.currentTarget.value === months[0] ? null : event.currentTarget.value }))}>{[...new Set([...months, month])].map((one) => <option key={one} value={one}>{monthWord(one)}</option>)}</select></label>
        <button type="button" onClick={() => print()}>Print</button>
        <a class="button" href={address('/api/export/statement.csv', question)} download={`statement-${workspace}-${month}.csv`} data-export>CSV</a>
        <a class="button" href={address('/api/statement', question)} download={`statement-${workspace}-${month}.json`}>JSON</a>
      </div>
      <Panel asked={bill} skeleton="list" class="statement">{(answer) => <Bill answer={answer} />}</Panel>
    </>
  );
}

const monthWord = (month: string): string => new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(new Date(`${month}-01T00:00:00Z`));

function Bill({ answer }: { answer: StatementAnswer }) {
  const zone = answer.timezone;
  const flows = [...rowsBy(answer.lines, (line) => line.workflow)];
  return (
    <article>
      <header class="bill-head">
        <div>
          <h2>Statement: {answer.workspace}</h2>
          <p class="muted">{monthWord(answer.month)}, {dayMonth(Date.parse(answer.period.from), zone)} to {dayMonth(Date.parse(answer.until) - 1, zone)}, {zone}</p>
        </div>
        <p class="bill-total" title={exactMoney(nanos(answer.total_usd))}>${groupCents(answer.total_cents_usd)}</p>
      </header>
      {answer.running && <p class="note warn">The month is not over; this is a draft of {dayAndTime(Date.parse(answer.made_at), zone)}.</p>}
      {answer.rows_from && <p class="note warn">Single calls are kept from {dayMonth(Date.parse(answer.rows_from), zone)} on; what came before stands as sums by model.</p>}
      {answer.lines.length === 0 ? <p class="calm">Nothing was billed in this month.</p> : (
        <div class="scroll-x" tabIndex={0} role="region" aria-label="Lines of the statement">
          <table class="bill">
            <thead><tr><th scope="col">Model</th><th scope="col">What</th><th scope="col" class="figure">Quantity</th><th scope="col" class="figure">Unit price</th><th scope="col" class="figure">Amount</th></tr></thead>
            {flows.map(([flow, lines]) => <Flow key={flow} flow={flow} lines={lines} />)}
            <tfoot><tr><th scope="row" colSpan={4}>Total</th><td class="figure" title={exactMoney(nanos(answer.total_usd))}><strong>${groupCents(answer.total_cents_usd)}</strong></td></tr></tfoot>
          </table>
        </div>
      )}
      <Notes answer={answer} />
    </article>
  );
}

function Flow({ flow, lines }: { flow: string; lines: readonly StatementLine[] }) {
  // Cents that add up: the sum of the lines as they are shown.
  const cents = lines.reduce((sum, line) => sum + BigInt(line.amount_cents_usd.replace('.', '')), 0n);
  return (
    <tbody>
      <tr class="bill-flow"><th scope="rowgroup" colSpan={4}>{flow}</th><td class="figure">${groupCents(`${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`)}</td></tr>
      {lines.map((line) => (
        <tr key={line.model + line.kind + line.factors.join() + line.unit_price_usd}>
          <th scope="row">{line.model}</th>
          <td>{wordOf(line.kind)}{line.factors.map((factor) => <span class="factor" key={factor}>{factor}</span>)}</td>
          <td class="figure">{line.quantity > 0 ? whole(line.quantity) : <span class="muted">{calls(line.calls)}</span>}</td>
          <td class="figure">{priceOf(line)}</td>
          <td class="figure" title={`$${line.amount_usd}`}>${groupCents(line.amount_cents_usd)}</td>
        </tr>
      ))}
    </tbody>
  );
}

function wordOf(kind: StatementLine['kind']): string {
  if (kind === 'unexplained') return 'Estimated, without usage';
  return kind === 'past_rows' ? 'Sum of days whose calls are past retention' : KIND_WORDS[kind];
}

function priceOf(line: StatementLine) {
  if (line.unit_price_usd === null) return <span class="muted">–</span>;
  if (line.kind === 'web_search' || line.kind === 'code_execution') return `${money(nanos(line.unit_price_usd.slice(0, -3)))} each`;
  const [dollars, places] = line.unit_price_usd.split('.') as [string, string];
  return `${money(nanos(`${dollars}${places.slice(0, 6)}.${places.slice(6)}`))} / MTok`;
}

/** Thousands apart: `1,234.50`. */
const groupCents = (text: string): string => text.replace(/\B(?=(\d{3})+\.)/g, ',');

function Notes({ answer }: { answer: StatementAnswer }) {
  const estimated = nanos(answer.estimated_usd);
  const saved = nanos(answer.cache_savings_usd);
  const kinds = [...new Set(answer.price_versions.map((one) => one.kind))];
  return (
    <div class="columns even bill-notes">
      <dl class="facts roomy">
        <div><dt>Calls sent</dt><dd>{whole(answer.calls)}</dd></div>
        {answer.actions && <div><dt>User actions</dt><dd>{whole(answer.actions.actions)} <span class="muted light">{money(nanos(answer.actions.per_action_usd))} each on average</span></dd></div>}
        <div><dt>Exact</dt><dd>{answer.exact_ratio === null ? '–' : percent(answer.exact_ratio)} {estimated > 0n && <span class="muted light">{shortMoney(estimated)} is estimated: answers that broke off before their usage came</span>}</dd></div>
        {saved !== 0n && <div><dt>Caching, net</dt><dd>{shortMoney(saved)} <span class="muted light">{saved < 0n ? 'more than without it' : 'less than without it, in the total already'}</span></dd></div>}
        {answer.budgets.map((budget) => <div key={budget.id}><dt>Budget {budget.id}</dt><dd>{shortMoney(nanos(budget.limit_usd))}{nanos(budget.granted_usd) > 0n && ` + ${shortMoney(nanos(budget.granted_usd))} granted`} <span class="muted light">{nanos(budget.left_usd) < 0n ? `overspent by ${shortMoney(-nanos(budget.left_usd))}` : `${shortMoney(nanos(budget.left_usd))} left`}</span></dd></div>)}
      </dl>
      <div>
        {answer.trend.length > 1 && (
          <table>
            <caption class="unseen">Months before</caption>
            <thead><tr><th scope="col">Month</th><th scope="col" class="figure">Spend</th></tr></thead>
            <tbody>{answer.trend.toReversed().map((one) => <tr key={one.month}><th scope="row">{monthWord(one.month)}</th><td class="figure">{shortMoney(nanos(one.cost_usd))}</td></tr>)}</tbody>
          </table>
        )}
        <p class="note muted">Prices are {kinds.length === 0 ? 'none' : kinds.join(' and ')}{answer.price_versions.length > 0 && <>: {answer.price_versions.map((one) => one.version).join(', ')}</>}. Amounts are shown in cents and rounded so that the lines add up to the total; the exact ones have nine places. What is not a workspace's own is in the workspace “default” and is not shared out.</p>
      </div>
    </div>
  );
}
