// web/charts/bars.tsx: a few upright bars with their names, for a distribution or a small multiple; a table for who would rather read.

import { tablesShown } from './chart.tsx';

export interface Bar {
  readonly name: string;
  readonly label?: string;
  readonly value: number;
  readonly exact: string;
  /** Still filling: drawn in stripes. */
  readonly running?: boolean;
}

/**
 * @param most where the scale ends, so that several charts share one; a bar beyond it is cut, and looks it
 * @param mark a level drawn across, e.g. a budget's even pace
 */
export function Bars({ title, axisName, valueName, bars, most, mark = null, colour, summary, height = 'low' }: {
  title: string; axisName: string; valueName: string; bars: readonly Bar[]; most: number; mark?: { value: number; name: string } | null; colour: string; summary: string; height?: 'low' | 'mini';
}) {
  if (tablesShown.value) {
    return (
      <div class="scroll-x chart-table" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
        <table>
          <caption class="unseen">{title}</caption>
          <thead><tr><th scope="col">{axisName}</th><th scope="col" class="figure">{valueName}</th></tr></thead>
          <tbody>{bars.map((bar, i) => <tr key={i}><th scope="row">{bar.name}</th><td class="figure">{bar.exact}</td></tr>)}</tbody>
        </table>
      </div>
    );
  }
  const top = Math.max(most, mark?.value ?? 0) || 1;
  return (
    <div class={`bars ${height}`} role="img" aria-label={summary}>
      <div class="bars-field" aria-hidden="true">
        {bars.map((bar, i) => (
          <span key={i} class="bars-slot" title={`${bar.name}: ${bar.exact}`}>
            <i class={`${bar.running ? 'running' : ''} ${bar.value > top * 1.0001 ? 'cut' : ''}`} style={{ height: `${Math.min(100, (bar.value / top) * 100).toFixed(2)}%`, backgroundColor: colour }} />
          </span>
        ))}
        {mark && <span class="bars-mark" style={{ bottom: `${((mark.value / top) * 100).toFixed(2)}%` }} title={mark.name} />}
      </div>
      {bars.some((bar) => bar.label) && <div class="bars-labels" aria-hidden="true">{bars.map((bar, i) => <span key={i}>{bar.label}</span>)}</div>}
    </div>
  );
}
