// test/grafana/catalogue.ts: which series exist, and which labels each has.

import { RECORDING_GROUPS } from '../../grafana/recording.ts';
import { METRICS, type MetricEntry } from '../../server/observe/metric-names.ts';

/** Given to every series by the scrape. */
const SCRAPED = ['job', 'instance'];

export const recorded: ReadonlyMap<string, readonly string[]> = new Map(RECORDING_GROUPS.flatMap((group) => group.rules).map((rule) => [rule.record, rule.labels]));

export const counters: ReadonlySet<string> = new Set((Object.values(METRICS) as MetricEntry[]).flatMap((metric) => (metric.type === 'counter' ? [metric.name] : metric.type === 'histogram' ? seriesOf(metric) : [])));

/** Name of a series to its labels: what a scrape brings, what rules record, and Prometheus's own. */
export const series: ReadonlyMap<string, readonly string[]> = new Map([
  ...(Object.values(METRICS) as MetricEntry[]).flatMap((metric) => seriesOf(metric).map((name) => [name, [...metric.labels, ...(name.endsWith('_bucket') && metric.type === 'histogram' ? ['le'] : []), ...SCRAPED]] as const)),
  ...recorded,
  ['up', SCRAPED] as const,
  ['scrape_samples_post_metric_relabeling', SCRAPED] as const,
]);

function seriesOf({ name, type }: MetricEntry): string[] {
  return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}
