// test/grafana/promql.ts: what a PromQL expression says, read with the parser of Prometheus's own editor.

import { parser } from '@prometheus-io/lezer-promql';

/** One selector: the metric, the labels it matches on, and the window, as written. */
export interface Selector {
  readonly metric: string;
  readonly labels: readonly string[];
  /** The texts of string matchers, by label. */
  readonly values: Readonly<Record<string, string>>;
  /** e.g. `5m`; null for an instant vector. */
  readonly window: string | null;
  /** The functions and aggregations around it, innermost first. */
  readonly inside: readonly string[];
}

export interface Reading {
  readonly errors: number;
  readonly selectors: readonly Selector[];
  /** Labels of `by (…)` anywhere. */
  readonly groupedBy: readonly string[];
}

/** Grafana's own variables stand where PromQL wants a duration. */
export const withoutMacros = (query: string): string => query.replaceAll(/\$__(rate_interval|interval|range)\b/g, '5m');

export function read(query: string): Reading {
  const text = withoutMacros(query);
  const selectors: Selector[] = [];
  const groupedBy: string[] = [];
  let errors = 0;
  const cut = (node: { from: number; to: number }): string => text.slice(node.from, node.to);
  parser.parse(text).iterate({
    enter(ref) {
      if (ref.type.isError) errors++;
      if (ref.name === 'GroupingLabels') groupedBy.push(...ref.node.getChildren('LabelName').map(cut));
      if (ref.name !== 'VectorSelector') return;
      const metric = ref.node.getChild('Identifier');
      const matchers = ref.node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
      const pairs = matchers.map((matcher) => [cut(matcher.getChild('LabelName')!), cut(matcher.getChild('StringLiteral')!).slice(1, -1)] as const);
      let window: string | null = null;
      const inside: string[] = [];
      for (let up = ref.node.parent; up !== null; up = up.parent) {
        if (up.name === 'MatrixSelector') window = cut(up.lastChild!).replaceAll(/[[\]]/g, '');
        if (up.name === 'FunctionCall') inside.push(cut(up.getChild('FunctionIdentifier')!));
        if (up.name === 'AggregateExpr') inside.push(cut(up.getChild('AggregateOp')!));
      }
      selectors.push({ metric: metric === null ? '' : cut(metric), labels: pairs.map(([label]) => label), values: Object.fromEntries(pairs), window, inside });
    },
  });
  return { errors, selectors, groupedBy };
}
