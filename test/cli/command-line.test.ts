// test/cli/command-line.test.ts: what the command says without a gateway: help, mistakes on the command line and in configs.

import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { run } from '../../server/cli/main.ts';
import { BIN, bareEnv, start, tollgate, type Ended } from './tollgate.ts';

const folder = mkdtempSync(join(tmpdir(), 'tollgate-command-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const prices = fileURLToPath(new URL('../../config/prices.yaml', import.meta.url));

/** The same command without a process of its own. */
async function inProcess(args: readonly string[]): Promise<Ended> {
  const ended = { out: '', err: '' };
  const code = await run(args, { out: (text) => void (ended.out += text), err: (text) => void (ended.err += text), env: {} });
  return { code, ...ended };
}

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** Every command that the help of another names; '' is the command itself. */
async function everyCommand(above: readonly string[] = []): Promise<string[]> {
  const { out } = await inProcess([...above, '--help']);
  const [, listed = ''] = /^Commands:\n([^]*?)\n\n/m.exec(out) ?? [];
  const names = [...listed.matchAll(/^ {2}(\S+)/gm)].map(([, name]) => name as string);
  return [above.join(' '), ...(await Promise.all(names.map((name) => everyCommand([...above, name])))).flat()];
}

test.each(await everyCommand())('`tollgate %s --help` explains itself with an example, what is special to it before what it shares', async (verb) => {
  const { code, out, err } = await inProcess([...verb.split(' ').filter(Boolean), '--help']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain(`Usage: tollgate${verb === '' ? '' : ` ${verb}`}`);
  expect(out).toMatch(new RegExp(`Examples?:\\n {2}\\$ npx tollgate ${verb}`));
  const options = [...out.matchAll(/^ {2}(?:-., )?(--[a-z-]+)/gm)].map(([, name]) => name as string);
  if (options.includes('--url')) expect(options.slice(-5)).toEqual(['--config', '--url', '--token', '--json', '--help']);
});

test('as a process, too, help goes to standard output and mistakes to standard error', async () => {
  expect(await tollgate(['--help'])).toMatchObject({ code: 0, err: '' });
  expect(await tollgate(['keys', 'create', 'ci'])).toMatchObject({ code: 2, out: '' });
  expect((await tollgate(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('a reader that stops reading ends the command quietly', async () => {
  const child = start(['--help']);
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdout.destroy();
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect({ code, err }).toEqual({ code: 0, err: '' });
});

test('the general help lists the exit codes', async () => {
  expect((await tollgate(['--help'])).out).toContain('Exit codes: 0 done; 1 the config has mistakes, or the gateway said no; 2 the command line is wrong; 3 no gateway answers.');
});

test('the help of serve lists its own exit codes', async () => {
  const { out } = await inProcess(['serve', '--help']);
  expect(out).toContain('Exit codes: 0 stopped as told; 1 the config has mistakes, a port or the ledger is in use, or a second signal came; 2 the command line is wrong; 3 the ledger is damaged, not ours, or cannot be written.');
});

test.each([
  { args: ['chek'], err: 'Did you mean check?' },
  { args: ['keys', 'lst'], err: 'Did you mean list?' },
  { args: ['report', '--form', 'now-7d'], err: 'Did you mean --from?' },
  { args: ['report', '--by', 'workspac'], err: 'Did you mean "workspace"?' },
  { args: ['keys', 'create', 'ci'], err: "required option '--workspace <id>' not specified" },
  { args: ['keys', 'create', 'ci', '--workspace', 'a', '--expires', '3y'], err: 'a time from now such as 90d' },
  { args: ['keys', 'create', 'ci', '--workspace', 'a', '--expires', '2001-01-01'], err: 'a time in the future' },
  { args: ['keys', 'rotate'], err: "missing required argument 'id'" },
  { args: ['check', 'a.yaml', 'b.yaml'], err: 'too many arguments' },
  { args: ['check', 'a.yaml', '--config', 'b.yaml'], err: 'named twice' },
  { args: ['export', 'requests', '--json'], err: '--json tells what was written; it needs --output' },
  { args: ['keys', 'list', '--url', '127.0.0.1:4101'], err: 'expected an address such as http://127.0.0.1:4101' },
])('`tollgate $args` ends with 2, and says what is wrong', async ({ args, err }) => {
  expect(await inProcess(args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(err) });
});

test('a config that is fine is summed up, with warnings on standard error', async () => {
  const file = write('fine.yaml', `prices: { file: ${prices} }\nworkspaces: [{ id: support, workflows: [{ id: triage }] }]\nbudgets: [{ id: month, scope: { organization: true }, limit_usd: 400, period: month, mode: soft }, { id: tiny, scope: { organization: true }, limit_usd: 0.000001, period: day }]\n`);
  const { code, out, err } = await tollgate(['check', file]);
  expect(code).toBe(0);
  expect(out.split('\n')[0]).toBe(`${file} is fine.`);
  expect(out).toMatch(/workflows +support\/triage, default\/\(any\)/);
  expect(out).toMatch(/budgets +month \(\$400\.0000 a month, soft\), tiny \(\$0\.000001 a day, hard\)/);
  expect(err).toContain('warning: no provider key configured for support, default: their calls go out with the key of the app that made them');
  expect(err).toContain('warning: budget month neither refuses calls nor notifies anyone');
  const soft = 'scope: { organization: true }, limit_usd: 400, period: month, mode: soft';
  const told = write('told.yaml', `prices: { file: ${prices} }\nbudgets: [{ id: month, ${soft} }, { id: mute, ${soft}, notify: [] }]\nalerts: { channels: { ops: { type: slack, url: https://hooks.example/1 } } }\n`);
  const again = await tollgate(['check', told]);
  expect(again.err).toContain('warning: budget mute neither refuses calls nor notifies anyone');
  expect(again.err).not.toContain('budget month');
});

test('a config with mistakes ends with 1: all of them on standard error, nothing on standard output', async () => {
  const file = write('wrong.yaml', `prices: { file: ${prices} }\nacess: keys\ndrain: 30\n`);
  const { code, out, err } = await tollgate(['check', file]);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  const lines = err.trimEnd().split('\n');
  expect(lines[0]).toMatch(`${file}:2:1: the config has no key "acess"; expected listen, admin,`);
  expect(lines[1]).toBe(`${file}:3:8: "30" does not fit drain; expected a duration such as 500ms, 30s, 10m, 2h or 1d, at most 24d`);
  expect(lines.slice(2)).toEqual(['2 mistakes']);
});

test('a check reads the price file too, as a start would', async () => {
  const wrong = write('wrong-prices.yaml', 'web_search_usd_per_1000: "ten"\nmodels: []\n');
  const { code, out, err } = await tollgate(['check', write('with-prices.yaml', `prices: { file: ${wrong} }\n`)]);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toContain(`${wrong}:1:1: web_search_usd_per_1000: not a decimal`);
  expect(err).toContain(`${wrong}:2:1: models: `);
});

test('the result of a check can be read by a program', async () => {
  const fine = write('json-fine.yaml', `prices: { file: ${prices} }\nupstream: { keys: { default: "\${PROVIDER}" } }\n`);
  const { code, out } = await tollgate(['check', fine, '--json'], { PROVIDER: 'sk-provider-secret' });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ ok: true, file: fine, summary: { access: 'open', provider_keys: ['default'] }, warnings: [] });
  expect(out).not.toContain('sk-provider-secret');
  expect(await tollgate(['check', '--config', fine, '--json'], { PROVIDER: 'sk-provider-secret' })).toEqual({ code, out, err: '' });
  const wrong = await tollgate(['check', fine, '--json']);
  expect({ ...wrong, out: JSON.parse(wrong.out) as unknown }).toMatchObject({ code: 1, err: '', out: { ok: false, mistakes: [{ file: fine, line: 2, column: 31, what: 'the environment has no variable PROVIDER' }] } });
});

test('a config that is not there is one mistake with the way out', async () => {
  const file = join(folder, 'absent.yaml');
  expect(await tollgate(['check'], { TOLLGATE_CONFIG: file })).toMatchObject({ code: 1, err: expect.stringContaining(`${file}:1:1: there is no such file; expected a config file; \`--config\` or TOLLGATE_CONFIG names it`) });
});

test('serve does not start on a config with mistakes', async () => {
  const file = write('serve-wrong.yaml', 'acess: keys\n');
  expect(await tollgate(['serve', '--config', file])).toMatchObject({ code: 1, out: '', err: expect.stringContaining(`${file}:1:1: the config has no key "acess"`) });
});

test('an address on the command line that is none is told as an option, not as a line of the config', async () => {
  const file = write('serve-fine.yaml', `prices: { file: ${prices} }\n`);
  const { code, err } = await tollgate(['serve', '--config', file, '--listen', 'nonsense', '--admin-listen', '4101']);
  expect({ code, lines: err.trimEnd().split('\n') }).toEqual({ code: 1, lines: [
    '--listen: "nonsense" is no address; expected host:port, such as 127.0.0.1:4100 or [::1]:4100',
    '--admin-listen: "4101" is no address; expected host:port, such as 127.0.0.1:4100 or [::1]:4100',
  ] });
});

test('a config elsewhere that names no prices is told where those that ship are', async () => {
  const file = write('no-prices.yaml', 'access: open\n');
  const child = spawn(process.execPath, [BIN, 'check', file], { cwd: folder, env: bareEnv(), stdio: ['ignore', 'ignore', 'pipe'] });
  let err = '';
  for await (const text of child.stderr.setEncoding('utf8')) err += String(text);
  expect(err).toBe(`${file}:1:1: there is no price book "config/prices.yaml"; expected \`prices.file\` to name one; the one that ships is ${prices}\n1 mistake\n`);
});

test('variables that are set and empty, as in compose files, are as if they were not set', async () => {
  const home = realpathSync(mkdtempSync(join(folder, 'home-')));
  mkdirSync(join(home, 'config'));
  const file = join(home, 'config', 'tollgate.yaml');
  writeFileSync(file, `listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0, token: "\${TOLLGATE_ADMIN_TOKEN:-}" }\nprices: { file: ${prices} }\n`);
  const child = spawn(process.execPath, [BIN, 'serve'], { cwd: home, env: bareEnv({ TOLLGATE_DATA_DIR: '', TOLLGATE_CONFIG: '', TOLLGATE_ADMIN_TOKEN: '' }), stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let out = '';
    for await (const text of child.stdout.setEncoding('utf8')) if ((out += String(text)).includes('tollgate ready')) break;
    expect(out).toContain(`  config             ${file}\n`);
    expect(out).toContain(`  data               ${join(home, 'data')}\n`);
    expect([existsSync(join(home, 'data', 'tollgate.db')), existsSync(join(home, 'tollgate.db'))]).toEqual([true, false]);
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
});

test('where no gateway answers, the command ends with 3 and says how to start it', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  expect(await tollgate(['budgets', 'list', '--url', `http://127.0.0.1:${port}`])).toEqual({
    code: 3,
    out: '',
    err: `no gateway answers at http://127.0.0.1:${port} (ECONNREFUSED)\nStart it with \`npm start\`, or say where it is with --url or --config.\n`,
  });
});

test('a config that was named and is not there asks no gateway at all, not even one at the usual port', async () => {
  const file = join(folder, 'absent.yaml');
  const said = { code: 1, out: '', err: `${file}:1:1: there is no such file; expected the config of the gateway; \`--config\` or TOLLGATE_CONFIG names it, and \`--url\` does without\n` };
  expect(await tollgate(['keys', 'list', '--config', file])).toEqual(said);
  expect(await tollgate(['budgets', 'list'], { TOLLGATE_CONFIG: file })).toEqual(said);
});

test('what answers, and is no gateway, is told from one', async () => {
  const server = createServer((_request, response) => response.end('<!doctype html>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await tollgate(['budgets', 'list', '--url', `http://127.0.0.1:${port}`])).toMatchObject({ code: 3, err: expect.stringContaining('is no Tollgate admin port') });
  await new Promise((resolve) => server.close(resolve));
});

test('a gateway that redirects elsewhere does not get the token sent there', async () => {
  const asked: (string | undefined)[] = [];
  const elsewhere = createServer((request, response) => {
    asked.push(request.headers.authorization);
    response.end('{}');
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  const server = createServer((_request, response) => response.writeHead(307, { location: `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/` }).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { code } = await tollgate(['budgets', 'list', '--url', `http://127.0.0.1:${(server.address() as AddressInfo).port}`, '--token', 'a-token']);
  expect({ code, asked }).toEqual({ code: 3, asked: [] });
  await Promise.all([server, elsewhere].map((each) => new Promise((resolve) => each.close(resolve))));
});

test('an export that breaks off half-way ends with 3 and leaves no file under its name', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/csv', 'content-length': '1000000' });
    response.write('id\n1\n', () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const file = join(folder, 'half.csv');
  const { code, err } = await tollgate(['export', 'requests', '--url', `http://127.0.0.1:${(server.address() as AddressInfo).port}`, '--output', file]);
  expect({ code, err }).toEqual({ code: 3, err: 'the export broke off: the gateway ended the connection\n' });
  expect(await tollgate(['check', file])).toMatchObject({ err: expect.stringContaining('there is no such file') });
  await new Promise((resolve) => server.close(resolve));
});

test.each([
  { name: 'builds first, and then answers', bootstrap: "import { mkdirSync, writeFileSync } from 'node:fs';\nconsole.log('building');\nconst dist = new URL('../dist/server/cli/', import.meta.url);\nmkdirSync(dist, { recursive: true });\nwriteFileSync(new URL('main.js', dist), 'export const processTerminal = () => null; export const run = async (args) => { console.log(`ran ${args}`); return 7; };');\n", ended: { code: 7, out: 'ran check,x\n', err: 'building\n' } },
  { name: 'ends as the build ends, where that fails', bootstrap: "console.error('no compiler');\nprocess.exitCode = 9;\n", ended: { code: 9, out: '', err: 'no compiler\n' } },
])('a clone that is not built $name', async ({ bootstrap, ended }) => {
  const clone = mkdtempSync(join(folder, 'clone-'));
  mkdirSync(join(clone, 'server'));
  writeFileSync(join(clone, 'package.json'), '{ "type": "module" }');
  const bin = join(clone, 'server', 'tollgate.mjs');
  copyFileSync(BIN, bin);
  chmodSync(bin, 0o755);
  writeFileSync(join(clone, 'server', 'bootstrap.mjs'), bootstrap);
  expect(await tollgate(['check', 'x'], {}, bin)).toEqual(ended);
});
