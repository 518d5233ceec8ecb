// test/grafana/provisioning.test.ts: one mount brings data source, boards and rules, and every path that is named exists.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { BOARDS, LOCAL } from '../../grafana/config.ts';
import { generated, MOUNT } from '../../grafana/files.ts';
import { here, notNeeded } from './promtool.ts';

const folder = fileURLToPath(new URL('../../grafana', import.meta.url));
const yaml = (path: string): unknown => parse(readFileSync(join(folder, path), 'utf8'));
/** The file of ours that a path in a container is. */
const mounted = (path: string): string => {
  expect(path.startsWith(`${MOUNT}/`)).toBe(true);
  return join(folder, path.slice(MOUNT.length + 1));
};

/** The fields of Grafana's provisioning files that these use; a misspelt one is an error, which Grafana would pass over. */
const Providers = z.strictObject({
  apiVersion: z.literal(1),
  providers: z.tuple([
    z.strictObject({
      name: z.string(), folder: z.string(), folderUid: z.string(), type: z.literal('file'), disableDeletion: z.literal(true), allowUiUpdates: z.literal(false), updateIntervalSeconds: z.number(),
      options: z.strictObject({ path: z.string() }),
    }),
  ]),
});
const Datasources = z.strictObject({
  apiVersion: z.literal(1),
  datasources: z.tuple([
    z.strictObject({
      name: z.string(), uid: z.string(), type: z.literal('prometheus'), access: z.literal('proxy'), url: z.url(), editable: z.literal(false),
      jsonData: z.strictObject({
        httpMethod: z.literal('POST'), prometheusType: z.literal('Prometheus'), timeInterval: z.string(),
        exemplarTraceIdDestinations: z.array(z.strictObject({ name: z.literal('call'), url: z.string(), urlDisplayLabel: z.string() })),
      }),
    }),
  ]),
});
const Compose = z.object({ services: z.record(z.string(), z.object({ image: z.string().regex(/:v?\d/), command: z.array(z.string()).optional(), environment: z.record(z.string(), z.string()).optional(), volumes: z.array(z.string()) })) });
const Scrape = z.object({ global: z.object({ scrape_interval: z.string() }), rule_files: z.array(z.string()), scrape_configs: z.tuple([z.object({ job_name: z.literal('tollgate'), static_configs: z.tuple([z.object({ targets: z.tuple([z.string()]) })]) })]) });

test('the boards are found where the provider looks, all five', () => {
  const { providers } = Providers.parse(yaml('provisioning/dashboards/tollgate.yaml'));
  expect(readdirSync(mounted(providers[0].options.path)).sort()).toEqual(Object.values(BOARDS).map((board) => board.file).sort());
});

test("the data source asks as often as Prometheus scrapes, and a bucket's example leads to its call", () => {
  const [datasource] = Datasources.parse(yaml('provisioning/datasources/tollgate.yaml')).datasources;
  expect(datasource.jsonData.timeInterval).toBe(Scrape.parse(yaml('prometheus/prometheus.yaml')).global.scrape_interval);
  expect(datasource.jsonData.exemplarTraceIdDestinations[0]?.url).toBe(`${LOCAL.tollgate}/requests?row=$\${__value.raw}`);
});

test('both containers mount this folder once, and every path they name is in it', () => {
  const { prometheus, grafana } = Compose.parse(yaml('docker-compose.yaml')).services as Record<string, z.infer<typeof Compose>['services'][string]>;
  for (const service of [prometheus!, grafana!]) expect(service.volumes.filter((volume) => volume.startsWith('.'))).toEqual([`.:${MOUNT}:ro`]);
  const named = [...(prometheus!.command ?? []), ...Object.values(grafana!.environment ?? {}), ...Scrape.parse(yaml('prometheus/prometheus.yaml')).rule_files].flatMap((text) => text.match(new RegExp(`${MOUNT}[\\w./-]*`)) ?? []);
  expect(named.length).toBe(4);
  expect(named.filter((path) => !existsSync(mounted(path)))).toEqual([]);
  expect(prometheus!.command).toContain('--storage.tsdb.retention.time=40d');
});

test('other addresses go into boards, rules, data source and scrape config, and none of ours stays', () => {
  const elsewhere = [...generated({ grafana: 'https://grafana.example.org', tollgate: 'https://tollgate.example.org', runbooks: 'https://wiki.example.org/tollgate' }).values()].join('\n');
  for (const address of [LOCAL.grafana, LOCAL.tollgate, LOCAL.runbooks, '127.0.0.1:4101']) expect(elsewhere).not.toContain(address);
  expect(elsewhere).toContain('runbook_url: https://wiki.example.org/tollgate#tollgatedown');
  expect(elsewhere).toContain('dashboard_url: https://grafana.example.org/d/tollgate-overview');
  expect(elsewhere).toMatch(/scheme: https\n\s+static_configs:\n\s+- targets:\n\s+- tollgate\.example\.org\n/);
});

test('promtool takes the scrape config', () => {
  if (!here('promtool')) return notNeeded();
  const checked = spawnSync('promtool', ['check', 'config', '--syntax-only', join(folder, 'prometheus/prometheus.yaml')], { encoding: 'utf8' });
  expect([checked.status, checked.stderr]).toEqual([0, '']);
});
