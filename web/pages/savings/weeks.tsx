// web/pages/savings/weeks.tsx: what was saved and what could have been, side by side by week; each week leads to its requests.

import { tablesShown } from '../../charts/chart.tsx';
import { dollarsForDrawing, exactMoney, shortMoney } from '../../format.ts';
import { addressWith, follow } from '../../state/location.ts';
import { rangeOf, type Week } from './figures.ts';

const largest = (amounts: readonly bigint[]): bigint => amounts.reduce((a, b) => (a > b ? a : b), 0n);

export function Weeks({ weeks }: { weeks: readonly Week[] }) {
  if (tablesShown.value) return <Table weeks={weeks} />;
  const top = dollarsForDrawing(largest(weeks.flatMap(({ captured, high }) => [captured, high]))) || 1;
  // A share of the field's height: nothing at all stays nothing, and anything is seen.
  const height = (amount: bigint) => ({ height: amount <= 0n ? '0' : `max(2px, ${((dollarsForDrawing(amount) / top) * 100).toFixed(2)}%)` });
  return (
    <>
      <ul class="pairs" aria-label="Captured and recoverable by week">
        {weeks.map((week) => {
          const said = `${week.name}${week.whole ? '' : ', not whole'}: captured ${shortMoney(week.captured)}, recoverable ${rangeOf(week.low, week.high)}`;
          return (
            <li key={week.from}>
              <a href={addressWith({ from: new Date(week.from).toISOString(), to: new Date(week.to).toISOString() }, 'requests')} onClick={follow} title={said}>
                <span class="unseen">{said}</span>
                <span class={`pair ${week.whole ? '' : 'running'}`} aria-hidden="true">
                  <i class="pair-captured" style={height(week.captured)} />
                  <i class="pair-recoverable" style={height(week.high)}><b style={{ height: week.high > 0n ? `${((dollarsForDrawing(week.low) / dollarsForDrawing(week.high)) * 100).toFixed(2)}%` : '0' }} /></i>
                </span>
                <span class="pair-name" aria-hidden="true">{week.name.replace('Week of ', '')}</span>
                <span class="pair-figures" aria-hidden="true"><span>{shortMoney(week.captured)}</span><span>{shortMoney(week.low)}</span></span>
              </a>
            </li>
          );
        })}
      </ul>
      <ul class="legend small pair-legend">
        <li><i class="swatch pair-captured" aria-hidden="true" /> Captured: what caching and batches saved, cache writes deducted</li>
        <li><i class="swatch pair-sure" aria-hidden="true" /> Recoverable, at least</li>
        <li><i class="swatch pair-may" aria-hidden="true" /> and at most</li>
      </ul>
    </>
  );
}

function Table({ weeks }: { weeks: readonly Week[] }) {
  return (
    <div class="scroll-x chart-table" tabIndex={0} role="region" aria-label="Captured and recoverable by week, as a table">
      <table>
        <caption class="unseen">Captured and recoverable by week</caption>
        <thead><tr><th scope="col">Week</th><th scope="col" class="figure">Captured</th><th scope="col" class="figure">Recoverable, at least</th><th scope="col" class="figure">At most</th></tr></thead>
        <tbody>
          {weeks.map((week) => (
            <tr key={week.from}>
              <th scope="row">{week.name}{week.whole ? '' : ' (not whole)'}</th>
              {[week.captured, week.low, week.high].map((amount, at) => <td key={at} class="figure" title={exactMoney(amount)}>{shortMoney(amount)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
