// web/pages/models/prices.tsx: when prices of the models in use changed or will, and which names stand for which model.

import type { PoliciesAnswer, PriceRowAnswer, PricesAnswer } from '../../../server/http/admin/wire.ts';
import { dayMonth, money, nanos } from '../../format.ts';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { now } from '../../state/period.ts';
import type { ModelFigures } from './figures.ts';

interface Change {
  readonly model: string;
  readonly at: number;
  readonly before: PriceRowAnswer;
  readonly after: PriceRowAnswer;
}

/** Every row of a model in use that another row came before, the newest first. */
function changesOf(prices: readonly PriceRowAnswer[], used: readonly ModelFigures[]): Change[] {
  const models = new Set(used.flatMap((one) => (one.price ? [one.price.model] : [])));
  const rows = prices.filter((row) => models.has(row.model)).toSorted((a, b) => Date.parse(a.effective_from) - Date.parse(b.effective_from));
  return rows
    .flatMap((after, i) => {
      const before = rows.slice(0, i).findLast((row) => row.model === after.model && row.kind === after.kind);
      return before ? [{ model: after.model, at: Date.parse(after.effective_from), before, after }] : [];
    })
    .toReversed();
}

export function Prices({ used, prices, aliases }: { used: readonly ModelFigures[]; prices: Asked<PricesAnswer>; aliases: PoliciesAnswer | null }) {
  const names = (aliases?.workspaces ?? []).flatMap((workspace) => [
    ...Object.entries(workspace.models.alias).map(([name, model]) => ({ where: workspace.id, name, model })),
    ...workspace.workflows.flatMap((flow) => Object.entries(flow.models.alias).map(([name, model]) => ({ where: `${workspace.id} / ${flow.id}`, name, model }))),
  ]);
  return (
    <div class="columns even">
      <Panel title="Price changes of these models, per MTok" asked={prices} skeleton="list">
        {(answer) => {
          const changes = changesOf(answer.rows, used);
          if (changes.length === 0) return <p class="calm">None is known. Calls are priced by the row in force when they are made.</p>;
          return (
            <div class="scroll-x" tabIndex={0} role="region" aria-label="Price changes, as a table">
              <table>
                <thead><tr><th scope="col">From (UTC)</th><th scope="col">Model</th><th scope="col" class="figure">Input</th><th scope="col" class="figure">Output</th><th scope="col" class="figure">Cache read</th></tr></thead>
                <tbody>
                  {changes.map((change) => (
                    <tr key={change.after.version}>
                      <th scope="row">{dayMonth(change.at, 'UTC')}{change.at > now.value && <span class="factor">ahead</span>}</th>
                      <td class="unbroken">{change.model.replace(/^claude-/, '')}</td>
                      <td class="figure">{step(change, 'input')}</td>
                      <td class="figure">{step(change, 'output')}</td>
                      <td class="figure">{step(change, 'cache_read')}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          );
        }}
      </Panel>
      <section class="panel" aria-label="Names that stand for a model">
        <header class="panel-head"><h2>Names that stand for a model</h2></header>
        {names.length === 0 ? <p class="calm">No alias is set. An alias lets you change the model of many apps in one place.</p> : (
          <table>
            <thead><tr><th scope="col">Where</th><th scope="col">Name</th><th scope="col">Model</th></tr></thead>
            <tbody>{names.map((one) => <tr key={`${one.where} ${one.name}`}><th scope="row">{one.where}</th><td><code>{one.name}</code></td><td>{one.model}</td></tr>)}</tbody>
          </table>
        )}
      </section>
    </div>
  );
}

function step({ before, after }: Change, kind: 'input' | 'output' | 'cache_read') {
  const [was, is] = [nanos(before.usd_per_mtok.standard[kind]), nanos(after.usd_per_mtok.standard[kind])];
  return was === is ? <span class="muted">{money(is)}</span> : <>{money(was)} → <strong>{money(is)}</strong></>;
}
