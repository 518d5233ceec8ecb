// test/demo/demo.test.ts: the sample apps and the demo as a whole, as programs.

import { execFile, spawn } from 'node:child_process';
import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startStandin } from '../standin/standin.ts';
import { portTrouble } from './processes.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a built sample app against a bare stand-in: no gateway, no TOLLGATE_ variables. */
function runApp(name: string, baseUrl: string, input = ''): Promise<string> {
  return new Promise((done, fail) => {
    const child = execFile(process.execPath, [join(ROOT, 'dist/test/demo/apps', name)], { env: { PATH: process.env['PATH'], ANTHROPIC_BASE_URL: baseUrl, ANTHROPIC_API_KEY: 'sk-ant-app' } }, (error, stdout) => (error ? fail(error) : done(stdout)));
    child.stdin?.end(input);
  });
}

test('ticket triage puts every ticket into a queue, and reads its handbook from the cache from the second ticket on', async () => {
  const standin = await startStandin();
  const lines = (await runApp('ticket-triage.js', standin.url)).trim().split('\n');
  expect(lines).toHaveLength(12);
  for (const line of lines) expect(line).toMatch(/^(billing|delivery|defect|return|account|praise|other) /);
  const usages = standin.log.map((r) => r.response.usage);
  expect(usages[0]?.cache_creation_input_tokens).toBeGreaterThan(4_096);
  expect(usages.slice(1).every((u) => u?.cache_read_input_tokens === usages[0]?.cache_creation_input_tokens)).toBe(true);
  await standin.close();
});

test('product descriptions writes one JSON line for each product of the catalogue', async () => {
  const standin = await startStandin();
  const lines = (await runApp('product-descriptions.js', standin.url)).trim().split('\n').map((line) => JSON.parse(line) as { sku: string; text: string });
  const catalogue = JSON.parse(readFileSync(join(ROOT, 'test/demo/apps/catalogue.json'), 'utf8')) as { sku: string }[];
  expect(lines.map((l) => l.sku)).toEqual(catalogue.map((p) => p.sku));
  expect(lines.every((l) => l.text.length > 40)).toBe(true);
  await standin.close();
});

test('the writing assistant streams, remembers, and saves a draft with its tool', async () => {
  const standin = await startStandin();
  const out = await runApp('writing-assistant.js', standin.url, 'Give me an opening.\nPlease save draft now.\n');
  expect(out).toContain('1 drafts saved');
  const bodies = standin.log.map((r) => JSON.parse(r.body.toString()) as { stream: boolean; messages: { role: string }[] });
  expect(bodies.map((b) => b.messages.length)).toEqual([1, 3, 5]);
  expect(bodies.every((b) => b.stream)).toBe(true);
  await standin.close();
});

test('a refused call is told in words, and the app goes on with the next', async () => {
  const standin = await startStandin();
  standin.next('status:403,permission_error');
  const lines = (await runApp('ticket-triage.js', standin.url)).trim().split('\n');
  expect(lines[0]).toContain('not sorted: The request failed');
  expect(lines).toHaveLength(12);
  await standin.close();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

test('a taken port is told as such, a free one is not', async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const taken = (server.address() as AddressInfo).port;
  expect(await portTrouble(`127.0.0.1:${taken}`)).toMatch(/is taken by another program/);
  await new Promise((done) => server.close(done));
  expect(await portTrouble(`127.0.0.1:${taken}`)).toBeNull();
});

test('the demo starts with a history, serves a call with one of its keys, and stops everything on Ctrl-C', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'demo-run-'));
  const [port, adminPort] = [await freePort(), await freePort()];
  const demo = spawn(process.execPath, [join(ROOT, 'dist/test/demo/main.js'), '--data-dir', dataDir, '--listen', `127.0.0.1:${port}`, '--admin-listen', `127.0.0.1:${adminPort}`, '--calls', '400', '--no-apps'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((done) => demo.once('close', done));
  const said: string[] = [];
  await new Promise<void>((ready, failed) => {
    for (const stream of [demo.stdout, demo.stderr]) createInterface({ input: stream }).on('line', (line) => {
      said.push(line);
      if (line.includes('Ctrl-C')) ready();
    });
    void ended.then((code) => failed(new Error(`ended with ${code}:\n${said.join('\n')}`)));
  });
  const response = await fetch(`http://127.0.0.1:${port}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'tg_demo_ticket_triage_5d1c', 'anthropic-version': '2023-06-01', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'fast', max_tokens: 16, messages: [{ role: 'user', content: 'Hello' }] }),
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('x-tollgate-workflow')).toBe('ticket-triage');
  const usage = (await (await fetch(`http://127.0.0.1:${adminPort}/api/usage?from=${new Date(Date.now() - 31 * 86_400_000).toISOString()}&group_by=workspace`)).json()) as { rows: { workspace: string }[]; total: { requests: number } };
  expect(usage.rows.map((r) => r.workspace).sort()).toEqual(['editorial', 'engineering', 'marketing', 'support']);
  expect(usage.total.requests).toBeGreaterThan(200);
  demo.kill('SIGINT');
  expect(await ended).toBe(0);
  await expect(fetch(`http://127.0.0.1:${adminPort}/healthz`)).rejects.toThrow();
  rmSync(dataDir, { recursive: true, force: true });
});
