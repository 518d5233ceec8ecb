// test/bench/load.ts: the load, as a program of its own so that it has a core of its own. Prints one line of JSON.
//
//   node load.js paced   URL HEADERS BODY RATE SECONDS      sends at fixed times, whatever the answers do; latencies in ms
//   node load.js streams URL HEADERS BODY COUNT             opens COUNT streams and reads each to its end
//   node load.js hold    URL HEADERS BODY COUNT             opens COUNT streams, says so, and keeps them until stdin closes

import { readFileSync } from 'node:fs';
import { Pool } from 'undici';

const [mode, url, headersFile, bodyFile, ...rest] = process.argv.slice(2) as [string, string, string, string, ...string[]];
const headers = JSON.parse(readFileSync(headersFile, 'utf8')) as Record<string, string>;
const body = readFileSync(bodyFile);
const pool = new Pool(url, { connections: 4096, pipelining: 1, headersTimeout: 60_000, bodyTimeout: 300_000 });

if (mode === 'paced') await paced(Number(rest[0]), Number(rest[1]));
else if (mode === 'streams') await streams(Number(rest[0]));
else await hold(Number(rest[0]));
process.exit(0);

function call(onData: (chunk: Buffer) => void, onHead?: () => void): Promise<number> {
  return new Promise((resolve, reject) => {
    let status = 0;
    pool.dispatch(
      { path: '/v1/messages', method: 'POST', headers, body },
      {
        // Without it the library takes this for a handler of its older kind.
        onRequestStart: () => undefined,
        onResponseStart: (_controller, code) => {
          status = code;
          onHead?.();
        },
        onResponseData: (_controller, chunk) => onData(chunk),
        onResponseEnd: () => resolve(status),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}

/** Open loop: a slow answer does not hold back the next call, so that latency cannot hide (coordinated omission). */
async function paced(rate: number, seconds: number): Promise<void> {
  const latencies: number[] = [];
  let failed = 0;
  const running: Promise<void>[] = [];
  const total = rate * seconds;
  const start = performance.now();
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * rate) + 1);
    for (; sent < due; sent++) {
      const at = performance.now();
      running.push(call(() => undefined).then((status) => void (status === 200 ? latencies.push(performance.now() - at) : failed++), () => void failed++));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(running);
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? NaN;
  console.log(JSON.stringify({ p50: at(0.5), p99: at(0.99), count: latencies.length, failed }));
}

async function streams(count: number): Promise<void> {
  let bytes = 0;
  const statuses = await Promise.all(Array.from({ length: count }, () => call((chunk) => void (bytes += chunk.length)).catch(() => 0)));
  console.log(JSON.stringify({ bytes, failed: statuses.filter((status) => status !== 200).length }));
}

async function hold(count: number): Promise<void> {
  let open = 0;
  for (let i = 0; i < count; i++) {
    call(() => undefined, () => void open++).catch(() => undefined);
    // A few at a time: a listen queue is finite, and this is not what is measured.
    if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  while (open < count) await new Promise((resolve) => setTimeout(resolve, 20));
  console.log(JSON.stringify({ open }));
  for await (const _ of process.stdin);
}
