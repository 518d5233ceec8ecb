// test/bench/main.ts: `npm run bench`: the gateway against nginx and a direct connection, in one run, interleaved, as ratios.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LARGEST, measureScrapes, SMALL } from './scrape.ts';
import { makeCertificate, startBareForwarder, startFixedUpstream, startGateway, startNginxProxy, startStandin } from './subjects.ts';
import { cpuSeconds, LOAD_CORE, residentBytes, startOn, stop, type Program } from './system.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string', default: 'json,large,latency,tls,events,memory,scrape' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log('npm run bench -- [--rounds 5] [--seconds 4] [--only json,large,latency,tls,events,memory,scrape]');
  process.exit(0);
}
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const parts = new Set(values.only.split(','));

const KEY = 'bench-virtual-key-of-the-load';
/** V8 goes on compiling for some ten thousand calls, on threads of its own, which count; a gateway runs for weeks. */
const WARM_UP_SECONDS = 10;
const folder = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
const running: Program[] = [];
const loadProgram = fileURLToPath(new URL('load.js', import.meta.url));

/** What must be reached, and what is the goal; NaN where nothing was set. */
interface Bars {
  readonly perSecond: readonly [number, number];
  readonly cpu: readonly [number, number];
}
const BARS: Bars = { perSecond: [0.22, 0.3], cpu: [4.5, 3.3] };

/** What the goal is, as a ratio to nginx or an absolute figure; the lower the better unless `higher`. */
interface Row {
  readonly what: string;
  readonly unit: string;
  readonly must: number;
  readonly goal: number;
  readonly higher?: boolean;
  readonly values: number[];
}
const rows: Row[] = [];
const row = (what: string, unit: string, must: number, goal: number, higher = false): Row => {
  const made = { what, unit, must, goal, higher, values: [] };
  rows.push(made);
  return made;
};

async function againstFixedUpstream(): Promise<void> {
  const upstream = keep(await startFixedUpstream(folder, message(2048)));
  const direct: Program = { ...upstream, name: 'direct' };
  const nginx = keep(await startNginxProxy(folder, 'proxy-json', upstream.url));
  const bare = keep(await startBareForwarder(upstream.url));
  const tollgate = keep(await startGateway(folder, 'gateway-json', upstream.url, KEY));
  if (parts.has('json')) await throughput('2 KB', 2048, { direct, nginx, bare, tollgate });
  if (parts.has('large')) await throughput('100 KB', 100 * 1024, { direct, nginx, bare, tollgate });
  if (parts.has('latency')) await addedLatency({ direct, nginx, tollgate }, tollgate.adminUrl);
}

/** As every real upstream is: each subject keeps its connections and checks the certificate. What clients speak stays plain. */
async function againstTlsUpstream(): Promise<void> {
  const tls = makeCertificate(folder);
  const upstream = keep(await startFixedUpstream(folder, message(2048), tls));
  const direct: Program = { ...upstream, name: 'direct' };
  const nginx = keep(await startNginxProxy(folder, 'proxy-tls', upstream.url, tls));
  const bare = keep(await startBareForwarder(upstream.url, tls));
  const tollgate = keep(await startGateway(folder, 'gateway-tls', upstream.url, KEY, tls));
  await throughput('2 KB over TLS', 2048, { direct, nginx, bare, tollgate }, { perSecond: [NaN, NaN], cpu: [NaN, NaN] });
}

interface Subjects {
  readonly direct: Program;
  readonly nginx: Program;
  readonly tollgate: Program;
}
/** `bare` is what the runtime costs without us. */
type WithBare = Subjects & { readonly bare: Program };

/** Closed loop with 32 connections: as many requests as one core serves, and what each costs. */
async function throughput(size: string, bytes: number, { direct, nginx, bare, tollgate }: WithBare, bars: Bars = BARS): Promise<void> {
  const perSecond = row(`requests/s, ${size} body, ÷ nginx`, '×', ...bars.perSecond, true);
  const cpu = row(`CPU per request, ${size} body, ÷ nginx`, '×', ...bars.cpu);
  const floor = row(`  of which a bare forwarder on Node, ÷ nginx`, '×', NaN, NaN);
  const script = wrkScript(bytes);
  await wrk(nginx, script, 1);
  await wrk(bare, script, WARM_UP_SECONDS / 2);
  await wrk(tollgate, script, WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round++) {
    const plain = await wrk(direct, script, seconds);
    const proxied = await wrk(nginx, script, seconds);
    const forwarded = await wrk(bare, script, seconds);
    const governed = await wrk(tollgate, script, seconds);
    perSecond.values.push(governed.perSecond / proxied.perSecond);
    cpu.values.push(governed.cpuMicros / proxied.cpuMicros);
    floor.values.push(forwarded.cpuMicros / proxied.cpuMicros);
    console.log(
      `${size} round ${round + 1}: direct ${plain.perSecond.toFixed(0)}/s; nginx ${proxied.perSecond.toFixed(0)}/s ${proxied.cpuMicros.toFixed(1)} µs; bare ${forwarded.perSecond.toFixed(0)}/s ${forwarded.cpuMicros.toFixed(1)} µs; tollgate ${governed.perSecond.toFixed(0)}/s ${governed.cpuMicros.toFixed(1)} µs`,
    );
  }
}

async function wrk(subject: Program, script: string, forSeconds: number): Promise<{ perSecond: number; cpuMicros: number }> {
  const before = cpuSeconds(subject.process);
  const { child, output } = startOn(LOAD_CORE, 'wrk', ['-t1', '-c32', `-d${forSeconds}s`, '-s', script, `${subject.url}/v1/messages`]);
  await once(child, 'close');
  const used = cpuSeconds(subject.process) - before;
  const requests = Number(/(\d+) requests in/.exec(output())?.[1] ?? 0);
  if (requests === 0 || /Non-2xx/.test(output())) throw new Error(`wrk against ${subject.name}:\n${output()}`);
  return { perSecond: requests / forSeconds, cpuMicros: (used / requests) * 1e6 };
}

/** Open loop at 1,000 requests a second: what the subject adds to a direct call. */
async function addedLatency({ direct, nginx, tollgate }: Subjects, adminUrl: string): Promise<void> {
  const added = row("p50 added at 1,000/s ÷ nginx's", '×', 3, 2.2);
  // The closed loop above keeps nginx so busy that nobody sleeps between two requests; here all wake up as often.
  const cpu = row('CPU per request at 1,000/s ÷ nginx', '×', NaN, NaN);
  const loop = row('event-loop delay p99.9 under that load', 'ms', 20, 10);
  for (let round = 0; round < rounds; round++) {
    const paced = async (subject: Program) => {
      const before = cpuSeconds(subject.process);
      const measured = await load('paced', subject, 2048, {}, '1000', String(seconds));
      return { ...measured, cpuMicros: ((cpuSeconds(subject.process) - before) / measured['count']!) * 1e6 };
    };
    const plain: Record<string, number> = await paced(direct);
    const proxied: Record<string, number> = await paced(nginx);
    const scrape = async () => (await (await fetch(`${adminUrl}/metrics`)).text()).match(/^tollgate_event_loop_delay_seconds\{percentile="p99\.9"\} (\S+)/m)?.[1];
    await scrape();
    const governed: Record<string, number> = await paced(tollgate);
    cpu.values.push(governed['cpuMicros']! / proxied['cpuMicros']!);
    loop.values.push(Number(await scrape()) * 1000);
    // Where a noisy box lets nginx be quicker than nothing in between, the round says nothing.
    const addedByNginx = proxied['p50']! - plain['p50']!;
    if (addedByNginx > 0) added.values.push((governed['p50']! - plain['p50']!) / addedByNginx);
    console.log(
      `1,000/s round ${round + 1}: p50 direct ${ms(plain['p50'])}, nginx ${ms(proxied['p50'])}, tollgate ${ms(governed['p50'])}; p99 ${ms(plain['p99'])}, ${ms(proxied['p99'])}, ${ms(governed['p99'])}; CPU nginx ${proxied['cpuMicros']!.toFixed(0)} µs, tollgate ${governed['cpuMicros']!.toFixed(0)} µs; failed ${plain['failed']}, ${proxied['failed']}, ${governed['failed']}`,
    );
  }
}

async function againstStandin(): Promise<void> {
  const standin = keep(await startStandin());
  const nginx = keep(await startNginxProxy(folder, 'proxy-sse', standin.url));
  const bare = keep(await startBareForwarder(standin.url));
  const tollgate = keep(await startGateway(folder, 'gateway-sse', standin.url, KEY));
  if (parts.has('events')) {
    await streamed('lone SSE events (50 streams, one event each 20 ms)', 'CPU per lone SSE event ÷ nginx', 1.8, 1.6, 50, { events: 200, every: 20 }, { nginx, bare, tollgate });
    await streamed('SSE back to back (50 streams of 5,000 events)', 'CPU per SSE event back to back ÷ nginx', NaN, NaN, 50, { events: 5_000, every: 0 }, { nginx, bare, tollgate });
  }
  if (parts.has('memory')) await memoryPerStream(nginx, tollgate);
}

async function streamed(title: string, what: string, must: number, goal: number, count: number, sse: { events: number; every: number }, { nginx, bare, tollgate }: Omit<WithBare, 'direct'>): Promise<void> {
  const ratio = row(what, '×', must, goal);
  const floor = row('  of which a bare forwarder on Node, ÷ nginx', '×', NaN, NaN);
  const headers = { 'x-standin-sse': `events=${sse.events},bytes=120,every=${sse.every}` };
  for (let round = -1; round < rounds; round++) {
    const perEvent: number[] = [];
    for (const subject of [nginx, bare, tollgate]) {
      const before = cpuSeconds(subject.process);
      const { failed } = await load('streams', subject, 2048, headers, String(count));
      if (failed) throw new Error(`${failed} streams failed through ${subject.name}`);
      perEvent.push(((cpuSeconds(subject.process) - before) / (count * sse.events)) * 1e6);
    }
    if (round < 0) continue;
    floor.values.push(perEvent[1]! / perEvent[0]!);
    ratio.values.push(perEvent[2]! / perEvent[0]!);
    console.log(`${title}, round ${round + 1}: nginx ${perEvent[0]!.toFixed(2)} µs, bare ${perEvent[1]!.toFixed(2)} µs, tollgate ${perEvent[2]!.toFixed(2)} µs per event`);
  }
}

/** In this process: what a scrape costs is the same wherever it is asked for. */
async function scrapes(): Promise<void> {
  for (const [config, size] of [['a small config', SMALL], ['a config past every cap', LARGEST]] as const) {
    const taken = row(`a scrape after 100,000 models, users, tags and paths, ${config}`, 'ms', 100, 50);
    const { ms: each, cpuMs, heldUpMs, series, bytes } = await measureScrapes(Math.max(5, rounds), size);
    // The first also makes the texts of its labels, which are kept.
    taken.values.push(...each.slice(1));
    console.log(`a scrape, ${config}: ${series} series, ${(bytes / 1e6).toFixed(2)} MB; first ${ms(each[0])}, last ${ms(each.at(-1))}, of which CPU ${ms(cpuMs.at(-1))}; holds the event loop up for ${ms(heldUpMs)} at most`);
  }
}

async function memoryPerStream(nginx: Program, tollgate: Program): Promise<void> {
  const count = 1_000;
  const perStream = row('memory per open stream', 'KB', 60, 45);
  const headers = { 'x-standin-sse': 'events=100,bytes=120,every=1000' };
  // Once before it counts: the first streams also fill pools and compile code.
  for (const counted of [false, true]) {
    for (const subject of [nginx, tollgate]) {
      const before = residentBytes(subject.process);
      const files = inputFiles(2048, headers);
      const child = spawn('taskset', ['-c', LOAD_CORE, process.execPath, loadProgram, 'hold', subject.url, ...files, String(count)], { stdio: ['pipe', 'pipe', 'inherit'] });
      await once(child.stdout, 'data');
      const grown = (residentBytes(subject.process) - before) / count / 1024;
      child.stdin.end();
      await once(child, 'close');
      if (!counted) continue;
      console.log(`${count} open streams: ${subject.name} ${grown.toFixed(1)} KB each`);
      if (subject === tollgate) perStream.values.push(grown);
    }
  }
}

async function load(mode: string, subject: Program, bytes: number, headers: Record<string, string>, ...args: string[]): Promise<Record<string, number>> {
  const { child, output } = startOn(LOAD_CORE, process.execPath, [loadProgram, mode, subject.url, ...inputFiles(bytes, headers), ...args]);
  await once(child, 'close');
  const line = output().trim().split('\n').at(-1) ?? '';
  if (!line.startsWith('{')) throw new Error(`the load against ${subject.name} failed:\n${output()}`);
  return JSON.parse(line) as Record<string, number>;
}

function inputFiles(bytes: number, headers: Record<string, string>): [string, string] {
  const files: [string, string] = [join(folder, 'headers.json'), join(folder, `body-${bytes}.json`)];
  writeFileSync(files[0], JSON.stringify({ 'content-type': 'application/json', 'anthropic-version': '2023-06-01', 'x-api-key': KEY, ...headers }));
  writeFileSync(files[1], request(bytes));
  return files;
}

function wrkScript(bytes: number): string {
  const file = join(folder, `wrk-${bytes}.lua`);
  writeFileSync(file, `wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.headers["anthropic-version"] = "2023-06-01"\nwrk.headers["x-api-key"] = "${KEY}"\nwrk.body = [==[${request(bytes)}]==]\n`);
  return file;
}

/** A call of about `bytes`, its model last, so that it must be read whole. */
function request(bytes: number): string {
  const make = (text: string) => JSON.stringify({ max_tokens: 256, system: 'You label tickets.', messages: [{ role: 'user', content: text }], model: 'claude-haiku-4-5' });
  return make('The order arrived late. '.repeat(Math.ceil(bytes / 24)).slice(0, bytes - make('').length));
}

/** An answer of about `bytes`. */
function message(bytes: number): string {
  const make = (text: string) =>
    JSON.stringify({ id: 'msg_bench', type: 'message', role: 'assistant', model: 'claude-haiku-4-5-20251001', content: [{ type: 'text', text }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 400, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 350, service_tier: 'standard' } });
  return make('x'.repeat(Math.max(0, bytes - make('').length)));
}

function keep<P extends Program>(program: P): P {
  running.push(program);
  return program;
}

function checkPrograms(): void {
  const missing = ['taskset', 'nginx', 'wrk', 'openssl'].filter((name) => !(process.env['PATH'] ?? '').split(':').some((dir) => existsSync(join(dir, name))));
  if (missing.length > 0) {
    console.error(`The benchmark needs ${missing.join(', ')}. On Debian: apt-get install nginx-light wrk util-linux openssl`);
    process.exit(1);
  }
}

function print(): void {
  const width = Math.max(...rows.map((r) => r.what.length));
  console.log(`\n${'measured'.padEnd(width)}   median   lowest..highest   must   goal`);
  for (const r of rows) {
    const sorted = [...r.values].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    if (median === undefined) {
      console.log(`${r.what.padEnd(width)}   not measured: too noisy`);
      continue;
    }
    const meets = (bar: number): string => (Number.isNaN(bar) ? '  -' : `${bar} ${(r.higher ? median >= bar : median <= bar) ? 'met' : 'MISSED'}`);
    console.log(`${r.what.padEnd(width)}   ${median.toFixed(2)} ${r.unit}   ${sorted[0]?.toFixed(2)}..${sorted.at(-1)?.toFixed(2)}   ${meets(r.must)}   ${meets(r.goal)}`);
  }
}

function ms(value: number | undefined): string {
  return `${(value ?? NaN).toFixed(2)} ms`;
}

// At the end, where all that it needs stands above it.
try {
  checkPrograms();
  console.log(`node ${process.version}, ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores; load average ${loadavg().map((l) => l.toFixed(2)).join(' ')}`);
  console.log(`${rounds} rounds of ${seconds} s each; subjects on one core, load and upstream on the other. A load average above 1 before the start means noise.\n`);
  if (parts.has('json') || parts.has('large') || parts.has('latency')) await againstFixedUpstream();
  if (parts.has('tls')) await againstTlsUpstream();
  if (parts.has('events') || parts.has('memory')) await againstStandin();
  if (parts.has('scrape')) await scrapes();
  print();
} finally {
  await Promise.all(running.map((program) => stop(program.process)));
  rmSync(folder, { recursive: true, force: true });
}
