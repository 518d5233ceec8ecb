// test/long/hostile-provider.test.ts: how much memory large uploads, slow readers, bombs and endless answers take; the figures are printed.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { compareAll } from '../faults/fidelity.ts';
import { ask, eventually, metric, openScene, type Scene } from '../faults/scene.ts';
import { say } from '../http/raw.ts';

const MB = 1024 * 1024;
const open: Scene[] = [];
afterEach(async () => {
  for (const scene of open.splice(0)) await scene.close();
});
async function patient(config: Record<string, unknown> = {}): Promise<Scene> {
  const scene = await openScene({ config: { log: { level: 'info' }, ...config }, upstream: { headers_timeout: '300s', stream_headers_timeout: '300s', idle_timeout: '300s' }, standin: { log: { requests: 1_000, bodyBytes: 1_024 } } });
  open.push(scene);
  // What the first call loads is not what is measured.
  await ask(scene.gateway.dataUrl, { stream: true });
  return scene;
}

const rss = (scene: Scene): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${scene.gateway.pid}/status`, 'utf8'))![1]) / 1024;

/** The most that the gateway's memory grew while something ran, in MB. */
async function growth(scene: Scene, what: string, work: () => Promise<unknown>): Promise<number> {
  const before = rss(scene);
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, rss(scene))), 50);
  await work();
  clearInterval(timer);
  console.log(`${what}: ${before.toFixed(0)} MB before, ${most.toFixed(0)} MB at most, +${(most - before).toFixed(0)} MB`);
  return most - before;
}

/** Uploads a file of so many bytes; the digest of what was sent. */
function upload(scene: Scene, bytes: number): Promise<{ status: number; sha256: string }> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    const block = randomBytes(MB);
    const req = request(new URL('/v1/files', scene.gateway.dataUrl), { method: 'POST', agent: false, headers: { 'x-api-key': 'sk-ant-client', 'anthropic-version': '2023-06-01', 'content-type': 'application/octet-stream', 'content-length': bytes } }, (res) => {
      res.resume();
      res.on('end', () => resolve({ status: res.statusCode!, sha256: hash.digest('hex') }));
    });
    req.on('error', reject);
    let sent = 0;
    const more = (): void => {
      while (sent < bytes) {
        const part = block.subarray(0, Math.min(MB, bytes - sent));
        sent += part.length;
        hash.update(part);
        if (!req.write(part)) return void req.once('drain', more);
      }
      req.end();
    };
    more();
  });
}

test.each([256, 500])('a file of %i MB goes through in constant memory', async (megabytes) => {
  const scene = await patient({ body: { files: '500MB' } });
  let sent = { status: 0, sha256: '' };
  const grown = await growth(scene, `file of ${megabytes} MB`, async () => (sent = await upload(scene, megabytes * MB)));
  expect(scene.standin.log.at(-1)!.sha256).toBe(sent.sha256);
  expect(grown).toBeLessThan(100);
});

test('eight messages of 32 MB at once stay within the room for bodies', async () => {
  const scene = await patient();
  const body = `{"model":"claude-haiku-4-5","max_tokens":50,"messages":[{"role":"user","content":"${'x'.repeat(32 * MB - 200)}"}]}`;
  const grown = await growth(scene, '8 messages of 32 MB', async () => {
    const seen = await Promise.all(Array.from({ length: 8 }, () => ask(scene.gateway.dataUrl, { body })));
    // Its context window is smaller than that, says the provider; what counts is that it got them.
    expect(new Set(seen.map((one) => one.headers['x-tollgate-refusal']))).toEqual(new Set([undefined]));
  });
  expect(scene.standin.log.slice(-8).map((one) => one.bodyBytes)).toEqual(Array(8).fill(body.length));
  expect(grown).toBeLessThan(400);
});

test('100 clients that never read answers of 200 MB', async () => {
  const scene = await patient({ clients: { write_stall: '300s' } });
  const { hostname, port } = new URL(scene.gateway.dataUrl);
  const body = '{"model":"claude-haiku-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hi"}]}';
  const grown = await growth(scene, '100 clients that never read 200 MB', async () => {
    const sockets = Array.from({ length: 100 }, () => {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      socket.pause();
      socket.write(`POST /v1/messages HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\nx-standin-fault: endless-event:200000000\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      return socket;
    });
    await eventually(() => scene.standin.requests(), (n) => n === 101, 60_000);
    // Until every byte that anybody takes has been taken.
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    expect((await ask(scene.gateway.dataUrl, { stream: true })).ending).toBe('complete');
    for (const socket of sockets) socket.destroy();
  });
  expect(grown).toBeLessThan(50);
});

test('100 clients that read 1 KB a second of answers of 200 MB', async () => {
  // They read, if little: no client is let go for want of patience. What none of them takes waits at the provider.
  const scene = await patient();
  const { hostname, port } = new URL(scene.gateway.dataUrl);
  const body = '{"model":"claude-haiku-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hi"}]}';
  const alone = await p99Of(scene);
  let beside = 0;
  let read = 0;
  const grown = await growth(scene, '100 clients at 1 KB a second', async () => {
    const sockets = Array.from({ length: 100 }, () => {
      const socket = connect({ port: Number(port), host: hostname, onread: { buffer: Buffer.alloc(1_024), callback: (bytes) => ((read += bytes), false) } }).on('error', () => undefined);
      socket.write(`POST /v1/messages HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\nx-standin-fault: endless-event:200000000\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      return socket;
    });
    // One buffer a second, then no more until the next.
    const sip = setInterval(() => {
      for (const socket of sockets) socket.resume();
    }, 1_000);
    await eventually(() => scene.standin.log.filter((one) => one.bodyComplete).length, (n) => n >= 101, 60_000);
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    beside = await p99Of(scene);
    clearInterval(sip);
    for (const socket of sockets) socket.destroy();
  });
  console.log(`they took ${(read / 1_024).toFixed(0)} KB; p99 of others ${alone.toFixed(0)} ms without them, ${beside.toFixed(0)} ms beside them`);
  expect(read).toBeGreaterThan(100 * 10 * 1_024);
  expect(read).toBeLessThan(100 * 60 * 1_024);
  // A provider that was read from at its own pace would have sent it all by now.
  const sent = scene.standin.log.filter((one) => one.response.ending !== 'complete').length;
  expect(sent).toBeGreaterThanOrEqual(100);
  expect(grown).toBeLessThan(50);
  // Twice, and the few milliseconds that a machine moves by itself.
  expect(beside).toBeLessThan(2 * alone + 20);
});

/** Of 200 calls, one after the other, in ms. */
async function p99Of(scene: Scene): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < 200; n++) {
    const at = performance.now();
    expect((await ask(scene.gateway.dataUrl, {})).status).toBe(200);
    took.push(performance.now() - at);
  }
  return took.toSorted((a, b) => a - b)[197]!;
}

test('an event without end, of 512 MB, goes through, and is given up by the meter alone', async () => {
  const scene = await patient();
  const { hostname, port } = new URL(scene.gateway.dataUrl);
  const body = '{"model":"claude-haiku-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hi"}]}';
  let came = 0;
  const grown = await growth(scene, 'one event of 512 MB', () => new Promise<void>((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(`POST /v1/messages HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-client\r\nanthropic-version: 2023-06-01\r\nx-standin-fault: endless-event:512000000\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
    socket.on('data', (chunk: Buffer) => (came += chunk.length)).on('close', () => resolve());
  }));
  expect(came).toBeGreaterThan(512_000_000);
  expect(grown).toBeLessThan(50);
});

test('a gzip answer that inflates to 10 GB goes through as it came', async () => {
  const scene = await patient();
  const grown = await growth(scene, 'a bomb of 10 GB', async () => {
    const seen = await ask(scene.gateway.dataUrl, { fault: 'bomb:10000000000' });
    expect(seen.status).toBe(200);
    expect(seen.body.length).toBe(scene.standin.log.at(-1)!.response.bodyBytes);
  });
  expect(grown).toBeLessThan(50);
});

test('2,000 slow heads and 200 slow bodies are culled, and others are served meanwhile', async () => {
  const scene = await patient({ clients: { headers_timeout: '5s' } });
  const heads = Array.from({ length: 2_000 }, () => say(scene.gateway.dataUrl, 'POST /v1/messages HTTP/1.1\r\nHost: g\r\n', { waitMs: 25_000 }));
  const bodies = Array.from({ length: 200 }, () => say(scene.gateway.dataUrl, 'POST /v1/messages HTTP/1.1\r\nHost: g\r\nx-api-key: sk-ant-c\r\nContent-Length: 1000\r\n\r\n{', { waitMs: 40_000 }));
  for (let n = 0; n < 20; n++) expect((await ask(scene.gateway.dataUrl, {})).status).toBe(200);
  for (const heard of await Promise.all(heads)) expect(heard.closed).toBe(true);
  for (const heard of await Promise.all(bodies)) expect(heard).toMatchObject({ closed: true, statuses: [400] });
  expect(await metric(scene, 'tollgate_requests_in_flight')).toBe(0);
});

test('10,000 random answers arrive as they were sent', async () => {
  const scene = await openScene({ config: { log: { level: 'info' } }, upstream: { headers_timeout: '60s', stream_headers_timeout: '60s', idle_timeout: '60s' } });
  open.push(scene);
  await compareAll(scene, 1_000, 11_000);
});
