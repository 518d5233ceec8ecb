// test/grafana/lint.test.ts: the boards hold to the rules of grafana's dashboard-linter, and to our own.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ALERTS } from '../../grafana/alerts.ts';
import { BOARDS, LOCAL } from '../../grafana/config.ts';
import { generated } from '../../grafana/files.ts';
import { RECORDING_GROUPS } from '../../grafana/recording.ts';
import { QUEUE_RESULTS } from '../../server/domain/provider-queue.ts';
import { COST_KINDS, DELIVERY_RESULTS, METRIC_OUTCOMES } from '../../server/observe/metric-names.ts';
import { boards, labelValues, panels, targets } from './boards.ts';
import { counters, recorded, series } from './catalogue.ts';
import { read } from './promql.ts';

const file = (path: string): string => readFileSync(fileURLToPath(new URL(`../../grafana/${path}`, import.meta.url)), 'utf8');

/** Windows that are what the figure means, whatever time is shown. */
const FIXED_WINDOWS: Readonly<Record<string, string>> = { '1h': 'cost per 1,000 good requests', '30d': 'the error budget of 30 days' };
const UNITS = new Set(['currencyUSD', 'percentunit', 'reqps', 'ops', 's', 'short', 'none']);

test.each([...generated(LOCAL)])('%s is what the code generates', (path, text) => {
  expect(file(path)).toBe(text);
});

test('there are five boards, each with its own address and title', () => {
  expect(boards.map((board) => board.uid).sort()).toEqual(Object.values(BOARDS).map((board) => board.uid).sort());
  expect(new Set(boards.map((board) => board.title)).size).toBe(5);
});

describe.each(boards.map((board) => [board.title, board] as const))('the board %s', (_title, board) => {
  test('is read-only, tagged, versioned and of the schema that the SDK writes', () => {
    expect([board.editable, board.tags, board.version > 0, board.schemaVersion]).toEqual([false, ['tollgate'], true, 42]);
  });

  test('takes its data source, job, instance, workspace and model from variables', () => {
    expect(board.templating.list.map((variable) => `${variable.type} ${variable.name}`)).toEqual(['datasource datasource', 'query job', 'query instance', 'query workspace', 'query model', 'constant tollgate']);
    for (const variable of board.templating.list.filter((v) => v.type === 'query')) {
      expect([variable.multi, variable.includeAll, variable.allValue, variable.refresh, variable.datasource?.uid], variable.name).toEqual([true, true, '.*', 2, '${datasource}']);
      expect(variable.label).toMatch(/^[A-Z]/);
      const { selector, label } = labelValues(variable);
      const { errors, selectors } = read(selector);
      expect([errors, series.get(selectors[0]!.metric)]).toEqual([0, expect.arrayContaining([label])]);
    }
  });

  test('leads to the other boards with the same variables, and to the dashboard with the same time', () => {
    expect(board.links.map(({ type, keepTime, includeVars }) => ({ type, keepTime, includeVars }))).toEqual([{ type: 'dashboards', keepTime: true, includeVars: true }, { type: 'link', keepTime: false, includeVars: false }]);
    expect(board.links[1]?.url).toMatch(/^\$\{tollgate\}\/(requests|budgets)?\?from=\$\{__from:date:iso\}&to=\$\{__to:date:iso\}$/);
  });

  test('numbers its panels, and lays none over another or over the edge', () => {
    const ids = board.panels.map((panel) => panel.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => id > 0)).toBe(true);
    const places = board.panels.map((panel) => panel.gridPos);
    for (const [at, a] of places.entries()) {
      expect(a.x + a.w).toBeLessThanOrEqual(24);
      for (const b of places.slice(at + 1)) expect(a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h, `${JSON.stringify(a)} and ${JSON.stringify(b)}`).toBe(false);
    }
  });
});

describe.each(panels.map(({ name, panel, board }) => [name, panel, board] as const))('%s', (_name, panel, board) => {
  test('says what it shows, where to look next, in which unit, and what it means to be empty', () => {
    expect(panel.title).not.toBe('');
    expect(panel.description).toMatch(/^.{20,}\n\n.{20,}$/);
    expect(UNITS).toContain(panel.fieldConfig?.defaults.unit);
    expect(panel.fieldConfig?.defaults.noValue).toMatch(/^[a-z]/);
    expect(panel.datasource).toEqual({ type: 'prometheus', uid: '${datasource}' });
    if (panel.type === 'timeseries') expect(panel.options?.legend?.showLegend).toBe(true);
    if (panel.repeat !== undefined) expect(board.templating.list.map((variable) => variable.name)).toContain(panel.repeat);
  });

  test('has queries of its data source, each with a name of its own', () => {
    const refIds = (panel.targets ?? []).map((target) => target.refId);
    expect(refIds.length).toBeGreaterThan(0);
    expect(new Set(refIds).size).toBe(refIds.length);
    expect((panel.targets ?? []).every((target) => target.datasource.uid === '${datasource}')).toBe(true);
  });

  test('links to requests by labels that its series have', () => {
    for (const { url } of panel.fieldConfig?.defaults.links ?? []) {
      expect(url.startsWith('${tollgate}/requests?')).toBe(true);
      for (const [, label] of url.matchAll(/__field\.labels\.(\w+)/g)) expect(labelsOf(panel.targets?.[0]?.expr ?? '')).toContain(label);
    }
  });
});

describe.each(targets.map(({ name, target }) => [name, target] as const))('%s', (_name, target) => {
  const { errors, selectors, groupedBy } = read(target.expr);

  test('is valid PromQL about series and labels that exist', () => {
    expect(errors).toBe(0);
    expect(selectors.length).toBeGreaterThan(0);
    for (const { metric, labels } of selectors) {
      expect([...series.keys()]).toContain(metric);
      expect(series.get(metric)).toEqual(expect.arrayContaining([...labels]));
    }
    const known = new Set(selectors.flatMap(({ metric }) => series.get(metric) ?? []));
    expect(groupedBy.filter((label) => !known.has(label))).toEqual([]);
  });

  test('is narrowed to the chosen jobs and, but for recorded series, instances', () => {
    for (const { metric, values } of selectors) expect([values['job'], values['instance']]).toEqual(['$job', recorded.has(metric) ? undefined : '$instance']);
  });

  test('narrows to the chosen workspaces and models wherever its series have those labels', () => {
    for (const { metric, values } of selectors.filter((s) => s.metric.startsWith('tollgate_') || recorded.has(s.metric))) {
      const labels = series.get(metric) ?? [];
      // What the gateway is busy with is told over all workspaces: it is about the gateway.
      if (metric === 'tollgate_requests_in_flight' || target.expr.includes('tollgate_usage_incomplete_total')) continue;
      expect([values['workspace'], values['model']]).toEqual([labels.includes('workspace') ? '$workspace' : undefined, labels.includes('model') ? '$model' : undefined]);
    }
  });

  test('takes the rate or the increase of every counter, over a window that follows the board', () => {
    for (const { metric, inside, window } of selectors) {
      expect(inside.some((name) => name === 'rate' || name === 'increase')).toBe(counters.has(metric));
      expect(window === null).toBe(!counters.has(metric));
    }
    for (const [, window] of target.expr.matchAll(/\[([^\]]+)\]/g)) expect(['$__rate_interval', '$__range', ...Object.keys(FIXED_WINDOWS)]).toContain(window);
    if (target.expr.includes('histogram_quantile')) expect(groupedBy).toContain('le');
    expect(target.expr).not.toMatch(/le="\d+"/);
  });

  test('has a legend of labels that its answer has', () => {
    for (const [, label] of target.legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(labelsOf(target.expr)).toContain(label);
  });
});

/** Every value that the gateway gives a label whose values are known. */
const VALUES: Readonly<Record<string, readonly string[]>> = { outcome: METRIC_OUTCOMES, kind: COST_KINDS, result: [...DELIVERY_RESULTS, ...QUEUE_RESULTS], bound: ['p50', 'p90'] };
const matchers = [...RECORDING_GROUPS.flatMap((group) => group.rules), ...ALERTS, ...targets.map(({ target }) => target)]
  .flatMap(({ expr }) => [...expr.matchAll(/(\w+)(!?=~?)"([^"$]*)"/g)].map(([text, label, how, value]) => ({ text, label: label!, how: how!, value: value! })))
  .filter(({ label }) => label in VALUES);

test.each([...new Map(matchers.map((matcher) => [matcher.text, matcher])).values()])('$text matches values that the gateway writes', ({ label, how, value }) => {
  const parts = how.includes('~') ? value.split('|') : [value];
  for (const part of parts) expect(VALUES[label]!.filter((known) => new RegExp(`^(?:${part})$`).test(known))).not.toEqual([]);
});

describe('the rules', () => {
  const rules = [...RECORDING_GROUPS.flatMap((group) => group.rules).map(({ record, expr }) => [record, expr] as const), ...ALERTS.map(({ alert, expr }) => [alert, expr] as const)];

  test.each(rules)('%s is valid PromQL about series and labels that exist', (_name, expr) => {
    const { errors, selectors } = read(expr);
    expect(errors).toBe(0);
    for (const { metric, labels } of selectors) {
      expect([...series.keys()]).toContain(metric);
      expect(series.get(metric)).toEqual(expect.arrayContaining([...labels]));
    }
    expect(expr).not.toMatch(/le="\d+"/);
  });

  test('every alert has a name of its own, says what it means, and has a page in the runbook', () => {
    expect(new Set(ALERTS.map(({ alert }) => alert)).size).toBe(ALERTS.length);
    const headings = [...file('runbooks.md').matchAll(/^## (\w+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(ALERTS.map(({ alert }) => alert));
    for (const { summary, description } of ALERTS) {
      expect(summary).toMatch(/^.{20,}\.$/);
      expect(description).toMatch(/^.{20,}\.$/s);
    }
  });
});

/** The labels that series of an answer have: what it groups by, or what a single series has by itself. */
function labelsOf(expr: string): readonly string[] {
  const { selectors, groupedBy } = read(expr);
  return groupedBy.length > 0 || /\b(sum|min|max)\(/.test(expr) ? groupedBy : (series.get(selectors[0]?.metric ?? '') ?? []);
}
