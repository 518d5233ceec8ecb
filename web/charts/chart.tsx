// web/charts/chart.tsx: the one file that knows chart.js. Stacked bars over time, with a sentence for who cannot see them and a table for who would rather read.

import { BarController, BarElement, Chart, LinearScale, LineController, LineElement, PointElement, Tooltip, type ChartConfiguration, type Plugin } from 'chart.js';
import { signal } from '@preact/signals';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { touched, useDrag } from './drag.ts';
import { colourOf } from './palette.ts';
import type { Happening, Series } from './series.ts';
import { shade } from '../shell/theme.ts';
import { axisMoney, bucketLabelFormats, compact, dayAndTime } from '../format.ts';
import { hourOfDay, hourMs, startOf } from '../state/zone.ts';
import type { Bucket, BucketUnit } from '../state/buckets.ts';
import { choose, now, unzoom } from '../state/period.ts';

Chart.register(BarController, BarElement, LineController, LineElement, PointElement, LinearScale, Tooltip);

/** `t` turns every chart into its table. */
export const tablesShown = signal(false);

interface TimeBarsProps {
  /** What is drawn, e.g. `Spend by workspace`. */
  readonly title: string;
  readonly measure: 'money' | 'count';
  readonly buckets: readonly Bucket[];
  readonly unit: BucketUnit;
  readonly zone: string;
  readonly series: readonly Series[];
  /** The total of the compared period, bucket by bucket; null draws none. */
  readonly before: readonly number[] | null;
  readonly nameOf: (bucket: Bucket) => string;
  readonly totalOf: (index: number) => string;
  /** One sentence: total, peak, change. */
  readonly summary: string;
  readonly height?: 'tall' | 'low';
  /** What happened at instants of the period, e.g. a price that changed: dotted lines, and a list below. */
  readonly notes?: readonly Happening[];
  /** @param series as it was given; null where a whole bucket was picked */
  readonly onPick: (bucket: Bucket, series: Series | null) => void;
}

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Diagonal lines over a colour; drawn with the ground, so that it reads as the same colour, lighter. */
function striped(colour: string, ground: string, way: 'up' | 'down'): CanvasPattern | string {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 8;
  const pen = tile.getContext('2d');
  if (!pen) return colour;
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = ground;
  pen.lineWidth = 2;
  pen.beginPath();
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, way === 'up' ? 8 : 0);
    pen.lineTo(shift + 8, way === 'up' ? 0 : 8);
  }
  pen.stroke();
  return pen.createPattern(tile, 'repeat') ?? colour;
}

/** Ticks on whole local hours or days, as many as fit. */
function timeTicks(buckets: readonly Bucket[], unit: BucketUnit, zone: string, widthPx: number): number[] {
  const room = Math.max(2, Math.floor(widthPx / 76));
  const first = buckets[0]!.from;
  const last = buckets.at(-1)!.to;
  if (unit === 'hour') {
    const step = [1, 2, 3, 4, 6, 12, 24].find((hours) => (last - first) / (hours * hourMs) <= room) ?? 24;
    const ticks: number[] = [];
    for (let at = startOf('hour', first, zone); at <= last; at += hourMs) if (at >= first && hourOfDay(at, zone) % step === 0) ticks.push(at);
    return ticks;
  }
  const step = Math.ceil(buckets.length / room);
  // From the right, so that the present always has its name.
  return buckets.filter((_, index) => (buckets.length - 1 - index) % step === 0).map((bucket) => (bucket.from + bucket.to) / 2);
}

/** Dotted lines where something happened. */
const happenings = (notes: () => readonly Happening[]): Plugin => ({
  id: 'happenings',
  afterDatasetsDraw(chart) {
    const { ctx, chartArea, scales } = chart;
    ctx.save();
    ctx.strokeStyle = css('--text');
    ctx.fillStyle = css('--text');
    ctx.lineWidth = 1;
    ctx.setLineDash([1, 3]);
    for (const note of notes()) {
      const x = Math.round(scales['x']!.getPixelForValue(note.at)) + 0.5;
      if (x < chartArea.left || x > chartArea.right) continue;
      ctx.beginPath();
      ctx.moveTo(x, chartArea.top);
      ctx.lineTo(x, chartArea.bottom);
      ctx.stroke();
      ctx.beginPath();
      ctx.arc(x, chartArea.top + 2, 2.5, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  },
});

/** A line down the bucket that the keyboard or the pointer stands on. */
const crosshair: Plugin = {
  id: 'crosshair',
  beforeDatasetsDraw(chart) {
    const active = chart.getActiveElements()[0];
    if (!active) return;
    const { ctx, chartArea } = chart;
    const bar = active.element as unknown as { x: number; width?: number };
    const width = Math.max(12, (bar.width ?? 0) * 1.25);
    ctx.save();
    ctx.fillStyle = css('--hover');
    ctx.fillRect(bar.x - width / 2, chartArea.top, width, chartArea.bottom - chartArea.top);
    ctx.restore();
  },
};

/** The series behind a dataset, by place: names are people's own, and one may be called what another is. The compared period is drawn before them all. */
const seriesOf = ({ series, before }: TimeBarsProps) => (datasetIndex: number): Series | null => series[before ? datasetIndex - 1 : datasetIndex] ?? null;

function config(props: TimeBarsProps, readable: () => TimeBarsProps): ChartConfiguration<'bar' | 'line', { x: number; y: number }[]> {
  const { buckets, series, before, unit, zone, measure } = props;
  const middle = (bucket: Bucket) => (bucket.from + bucket.to) / 2;
  const ground = css('--surface');
  const muted = css('--muted');
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const font = { family: css('--font'), size: 11 };
  const seriesAt = seriesOf(props);
  return {
    type: 'bar',
    data: {
      datasets: [
        ...(before
          ? [{
              type: 'line' as const, label: 'before', data: buckets.slice(0, before.length).map((bucket, i) => ({ x: middle(bucket), y: before[i]! })), borderColor: muted, borderWidth: 1.5, borderDash: [4, 4],
              pointRadius: 0, pointHoverRadius: 0, stack: 'before', order: 0, tension: 0,
            }]
          : []),
        ...series.map((one) => {
          const colour = one.alarm ? css('--alarm') : colourOf(one.slot, shade.value);
          const fill = one.alarm ? striped(colour, ground, 'down') : one.slot.striped ? striped(colour, ground, 'down') : colour;
          return {
            type: 'bar' as const, label: one.name, stack: 'now', order: 1,
            data: buckets.map((bucket, i) => ({ x: middle(bucket), y: one.values[i] ?? 0 })),
            // The bucket that is still filling is drawn in stripes.
            backgroundColor: buckets.map((bucket) => (bucket.running ? striped(colour, ground, 'up') : fill)),
            borderColor: ground, borderWidth: { top: 1, right: 0, bottom: 0, left: 0 }, borderSkipped: false as const, categoryPercentage: 0.86, barPercentage: 0.92, maxBarThickness: 64,
          };
        }),
      ],
    },
    options: {
      responsive: true, maintainAspectRatio: false, animation: still ? false : { duration: 200 }, normalized: true, parsing: false,
      interaction: { mode: 'x', intersect: false },
      layout: { padding: { top: 6, right: 2 } },
      scales: {
        x: {
          type: 'linear', min: buckets[0]!.from, max: buckets.at(-1)!.to, offset: false, stacked: true,
          grid: { display: false }, border: { color: css('--line') },
          afterBuildTicks: (axis) => {
            axis.ticks = timeTicks(buckets, unit, zone, axis.width || 600).map((value) => ({ value }));
          },
          ticks: { color: muted, font, maxRotation: 0, autoSkip: false, callback: (value) => bucketLabelFormats[unit](Number(value), zone) },
        },
        y: {
          type: 'linear', beginAtZero: true, stacked: true, border: { display: false }, grid: { color: css('--grid') },
          ticks: { color: muted, font, maxTicksLimit: 5, precision: measure === 'count' ? 0 : undefined, callback: (value, _, ticks) => (measure === 'money' ? axisMoney(Number(value), ticks.map((tick) => tick.value)) : compact(Number(value))) },
        },
      },
      plugins: {
        tooltip: {
          mode: 'x', intersect: false, backgroundColor: css('--tip'), titleColor: css('--tip-text'), bodyColor: css('--tip-text'), footerColor: css('--tip-text'), padding: 10, cornerRadius: 8, boxPadding: 4,
          bodyFont: { family: css('--font'), size: 12 }, titleFont: { family: css('--font'), size: 12, weight: 600 }, footerFont: { family: css('--font'), size: 12, weight: 600 }, multiKeyBackground: 'transparent', itemSort: (a, b) => b.datasetIndex - a.datasetIndex,
          filter: (item) => item.dataset.type === 'bar' && (item.parsed.y ?? 0) > 0,
          callbacks: {
            title: (items) => (items[0] ? readable().nameOf(buckets[items[0].dataIndex]!) + (buckets[items[0].dataIndex]!.running ? ' (still filling)' : '') : ''),
            label: (item) => ` ${item.dataset.label}  ${seriesAt(item.datasetIndex)?.exact[item.dataIndex] ?? ''}`,
            labelColor: (item) => {
              const one = seriesAt(item.datasetIndex);
              const colour = one?.alarm ? css('--alarm') : one ? colourOf(one.slot, shade.value) : muted;
              const fill = one && (one.alarm || one.slot.striped) ? striped(colour, css('--tip'), 'down') : colour;
              return { backgroundColor: fill as string, borderColor: 'transparent', borderRadius: 2 };
            },
            footer: (items) => (items[0] && series.length > 1 ? `Total  ${readable().totalOf(items[0].dataIndex)}` : ''),
          },
        },
      },
    },
    plugins: [crosshair as Plugin<'bar' | 'line'>, happenings(() => readable().notes ?? []) as Plugin<'bar' | 'line'>],
  };
}

type Datasets = Chart<'bar' | 'line', { x: number; y: number }[]>['data']['datasets'];

/** The new datasets, as the objects that chart.js knows where it has drawn a series already: bars of an object that is new to it grow from nothing once more. */
function continued(known: Datasets, fresh: Datasets): Datasets {
  const left = [...known];
  return fresh.map((one) => {
    const at = left.findIndex((other) => other.label === one.label && other.type === one.type);
    // Each once: two series may have one name.
    return at === -1 ? one : Object.assign(left.splice(at, 1)[0]!, one);
  });
}

/** Points at bars, as far as they are drawn already: a key can be quicker than a redraw. */
function pointAt(chart: Chart<'bar' | 'line', { x: number; y: number }[]>, bars: readonly { datasetIndex: number; index: number }[]): void {
  const drawn = bars.filter(({ datasetIndex, index }) => index < (chart.data.datasets[datasetIndex]?.data.length ?? 0) && chart.getDatasetMeta(datasetIndex).data.length > index);
  chart.setActiveElements(drawn);
  chart.tooltip?.setActiveElements(drawn, { x: 0, y: 0 });
}

/** Stacked bars over time. A click, or Enter on a bar reached with the arrow keys, opens the calls behind it. */
export function TimeBars(props: TimeBarsProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const chart = useRef<Chart<'bar' | 'line', { x: number; y: number }[]> | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [at, setAt] = useState<number | null>(null);
  /** Where Shift began to mark from. */
  const anchor = useRef<number | null>(null);
  const hint = useId();
  const asTable = tablesShown.value;
  const tone = shade.value;

  // A plain effect ends a while after its canvas has left the page. Until then chart.js takes the chart for one that is put elsewhere, and
  // the pointer's last event, which it keeps for the next frame, for one on bars that it has let go of: an error. A layout effect ends first.
  useLayoutEffect(() => {
    if (asTable || !canvas.current) return;
    const made = new Chart(canvas.current, config(latest.current, () => latest.current));
    chart.current = made;
    // Text that was drawn before its typeface had come is drawn again.
    void document.fonts.ready.then(() => chart.current === made && made.update('none'));
    return () => {
      made.destroy();
      chart.current = null;
    };
  }, [asTable]);

  const shape = JSON.stringify([props.buckets, props.series, props.before, props.measure, props.notes, tone]);
  const drawn = useRef('');
  useLayoutEffect(() => {
    if (!chart.current || drawn.current === shape) return;
    const fresh = config(props, () => latest.current);
    // What was pointed at may be gone, and chart.js would ask it for its value all the same.
    const still = chart.current.getActiveElements().every(({ datasetIndex, index }) => index < (fresh.data.datasets[datasetIndex]?.data.length ?? 0));
    if (!still) pointAt(chart.current, []);
    chart.current.data = { datasets: continued(chart.current.data.datasets, fresh.data.datasets) };
    chart.current.options = fresh.options!;
    chart.current.update(drawn.current === '' ? 'none' : undefined);
    drawn.current = shape;
  }, [shape]);

  const zoom = (first: number, last: number) => choose({ from: props.buckets[first]!.from, to: Math.min(props.buckets[last]!.to, now.value) });
  const area = () => chart.current?.chartArea ?? { left: 0, width: 1 };
  const drag = useDrag(area, props.buckets.length > 1 ? (draft) => {
    const { first, last } = touched(draft, props.buckets.length);
    zoom(first, last);
  } : null);
  const stand = (index: number, keepAnchor = false) => {
    if (!keepAnchor) anchor.current = index;
    setAt(index);
    if (chart.current === null) return;
    pointAt(chart.current, props.series.map((_, i) => ({ datasetIndex: i + (props.before ? 1 : 0), index })));
    chart.current.update('none');
  };
  const onKey = (event: KeyboardEvent) => {
    const last = props.buckets.length - 1;
    const moves: Record<string, number> = { ArrowRight: Math.min(last, (at ?? -1) + 1), ArrowLeft: Math.max(0, (at ?? last + 1) - 1), Home: 0, End: last };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      stand(to, event.shiftKey && anchor.current !== null);
    } else if (event.key === 'Enter' && at !== null) {
      event.preventDefault();
      if (anchor.current !== null && anchor.current !== at) zoom(Math.min(anchor.current, at), Math.max(anchor.current, at));
      else props.onPick(props.buckets[at]!, null);
    }
  };
  const onClick = (event: MouseEvent) => {
    if (drag.swallows()) return;
    const hits = chart.current?.getElementsAtEventForMode(event, 'nearest', { intersect: true }, false) ?? [];
    const any = hits[0] ?? chart.current?.getElementsAtEventForMode(event, 'x', { intersect: false }, false)[0];
    if (!any) return drag.once(() => undefined, unzoom);
    const pick = () => props.onPick(props.buckets[any.index]!, hits[0] ? seriesOf(props)(hits[0].datasetIndex) : null);
    // On a bar a click is a click; beside the bars, two of them take a zoom back.
    if (hits[0]) pick();
    else drag.once(pick, unzoom);
  };
  const reach = at !== null && anchor.current !== null && anchor.current !== at ? { first: Math.min(anchor.current, at), last: Math.max(anchor.current, at) } : null;
  const selected = drag.draft ?? (reach && { left: reach.first / props.buckets.length, right: (reach.last + 1) / props.buckets.length });

  return (
    <div class="chart">
      {asTable ? (
        <ChartTable {...props} />
      ) : (
        <div class={`chart-canvas ${props.height ?? 'tall'}`}>
          {/* A canvas cannot be read aloud; the sentence says what it shows, the arrow keys read it bar by bar. */}
          <canvas
            ref={canvas} role="img" aria-label={props.summary} aria-describedby={hint} tabIndex={0} onKeyDown={onKey} onClick={onClick} onBlur={() => setAt(null)}
            onPointerDown={drag.onPointerDown} onPointerMove={drag.onPointerMove} onPointerUp={drag.onPointerUp} onPointerCancel={drag.onPointerCancel}
          />
          {selected && <span class="chart-draft" style={{ left: `${area().left + selected.left * area().width}px`, width: `${(selected.right - selected.left) * area().width}px` }} aria-hidden="true" />}
          <p id={hint} class="unseen">Arrow keys read the bars one by one; Enter opens the requests behind one. With Shift, arrow keys mark a stretch and Enter zooms into it.</p>
          <p class="unseen" aria-live="polite">
            {at !== null && props.buckets[at] ? `${props.nameOf(props.buckets[at])}: ${props.totalOf(at)}${reach ? `; marked from ${props.nameOf(props.buckets[reach.first]!)} to ${props.nameOf(props.buckets[reach.last]!)}` : ''}` : ''}
          </p>
        </div>
      )}
      <Happened notes={props.notes ?? []} zone={props.zone} />
    </div>
  );
}

const MOST_NOTES = 6;

/** The dotted lines in words. */
function Happened({ notes, zone }: { notes: readonly Happening[]; zone: string }) {
  if (notes.length === 0) return null;
  return (
    <ul class="happened" aria-label="What happened in this period">
      {notes.slice(0, MOST_NOTES).map((note) => <li key={note.at + note.name}><span class="muted">{dayAndTime(note.at, zone)}</span> {note.name}</li>)}
      {notes.length > MOST_NOTES && <li class="muted">and {notes.length - MOST_NOTES} more</li>}
    </ul>
  );
}

/** Turns all charts into tables and back; `t` does the same. */
export function TableSwitch() {
  return (
    <button type="button" class="table-switch" aria-pressed={tablesShown.value} onClick={() => (tablesShown.value = !tablesShown.value)} title="Charts as tables (t)">
      Table
    </button>
  );
}

function ChartTable({ title, buckets, series, nameOf, totalOf }: TimeBarsProps) {
  return (
    <div class="scroll-x chart-table" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
      <table>
        <caption class="unseen">{title}</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map((one, i) => <th scope="col" class="figure" key={i}>{one.name}</th>)}
            {series.length > 1 && <th scope="col" class="figure">Total</th>}
          </tr>
        </thead>
        <tbody>
          {buckets.map((bucket, index) => (
            <tr key={bucket.key}>
              <th scope="row">{nameOf(bucket)}{bucket.running ? ' (still filling)' : ''}</th>
              {series.map((one, i) => <td class="figure" key={i}>{one.exact[index]}</td>)}
              {series.length > 1 && <td class="figure">{totalOf(index)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
