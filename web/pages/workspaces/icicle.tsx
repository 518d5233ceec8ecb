// web/pages/workspaces/icicle.tsx: all spend as one width, cut into workspaces and below them into their workflows; the foot of a cell shows how far its budget is used.

import { tablesShown, TableSwitch } from '../../charts/chart.tsx';
import { colourOf, slotsFor } from '../../charts/palette.ts';
import { exactMoney, percent, shortMoney } from '../../format.ts';
import { shade } from '../../shell/theme.ts';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { periodParameters } from '../../state/period.ts';
import type { BudgetRow } from '../../../server/http/admin/wire.ts';
import { usedOf, type WorkspaceFigures } from './figures.ts';
import { overviewOf } from './page.tsx';

/** Narrower cells bear no name; their title and the table do. */
const NAMED_FROM = 0.045;

/** Growth below 1 in sum would leave room; a sliver stays wide enough to be hit. */
const grow = (share: number): number => Math.max(4, share * 1_000);

export function Icicle({ all, total }: { all: readonly WorkspaceFigures[]; total: bigint }) {
  const slots = slotsFor('workspace', all.map((one) => one.name));
  const shareOf = (cost: bigint) => (total > 0n ? Number(cost) / Number(total) : 0);
  return (
    <section class="panel" aria-label="Where the spend goes">
      <header class="panel-head"><h2>Where the spend goes</h2><div class="panel-tools"><span class="muted">width: spend; foot: budget used</span><TableSwitch /></div></header>
      {tablesShown.value ? (
        <div class="scroll-x chart-table" tabIndex={0} role="region" aria-label="Where the spend goes, as a table">
          <table>
            <caption class="unseen">Spend by workspace and workflow</caption>
            <thead><tr><th scope="col">Workspace</th><th scope="col">Workflow</th><th scope="col" class="figure">Spend</th><th scope="col" class="figure">Share</th><th scope="col" class="figure">Budget used</th></tr></thead>
            <tbody>
              {all.flatMap((one) => [
                <tr key={one.name}><th scope="row">{one.name}</th><td class="muted">all</td><td class="figure">{exactMoney(one.cost)}</td><td class="figure">{percent(shareOf(one.cost))}</td><td class="figure">{one.budget ? percent(usedOf(one.budget)) : '–'}</td></tr>,
                ...one.workflows.map((flow) => <tr key={`${one.name}/${flow.name}`}><th scope="row">{one.name}</th><td>{flow.name}</td><td class="figure">{exactMoney(flow.cost)}</td><td class="figure">{percent(shareOf(flow.cost))}</td><td class="figure">{flow.budget ? percent(usedOf(flow.budget)) : '–'}</td></tr>),
              ])}
            </tbody>
          </table>
        </div>
      ) : (
        <ul class="icicle">
          {all.filter((one) => one.cost > 0n).map((one, i) => (
            <li key={one.name} style={{ flexGrow: grow(shareOf(one.cost)) }}>
              <Cell name={one.name} cost={one.cost} share={shareOf(one.cost)} budget={one.budget} to={overviewOf(one.name)} colour={colourOf(slots[all.indexOf(one)] ?? slots[i]!, shade.value)} head />
              <ul>
                {one.workflows.filter((flow) => flow.cost > 0n).map((flow) => (
                  <li key={flow.name} style={{ flexGrow: grow(Number(flow.cost) / Number(one.cost)) }}>
                    <Cell name={flow.name} cost={flow.cost} share={shareOf(flow.cost)} budget={flow.budget} to={addressWith({ [FILTERS.workspace]: one.name, [FILTERS.workflow]: flow.name, ...periodParameters() }, 'requests')} colour={colourOf(slots[all.indexOf(one)] ?? slots[i]!, shade.value)} />
                  </li>
                ))}
              </ul>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Cell({ name, cost, share, budget, to, colour, head = false }: { name: string; cost: bigint; share: number; budget: BudgetRow | null; to: string; colour: string; head?: boolean }) {
  const used = budget ? usedOf(budget) : null;
  const words = `${name}: ${shortMoney(cost)}, ${percent(share)} of the spend${used === null ? '' : `, ${percent(used)} of its budget used`}`;
  return (
    <a class={`icicle-cell ${head ? 'head' : ''} ${share < NAMED_FROM ? 'thin' : ''}`} href={to} onClick={follow} title={words} aria-label={words} style={{ borderTopColor: colour }}>
      <span class="icicle-name">{name}</span>
      <span class="icicle-cost">{shortMoney(cost)}</span>
      {used !== null && <span class="icicle-used"><i class={used >= 1 ? 'over' : ''} style={{ width: `${Math.min(100, used * 100).toFixed(1)}%` }} /></span>}
    </a>
  );
}
