// web/charts/lines.tsx: lines over ordered points, as drawing that scales and prints; read aloud point by point, and a table for who would rather read.

import { useId, useState } from 'preact/hooks';
import { shade } from '../shell/theme.ts';
import { tablesShown } from './chart.tsx';
import { limitNameAt } from './limit-name.ts';
import { colourOf, type Slot } from './palette.ts';

interface Line {
  readonly name: string;
  readonly slot: Slot;
  readonly dashed?: boolean;
  /** Null leaves a gap. */
  readonly values: readonly (number | null)[];
  /** The same, as they are read. */
  readonly exact: readonly string[];
}

interface LinesProps {
  readonly title: string;
  /** What the points are of, e.g. `Day`. */
  readonly axisName: string;
  readonly points: readonly { readonly name: string; readonly label: string }[];
  readonly lines: readonly Line[];
  /** A limit, drawn across. */
  readonly limit?: { readonly value: number; readonly name: string } | null;
  /** A filled stretch between two rows of values. */
  readonly band?: { readonly low: readonly (number | null)[]; readonly high: readonly (number | null)[]; readonly name: string } | null;
  /** How a tick of the scale reads among all of them. */
  readonly tick: (value: number, ticks: readonly number[]) => string;
  readonly top?: number;
  readonly summary: string;
  readonly height?: 'tall' | 'low';
  readonly onPick?: (index: number) => void;
}

const TALL = 100;

/** A round number at or above `value`: 1, 2, 2.5 or 5 times a power of ten. */
function niceTop(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return (([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value * 0.9999) ?? 10) * power);
}

export function Lines(props: LinesProps) {
  const { points, lines, limit, band, tick, title, summary } = props;
  const [at, setAt] = useState<number | null>(null);
  const hint = useId();
  if (tablesShown.value) return <LinesTable {...props} />;
  const highest = Math.max(0, limit?.value ?? 0, ...lines.flatMap((line) => line.values.map((value) => value ?? 0)), ...(band?.high.map((value) => value ?? 0) ?? []));
  const top = props.top ?? niceTop(highest);
  const x = (index: number) => (points.length > 1 ? (index / (points.length - 1)) * 100 : 50);
  const y = (value: number) => TALL - (Math.min(value, top) / top) * TALL;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => part * top);
  const named = limit ? limitNameAt(limit.value / top, [...lines.map((line) => line.values), ...(band ? [band.low, band.high] : [])].map((values) => values.map((value) => (value === null ? null : value / top)))) : null;
  const step = Math.max(1, Math.ceil(points.length / 7));
  const onKey = (event: KeyboardEvent) => {
    const last = points.length - 1;
    const to = ({ ArrowRight: Math.min(last, (at ?? -1) + 1), ArrowLeft: Math.max(0, (at ?? last + 1) - 1), Home: 0, End: last } as Record<string, number>)[event.key];
    if (to !== undefined) {
      event.preventDefault();
      setAt(to);
    } else if (event.key === 'Enter' && at !== null && props.onPick) {
      event.preventDefault();
      props.onPick(at);
    }
  };
  const under = (event: PointerEvent | MouseEvent): number => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return Math.max(0, Math.min(points.length - 1, Math.round(((event.clientX - box.left) / box.width) * (points.length - 1))));
  };
  const reading = at === null ? null : lines.map((line) => ({ line, text: line.exact[at] })).filter((one) => one.text);
  return (
    <div class="chart">
      <div class={`lines ${props.height ?? 'tall'}`}>
        <div class="lines-ticks" aria-hidden="true">{ticks.map((value) => <span key={value} style={{ bottom: `${(value / top) * 100}%` }}>{tick(value, ticks)}</span>)}</div>
        <div
          class={`lines-field ${props.onPick ? 'picks' : ''}`}
          role="img"
          aria-label={summary}
          aria-describedby={hint}
          tabIndex={0}
          onKeyDown={onKey}
          onBlur={() => setAt(null)}
          onPointerMove={(event) => setAt(under(event))}
          onPointerLeave={() => setAt(null)}
          onClick={(event) => props.onPick?.(under(event))}
        >
          <svg viewBox={`0 0 100 ${TALL}`} preserveAspectRatio="none" aria-hidden="true">
            {ticks.map((value) => <line key={value} class="lines-grid" x1="0" x2="100" y1={y(value)} y2={y(value)} vector-effect="non-scaling-stroke" />)}
            {band && <polygon class="lines-band" points={areaOf(band.low, band.high, x, y)} />}
            {lines.map((line, i) => <path key={i} d={pathOf(line.values, x, y)} fill="none" stroke={colourOf(line.slot, shade.value)} stroke-width="2" stroke-dasharray={line.dashed ? '5 4' : undefined} stroke-linejoin="round" stroke-linecap="round" vector-effect="non-scaling-stroke" />)}
            {limit && <line class="lines-limit" x1="0" x2="100" y1={y(limit.value)} y2={y(limit.value)} vector-effect="non-scaling-stroke" />}
            {at !== null && <line class="lines-cross" x1={x(at)} x2={x(at)} y1="0" y2={TALL} vector-effect="non-scaling-stroke" />}
          </svg>
          {limit && named && <span class={`lines-limit-name ${named.side} ${named.below ? 'below' : ''}`} style={{ top: `${y(limit.value)}%` }} aria-hidden="true">{limit.name}</span>}
          {at !== null && reading && points[at] && (
            <div class={`lines-tip ${x(at) > 50 ? 'left' : ''}`} style={{ left: `${x(at)}%` }} aria-hidden="true">
              <strong>{points[at].name}</strong>
              {reading.map(({ line, text }, i) => <span key={i}><i class="swatch" style={{ backgroundColor: colourOf(line.slot, shade.value) }} /> {line.name} <b>{text}</b></span>)}
            </div>
          )}
        </div>
        <div class="lines-labels" aria-hidden="true">{points.map((point, i) => (points.length - 1 - i) % step === 0 && <span key={i} class={i === 0 ? 'first' : i === points.length - 1 ? 'last' : ''} style={{ left: `${x(i)}%` }}>{point.label}</span>)}</div>
      </div>
      <p id={hint} class="unseen">Arrow keys read the points one by one{props.onPick ? '; Enter opens the requests behind one' : ''}.</p>
      <p class="unseen" aria-live="polite">{at !== null && points[at] ? `${points[at].name}: ${reading?.map(({ line, text }) => `${line.name} ${text}`).join(', ')}` : ''}</p>
      <p class="unseen">{title}</p>
    </div>
  );
}

type Place = (value: number) => number;

function pathOf(values: readonly (number | null)[], x: Place, y: Place): string {
  let pen = 'M';
  const parts: string[] = [];
  values.forEach((value, i) => {
    if (value === null) return void (pen = 'M');
    // A point between two gaps is a line of no length; its round end makes it a dot.
    parts.push(`${pen}${x(i).toFixed(3)},${y(value).toFixed(3)}${pen === 'M' ? 'h0' : ''}`);
    pen = 'L';
  });
  return parts.join('');
}

function areaOf(low: readonly (number | null)[], high: readonly (number | null)[], x: Place, y: Place): string {
  const there = high.flatMap((value, i) => (value === null || low[i] === null ? [] : [i]));
  const point = (values: readonly (number | null)[]) => (i: number) => `${x(i).toFixed(3)},${y(values[i]!).toFixed(3)}`;
  return [...there.map(point(high)), ...there.toReversed().map(point(low))].join(' ');
}

function LinesTable({ title, axisName, points, lines }: LinesProps) {
  return (
    <div class="scroll-x chart-table" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
      <table>
        <caption class="unseen">{title}</caption>
        <thead><tr><th scope="col">{axisName}</th>{lines.map((line, at) => <th scope="col" class="figure" key={at}>{line.name}</th>)}</tr></thead>
        <tbody>
          {points.map((point, i) => (
            <tr key={i}><th scope="row">{point.name}</th>{lines.map((line, at) => <td class="figure" key={at}>{line.exact[i] || '–'}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
