// grafana/panels.ts: the kinds of panel, each with the defaults that all boards share, on top of Grafana's SDK.

import { PanelBuilder as BarGaugeBuilder } from '@grafana/grafana-foundation-sdk/bargauge';
import type { Builder, Dataquery as AnyQuery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BarGaugeDisplayMode, BarGaugeNamePlacement, BarGaugeValueMode, BigValueGraphMode, GraphDrawStyle, GraphThresholdsStyleConfigBuilder, GraphThresholdsStyleMode, LegendDisplayMode, LegendPlacement, ReduceDataOptionsBuilder, SortOrder,
  StackingConfigBuilder, StackingMode, TooltipDisplayMode, VisibilityMode, VizLegendOptionsBuilder, VizOrientation, VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import { DashboardLinkBuilder, ThresholdsConfigBuilder, ThresholdsMode, type Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as GaugeBuilder } from '@grafana/grafana-foundation-sdk/gauge';
import { HeatmapColorMode, HeatmapColorOptionsBuilder, PanelBuilder as HeatmapBuilder, YAxisConfigBuilder } from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

/** A query of a panel. `legend` with `{{label}}` for labels of the answer. */
export interface Target {
  readonly query: string;
  readonly legend: string;
}

export interface PanelText {
  readonly title: string;
  /** What the panel answers. */
  readonly question: string;
  /** Where to look next, when the answer is bad. */
  readonly next: string;
  /** Grafana's name of the unit. */
  readonly unit: string;
  /** Said instead of a number when there is none, and why that may be so. */
  readonly empty: string;
  readonly targets: readonly Target[];
  /** Links a series to its requests in Tollgate: the filter there, and the label here that fills it. */
  readonly requests?: Readonly<Partial<Record<'ws' | 'wf' | 'm' | 'o', string>>>;
}

/** A value and the colour from there on. */
export type Step = readonly [value: number | null, color: string];

/** What a board needs of any panel builder. */
export type AnyPanel = Builder<Panel>;

interface Common {
  title(text: string): this;
  description(text: string): this;
  datasource(ref: { type: string; uid: string }): this;
  unit(unit: string): this;
  noValue(text: string): this;
  withTarget(target: Builder<AnyQuery>): this;
  dataLinks(links: Builder<ReturnType<DashboardLinkBuilder['build']>>[]): this;
}

type How = 'range' | 'instant' | 'heatmap' | 'table';

function filled<Kind extends Common>(panel: Kind, text: PanelText, how: How): Kind {
  panel.title(text.title).description(`${text.question}\n\n${text.next}`).datasource(DATASOURCE).unit(text.unit).noValue(text.empty);
  text.targets.forEach(({ query, legend }, at) => panel.withTarget(targetOf(query, legend, how, String.fromCharCode(65 + at))));
  if (text.requests) panel.dataLinks([requestsLink(text.requests)]);
  return panel;
}

/** The SDK gives a query no refId; two without one would be taken for the same. */
function targetOf(query: string, legend: string, how: How, refId: string): DataqueryBuilder {
  const target = new DataqueryBuilder().expr(query).legendFormat(legend).refId(refId).datasource(DATASOURCE);
  if (how === 'instant') return target.instant();
  if (how === 'table') return target.instant().format(PromQueryFormat.Table);
  if (how === 'heatmap') return target.range().format(PromQueryFormat.Heatmap);
  return target.range().exemplar(query.startsWith('histogram_quantile'));
}

function requestsLink(filters: NonNullable<PanelText['requests']>): DashboardLinkBuilder {
  const query = Object.entries(filters).map(([name, label]) => `${name}=\${__field.labels.${label}:percentencode}`);
  return new DashboardLinkBuilder('These requests in Tollgate').url(`\${tollgate}/requests?${[...query, 'from=${__from:date:iso}', 'to=${__to:date:iso}'].join('&')}`).targetBlank(true);
}

const stepsOf = (steps: readonly Step[]): ThresholdsConfigBuilder => new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps.map(([value, color]) => ({ value, color })));
const lastValue = (): ReduceDataOptionsBuilder => new ReduceDataOptionsBuilder().calcs(['lastNotNull']);

export interface SeriesLook {
  /** Lines across the panel, e.g. a promised ratio. */
  readonly lines?: readonly Step[];
  readonly min?: number;
  readonly max?: number;
}

/** Lines over time. Legends are hidden unless told otherwise, so all are told. */
export function timeSeries(text: PanelText, look: SeriesLook = {}): TimeseriesBuilder {
  const panel = filled(new TimeseriesBuilder(), text, 'range')
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(8)
    .showPoints(VisibilityMode.Never)
    .min(look.min ?? 0)
    .legend(new VizLegendOptionsBuilder().showLegend(true).displayMode(LegendDisplayMode.List).placement(LegendPlacement.Bottom))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (look.max !== undefined) panel.max(look.max);
  if (look.lines) panel.thresholds(stepsOf([[null, 'transparent'], ...look.lines])).thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  return panel;
}

export const stackedBars = (text: PanelText): TimeseriesBuilder =>
  timeSeries(text).drawStyle(GraphDrawStyle.Bars).fillOpacity(80).stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));

/** `shares` shows each part of the whole instead of its size. */
export const stackedArea = (text: PanelText, shares = false): TimeseriesBuilder =>
  timeSeries(text).fillOpacity(60).stacking(new StackingConfigBuilder().mode(shares ? StackingMode.Percent : StackingMode.Normal).group('A'));

/** One number, with its course behind it where `sparkline`. */
export function stat(text: PanelText, look: { readonly sparkline: boolean; readonly steps?: readonly Step[] }): StatBuilder {
  const panel = filled(new StatBuilder(), text, look.sparkline ? 'range' : 'instant').reduceOptions(lastValue()).graphMode(look.sparkline ? BigValueGraphMode.Area : BigValueGraphMode.None);
  // A sum over the whole range at each of a thousand points would read the range a thousand times.
  if (look.sparkline) panel.maxDataPoints(60);
  return look.steps ? panel.thresholds(stepsOf(look.steps)) : panel;
}

export const gauge = (text: PanelText, steps: readonly Step[]): GaugeBuilder =>
  filled(new GaugeBuilder(), text, 'instant').reduceOptions(lastValue()).min(0).max(1).thresholds(stepsOf(steps));

export const barGauge = (text: PanelText, look: { readonly steps: readonly Step[]; readonly max?: number }): BarGaugeBuilder => {
  const panel = filled(new BarGaugeBuilder(), text, 'instant')
    .reduceOptions(lastValue())
    .orientation(VizOrientation.Horizontal)
    .displayMode(BarGaugeDisplayMode.Basic)
    .valueMode(BarGaugeValueMode.Color)
    .namePlacement(BarGaugeNamePlacement.Auto)
    .min(0)
    .thresholds(stepsOf(look.steps));
  return look.max === undefined ? panel : panel.max(look.max);
};

/** A table of one instant query: a column per label, and the value with a bar. */
export const table = (text: PanelText, value: string): TableBuilder =>
  filled(new TableBuilder(), text, 'table')
    .withTransformation({ id: 'organize', options: { excludeByName: { Time: true }, renameByName: { Value: value } } })
    .withTransformation({ id: 'sortBy', options: { sort: [{ field: value, desc: true }] } })
    .overrideByName(value, [{ id: 'custom.cellOptions', value: { type: 'gauge', mode: 'basic' } }])
    .overrideByFieldType('string', [{ id: 'unit', value: 'string' }]);

export const heatmap = (text: PanelText): HeatmapBuilder =>
  filled(new HeatmapBuilder(), text, 'heatmap')
    .calculate(false)
    .yAxis(new YAxisConfigBuilder().unit(text.unit))
    .color(new HeatmapColorOptionsBuilder().mode(HeatmapColorMode.Scheme).scheme('Oranges').steps(32))
    .showLegend();
