// test/grafana/prometheus.ts: a real Prometheus: with a past of its own, scraping a gateway every second, and asked through its HTTP API.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../flow/scene.ts';

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus {
  /** An instant query. @param at seconds since the epoch. @throws when Prometheus says that it is wrong */
  query(promql: string, at?: number): Promise<readonly Series[]>;
  labelValues(selector: string, label: string): Promise<readonly string[]>;
  /** Any other part of its API, e.g. `rules`. */
  get<Answer>(path: string): Promise<Answer>;
  close(): Promise<void>;
}

/** A series of the past: its value every minute in each stretch of [from, to), both in seconds. */
export interface Past {
  readonly series: string;
  readonly stretches: readonly { readonly from: number; readonly to: number; readonly value: (n: number) => number }[];
}

const rules = fileURLToPath(new URL('../../grafana/prometheus/rules.yaml', import.meta.url));

/** @param target `host:port` of the admin port */
export async function startPrometheus(target: string, past: readonly Past[]): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-boards-'));
  const data = join(folder, 'data');
  const history = join(folder, 'past.txt');
  writeFileSync(history, openMetrics(past));
  const made = spawnSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', history, data], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`the past was not taken: ${made.stderr}`);
  // The rules as they ship, but computed every second, as the gateway is scraped every second.
  writeFileSync(join(folder, 'rules.yaml'), readFileSync(rules, 'utf8').replaceAll('interval: 1m', 'interval: 1s'));
  const config = { global: { scrape_interval: '1s', evaluation_interval: '1s' }, rule_files: ['rules.yaml'], scrape_configs: [{ job_name: 'tollgate', static_configs: [{ targets: [target] }] }] };
  writeFileSync(join(folder, 'prometheus.yaml'), JSON.stringify(config));
  const args = [`--config.file=${join(folder, 'prometheus.yaml')}`, `--storage.tsdb.path=${data}`, '--storage.tsdb.retention.time=60d', '--web.listen-address=127.0.0.1:0', '--enable-feature=exemplar-storage'];
  const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const url = await eventually('Prometheus is ready', async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus ended:\n${said}`);
    const address = /msg="Listening on" address=(\S+)/.exec(said)?.[1];
    return address !== undefined && said.includes('Server is ready') ? `http://${address}` : null;
  });
  const get = async <Answer>(path: string): Promise<Answer> => {
    const answer = (await (await fetch(`${url}/api/v1/${path}`)).json()) as { status: string; error?: string; data: Answer };
    if (answer.status !== 'success') throw new Error(`${decodeURIComponent(path)}: ${answer.error}`);
    return answer.data;
  };
  return {
    get,
    async query(promql, at) {
      const { result } = await get<{ result: { metric: Record<string, string>; value: [number, string] }[] }>(`query?query=${encodeURIComponent(promql)}${at === undefined ? '' : `&time=${at}`}`);
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    labelValues: (selector, label) => get(`label/${label}/values?match[]=${encodeURIComponent(selector)}`),
    async close() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** OpenMetrics wants the samples of a series in one piece. */
function openMetrics(past: readonly Past[]): string {
  const lines = past.flatMap(({ series, stretches }) =>
    stretches.flatMap(({ from, to, value }) => {
      const samples: string[] = [];
      for (let at = from, n = 0; at < to; at += 60, n++) samples.push(`${series} ${value(n)} ${at}`);
      return samples;
    }),
  );
  return `${lines.join('\n')}\n# EOF\n`;
}
