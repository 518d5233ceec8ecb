// test/grafana/alerts.test.ts: every alert fires when it should and is silent when it should be, as Prometheus itself evaluates it.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { ALERTS } from '../../grafana/alerts.ts';
import { CASES, type Case } from './alert-cases.ts';
import { here, notNeeded } from './promtool.ts';

const rules = fileURLToPath(new URL('../../grafana/prometheus/rules.yaml', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tollgate-alerts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const promtool = here('promtool');

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
}
const everyRule = (parse(readFileSync(rules, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

/** The alert as generated, and the recording rules it builds on; weeks of all the others would take minutes. */
function neededBy(expr: string): readonly Rule[] {
  const direct = everyRule.filter(({ record }) => record !== undefined && expr.split(/[^\w:]+/).includes(record));
  return [...new Set(direct.flatMap((rule) => [...neededBy(rule.expr), rule]))];
}

function ruleFile(alert: string): string {
  const rule = everyRule.find((one) => one.alert === alert)!;
  const file = join(folder, `${alert}.rules.yaml`);
  writeFileSync(file, stringify({ groups: [{ name: alert, rules: [...neededBy(rule.expr), rule] }] }));
  return file;
}

const unitTest = (alert: string, { series, at, firing, step = '1m', every = step }: Case): unknown => ({
  rule_files: [ruleFile(alert)],
  evaluation_interval: every,
  tests: [
    {
      interval: step,
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      promql_expr_test: [{ expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`, eval_time: at, exp_samples: firing === 0 ? [] : [{ labels: '{}', value: firing }] }],
    },
  ],
});

test('every alert has a case in which it fires and one in which it does not', () => {
  expect(Object.keys(CASES)).toEqual(ALERTS.map(({ alert }) => alert));
  expect(Object.values(CASES).filter((cases) => !cases.some((c) => c.firing > 0) || !cases.some((c) => c.firing === 0))).toEqual([]);
});

test('promtool finds nothing wrong with the rules', () => {
  if (!promtool) return notNeeded();
  const checked = spawnSync('promtool', ['check', 'rules', rules], { encoding: 'utf8' });
  expect([checked.status, checked.stderr]).toEqual([0, '']);
});

const rows = Object.entries(CASES).flatMap(([alert, cases]) => cases.map((one, n) => ({ alert, ...one, verb: one.firing > 0 ? 'fires' : 'is silent', file: join(folder, `${alert}-${n}.yaml`) })));
let tested = { stdout: '', stderr: '' };

beforeAll(() => {
  if (!promtool) return;
  for (const row of rows) writeFileSync(row.file, stringify(unitTest(row.alert, row)));
  // All in one process, which says of each file how it went.
  tested = spawnSync('promtool', ['test', 'rules', ...rows.map(({ file }) => file)], { encoding: 'utf8' });
});

test.each(rows)('$alert $verb when $what', ({ file }) => {
  if (!promtool) return notNeeded();
  expect(tested.stdout.includes(`${file}\n  SUCCESS\n`), tested.stderr).toBe(true);
});
