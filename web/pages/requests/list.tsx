// web/pages/requests/list.tsx: the calls, newest first, a page at a time; the address holds the page and the open row.

import { useEffect } from 'preact/hooks';
import type { RequestRow, RequestsAnswer } from '../../../server/http/admin/wire.ts';
import { dayMonth, duration, exactMoney, fullTime, moneyColumn, nanos, timeOfDay, zoneName } from '../../format.ts';
import { OutcomeMark, TokensBar, TokensLegend } from '../../parts/marks.tsx';
import { tokenSum } from '../../parts/tokens.ts';
import { NoMatch } from '../../parts/no-match.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { rowKeys } from '../../shell/keyboard.ts';
import { addressWith, follow, go, parameter } from '../../state/location.ts';
import { zone } from '../../state/period.ts';

/** Without the family's first word and the date, which the title holds. */
const shortModel = (model: string | null): string | null => model && model.replace(/^claude-/, '').replace(/-\d{8}$/, '');

export const closeRow = (): void => go(addressWith({ row: null }));

/** `j` and `k` walk over the rows; with one open, the drawer follows. */
function useRowKeys(): void {
  useEffect(() => {
    rowKeys.value = {
      move: (by) => {
        const links = [...document.querySelectorAll<HTMLAnchorElement>('.requests a.row-link')];
        const at = links.findIndex((link) => link === document.activeElement || link.closest('tr')?.getAttribute('aria-current') === 'true');
        const to = links[Math.max(0, Math.min(links.length - 1, at === -1 ? 0 : at + by))];
        to?.focus();
        if (to && parameter('row')) go(to.href, 'replace');
      },
      close: () => {
        if (!parameter('row')) return;
        const open = document.querySelector<HTMLAnchorElement>('.requests tr[aria-current] a.row-link');
        closeRow();
        open?.focus();
      },
    };
    return () => {
      rowKeys.value = null;
    };
  }, []);
}

export function RequestList({ asked, exportTo }: { asked: Asked<RequestsAnswer>; exportTo: string }) {
  useRowKeys();
  const paged = parameter('after') !== null;
  return (
    <Panel
      title="Calls"
      asked={asked}
      skeleton="list"
      aside={
        <div class="panel-tools">
          <span class="wide-only"><TokensLegend /></span>
          <a class="button" href={exportTo} download="requests.csv" data-export>Calls as CSV</a>
        </div>
      }
    >
      {(answer) => {
        if (answer.rows.length === 0 && !paged) return <NoMatch what="requests" />;
        const most = answer.rows.reduce((top, row) => Math.max(top, tokenSum(row.tokens)), 1);
        const after = parameter('after');
        const money = moneyColumn(answer.rows.map((row) => nanos(row.cost_usd)));
        return (
          <>
            <table class="requests stacks">
              <thead>
                <tr>
                  <th scope="col">Time <span class="muted">{zoneName(Date.parse(answer.to), zone.value)}</span></th>
                  <th scope="col">Workspace / workflow</th>
                  <th scope="col" class="wide-only">User</th>
                  <th scope="col">Model</th>
                  <th scope="col">Outcome</th>
                  <th scope="col">Tokens</th>
                  <th scope="col" class="figure">Cost</th>
                  <th scope="col" class="figure wide-only">First token</th>
                  <th scope="col" class="figure">Duration</th>
                  <th scope="col" class="figure wide-only">Tries</th>
                </tr>
              </thead>
              <tbody>{answer.rows.map((row) => <Row key={row.id} row={row} most={most} after={after} money={money} />)}</tbody>
            </table>
            <nav class="pager" aria-label="Pages of the list">
              {paged && <a class="button" href={addressWith({ after: null })} onClick={follow}>Newest</a>}
              <span class="muted">{answer.rows.length} shown, newest first</span>
              {answer.next_cursor && <a class="button" href={addressWith({ after: answer.next_cursor })} onClick={follow}>Older</a>}
            </nav>
          </>
        );
      }}
    </Panel>
  );
}

function Row({ row, most, after, money }: { row: RequestRow; most: number; after: string | null; money: (amount: bigint) => string }) {
  const at = Date.parse(row.admitted_at);
  const open = parameter('row') === row.id;
  const cost = nanos(row.cost_usd);
  const to = addressWith(after ? { row: row.id, after } : { row: row.id });
  return (
    <tr
      aria-current={open ? 'true' : undefined}
      onClick={(event) => {
        if (!(event.target as HTMLElement).closest('a, button') && !getSelection()?.toString()) go(to);
      }}
    >
      <th scope="row" data-name="Time">
        <a class="row-link" href={to} onClick={follow} title={fullTime(at, zone.value)}>
          <span class="muted">{dayMonth(at, zone.value)}</span> {timeOfDay(at, zone.value)}
        </a>
      </th>
      <td data-name="Workflow"><span class="who"><span class="muted">{row.workspace} /</span> {row.workflow}</span></td>
      <td data-name="User" class="wide-only user">{row.user === null ? <span class="muted">–</span> : <span title={row.user}>{row.user}</span>}</td>
      <td data-name="Model"><span class="model" title={row.model_served ?? row.model_requested ?? undefined}>{shortModel(row.model_served ?? row.model_requested) ?? <span class="muted">{row.endpoint}</span>}</span></td>
      <td data-name="Outcome"><OutcomeMark outcome={row.outcome} status={row.status} /></td>
      <td data-name="Tokens"><TokensBar tokens={row.tokens} most={most} /></td>
      <td data-name="Cost" class="figure" title={exactMoney(cost)}>{row.estimated && <abbr class="muted" title={`Estimated: ${row.estimate_method ?? 'usage incomplete'}`}>est. </abbr>}{money(cost)}</td>
      <td data-name="First token" class="figure wide-only">{duration(row.ttft_ms)}</td>
      <td data-name="Duration" class="figure">{duration(row.duration_ms)}</td>
      <td data-name="Tries" class="figure wide-only">{row.attempts > 1 ? <strong>{row.attempts}</strong> : row.attempts}</td>
    </tr>
  );
}
