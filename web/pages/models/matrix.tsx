// web/pages/models/matrix.tsx: which workflow spends on which model; a cell leads to its requests.

import type { UsageAnswer } from '../../../server/http/admin/wire.ts';
import { costOf, rowsBy, sumOf, workflowKey } from '../../figures.ts';
import { exactMoney, shortMoney } from '../../format.ts';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { periodParameters } from '../../state/period.ts';

const MOST_MODELS = 8;
const MOST_FLOWS = 20;
/** The deepest tint; text on it still stands out by more than 4.5:1. */
const DEEPEST = 34;

const bare = (model: string): string => model.replace(/^claude-/, '');
const undated = (model: string): string => bare(model).replace(/-\d{8}$/, '');
/** Without the date, where that leaves no two alike. */
const shortName = (model: string, all: readonly string[]): string => (all.some((other) => other !== model && undated(other) === undated(model)) ? bare(model) : undated(model));

export function Matrix({ asked, models }: { asked: Asked<UsageAnswer>; models: readonly string[] }) {
  return (
    <Panel title="Workflow by model" asked={asked} skeleton="list" aside={<span class="muted">spend</span>}>
      {(answer) => {
        const shown = models.slice(0, MOST_MODELS);
        const flows = [...rowsBy(answer.rows, workflowKey)].map(([key, rows]) => ({ key, rows, cost: sumOf(rows.map(costOf)) })).toSorted((a, b) => Number(b.cost - a.cost)).slice(0, MOST_FLOWS);
        const most = Math.max(1, ...answer.rows.map((row) => Number(costOf(row))));
        return (
          <div class="scroll-x" tabIndex={0} role="region" aria-label="Workflow by model, as a table">
            <table class="matrix">
              <thead><tr><th scope="col">Workflow</th>{shown.map((model) => <th scope="col" class="figure" key={model}>{shortName(model, shown)}</th>)}</tr></thead>
              <tbody>
                {flows.map((flow) => (
                  <tr key={flow.key}>
                    <th scope="row">{flow.key.replace('/', ' / ')}</th>
                    {shown.map((model) => {
                      const row = flow.rows.find((one) => one.model === model);
                      const cost = row ? costOf(row) : 0n;
                      if (!row || cost === 0n) return <td class="figure muted" key={model}>–</td>;
                      const tint = 4 + Math.sqrt(Number(cost) / most) * (DEEPEST - 4);
                      return (
                        <td class="figure" key={model} title={exactMoney(cost)} style={{ backgroundColor: `color-mix(in srgb, var(--accent) ${tint.toFixed(1)}%, transparent)` }}>
                          <a href={addressWith({ [FILTERS.workspace]: row.workspace ?? '', [FILTERS.workflow]: row.workflow ?? '', [FILTERS.model]: model, ...periodParameters() }, 'requests')} onClick={follow} aria-label={`${flow.key} on ${model}: ${shortMoney(cost)}`}>{shortMoney(cost)}</a>
                        </td>
                      );
                    })}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        );
      }}
    </Panel>
  );
}
