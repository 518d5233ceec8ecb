// test/settings/files.test.ts: the files that ship in config/, and files that cannot be read.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { jsonSchemaText } from '../../server/settings/json-schema.ts';
import { configFile, loadSettings, loadText } from '../../server/settings/load.ts';
import { mistakeText } from '../../server/settings/mistakes.ts';
import { configSchema } from '../../server/settings/schema.ts';

const config = (name: string): string => fileURLToPath(new URL(`../../config/${name}`, import.meta.url));
const shipped = readFileSync(config('tollgate.yaml'), 'utf8');
const EXAMPLES = shipped.replace(/^#:/gm, '');
const ENV = { ANTHROPIC_API_KEY_2: 'sk-ant-2', TRIAGE_KEY: 'a-secret-of-some-length', SLACK_URL: 'https://hooks.example/1', TEAMS_URL: 'https://hooks.example/2', HOOK_URL: 'https://hooks.example/3', HOOK_SECRET: 'a-secret-of-a-webhook', PAGERDUTY_KEY: '0123456789abcdef0123456789abcdef', SMTP_URL: 'smtp://mail.example:587' };

const folder = mkdtempSync(join(tmpdir(), 'tollgate-settings-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the shipped config works without a key and without an environment, on loopback', () => {
  const loaded = loadText({ file: config('tollgate.yaml'), text: shipped, env: {}, exists: () => true });
  expect(loaded).toMatchObject({ ok: true, settings: { access: 'open', listen: { host: '127.0.0.1', port: 4100 }, admin: { listen: { host: '127.0.0.1', port: 4101 }, token: null } } });
  expect(loaded.ok && [...loaded.settings.workspaces.keys()]).toEqual(['default']);
});

test('the commented examples of the shipped config are right, and show every section', () => {
  const loaded = loadText({ file: config('tollgate.yaml'), text: EXAMPLES, env: ENV, exists: () => true });
  expect(loaded.ok ? [] : loaded.mistakes.map(mistakeText)).toEqual([]);
  const sections = Object.keys(configSchema.shape);
  expect(Object.keys(parse(EXAMPLES) as object).sort()).toEqual(sections.sort());
});

test('the examples named as defaults are the defaults', () => {
  const defaults = shipped.slice(shipped.indexOf('# Everything else has a default')).replace(/^#:/gm, '');
  const options = { file: 'f', env: {}, exists: () => true };
  const [written, silent] = [loadText({ ...options, text: defaults }), loadText({ ...options, text: 'access: open\n' })];
  expect(written.ok && silent.ok && { ...written.settings, digest: '', written: null }).toEqual(silent.ok && { ...silent.settings, digest: '', written: null });
});

test('the schema file for editors is current, and the config names it', () => {
  // Where this fails after a change of the schema: write jsonSchemaText() to config/tollgate.schema.json.
  expect(readFileSync(config('tollgate.schema.json'), 'utf8')).toBe(jsonSchemaText());
  expect(shipped.split('\n')[0]).toBe('# yaml-language-server: $schema=./tollgate.schema.json');
});

test('every field says what it is for', () => {
  const silent: string[] = [];
  const visit = (schema: z.core.JSONSchema.BaseSchema, path: string): void => {
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      if (typeof field === 'boolean') continue;
      if (!field.description && field.const === undefined) silent.push(`${path}${name}`);
      visit(field, `${path}${name}.`);
    }
    for (const inner of [schema.items, schema.additionalProperties, ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])]) if (inner && typeof inner === 'object') visit(inner as z.core.JSONSchema.BaseSchema, path);
  };
  visit(JSON.parse(jsonSchemaText()) as z.core.JSONSchema.BaseSchema, '');
  expect(silent).toEqual([]);
});

test('an editor accepts what the gateway accepts, variables and all, and refuses an unknown key', () => {
  const editor = z.fromJSONSchema(JSON.parse(jsonSchemaText()) as z.core.JSONSchema.JSONSchema);
  const mistakes = (text: string): unknown[] => editor.safeParse(parse(text)).error?.issues ?? [];
  expect(mistakes(shipped)).toEqual([]);
  expect(mistakes(EXAMPLES)).toEqual([]);
  expect(mistakes('max_in_flight: "${MANY}"\naccess: "${ACCESS:-keys}"\n')).toEqual([]);
  expect(mistakes('max_in_flight: many\n')).toHaveLength(1);
  expect(mistakes('acess: open\n')).toHaveLength(1);
});

test.each([
  { name: 'a file that is not there', file: () => join(folder, 'absent.yaml'), what: 'there is no such file; expected a config file; `--config` or TOLLGATE_CONFIG names it' },
  { name: 'a folder', file: () => folder, what: 'this is a folder' },
  { name: 'a file of more than 1 MB', file: () => write('large.yaml', `# ${'x'.repeat(1024 * 1024)}\n`), what: 'the file is larger than 1 MB' },
  { name: 'a file that is not UTF-8', file: () => write('latin.yaml', Buffer.from('# Z\xfcrich\naccess: open\n', 'latin1')), what: 'the file is not UTF-8 text' },
])('$name is one clear mistake', ({ file, what }) => {
  const loaded = loadSettings({ file: file(), env: {} });
  expect(loaded.ok ? [] : loaded.mistakes.map(mistakeText)).toEqual([expect.stringContaining(`${file()}:1:1: ${what}`)]);
});

test('a byte order mark and Windows line ends are nothing to worry about', () => {
  const prices = write('prices.yaml', '');
  const file = write('windows.yaml', `\ufeffaccess: open\r\nprices: { file: ${prices} }\r\n`);
  expect(loadSettings({ file, env: {} })).toMatchObject({ ok: true, settings: { file, access: 'open' } });
});

test.each([
  { named: 'a.yaml', env: { TOLLGATE_CONFIG: 'b.yaml' }, file: 'a.yaml' },
  { named: undefined, env: { TOLLGATE_CONFIG: 'b.yaml' }, file: 'b.yaml' },
  { named: undefined, env: { TOLLGATE_CONFIG: '' }, file: 'config/tollgate.yaml' },
  { named: undefined, env: {}, file: 'config/tollgate.yaml' },
])('told $named, with $env, the config is $file', ({ named, env, file }) => {
  expect(configFile(named, env)).toBe(file);
});

function write(name: string, content: string | Buffer): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}
