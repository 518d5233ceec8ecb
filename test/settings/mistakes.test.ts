// test/settings/mistakes.test.ts: every mistake of a config is told, with its place and what would be right.

import { expect, test } from 'vitest';
import { loadText } from '../../server/settings/load.ts';
import { mistakeText, nearest } from '../../server/settings/mistakes.ts';
import { ROWS } from './rows.ts';

const HIDDEN = 'hunter2hunter2hunter2';
const load = (text: string) => loadText({ file: 'tollgate.yaml', text, env: { SECRET_WORD: HIDDEN }, exists: () => true });
const toldAbout = (text: string): string[] => {
  const loaded = load(text);
  return loaded.ok ? [] : loaded.mistakes.map(mistakeText);
};

test.each(ROWS)('$name is told with its place', ({ yaml, said }) => {
  const told = toldAbout(yaml);
  const places = told.map((line) => line.split(': ')[0]);
  expect(places).toEqual(said.map((line) => `tollgate.yaml:${line.split(' ')[0]}`));
  for (const [index, line] of said.entries()) expect(told[index]).toContain(line.slice(line.indexOf(' ') + 1));
});

test.each(ROWS)('what is said of $name shows no secret and stays on one line', ({ yaml }) => {
  for (const line of toldAbout(yaml)) {
    expect(line).not.toContain('hunter2');
    expect(line).not.toContain('0123456789abcdef');
    expect(line).not.toContain('hooks.example/secret');
    expect(line).not.toMatch(/[\r\n]/);
  }
});

test('mistakes of form, of reference and of the environment are told together, in the order of the file', () => {
  const told = toldAbout(`acces: keys
listen: 0.0.0.0:4100
timezone: Mars/Base
upstream: { keys: { default: "\${NOT_SET}" } }
workspaces:
  - { id: support, limits: { concurrent: none }, workflows: [{ id: triage }] }
keys:
  - { id: k, workspace: suport, secret: short }
budgets:
  - { id: b, scope: { workspace: support, workflow: tirage }, limit_usd: 1.5e3, period: mnth, alert_at: [80%, 50%], notify: [ops] }
drain: 5
`);
  expect(told.map((line) => line.split(':').slice(1, 3).join(':'))).toEqual(['1:1', '2:9', '3:11', '4:31', '6:42', '8:25', '8:41', '10:53', '10:74', '10:89', '10:111', '10:126', '11:8']);
});

test('a mistake in what is declared brings no others about what refers to it', () => {
  expect(toldAbout('workspaces:\n  id: support\nkeys:\n  - { id: k, workspace: support, secret: 0123456789abcdef }\n')).toHaveLength(1);
  expect(toldAbout('workspaces: [{ id: Support }]\nkeys:\n  - { id: k, workspace: Support, secret: 0123456789abcdef }\n').map((line) => line.split(' ')[0])).toEqual(['tollgate.yaml:1:20:', 'tollgate.yaml:3:25:']);
  expect(toldAbout('workspaces: [{ id: "${NOT_SET}" }]\nkeys:\n  - { id: k, workspace: support, secret: 0123456789abcdef }\n')).toEqual([
    'tollgate.yaml:1:21: the environment has no variable NOT_SET; expected it to be set, or a default: ${NOT_SET:-…}',
  ]);
});

test('a name that came from the environment is known, and never shown as a suggestion', () => {
  const text = (workspace: string): string => `access: keys\nworkspaces: [{ id: "\${SECRET_WORD}" }]\nkeys:\n  - { id: k, workspace: ${workspace}, secret: 0123456789abcdef }\n`;
  expect(toldAbout(text(HIDDEN))).toEqual([]);
  expect(toldAbout(text('hunter2hunter2hunter'))).toEqual(['tollgate.yaml:4:25: "hunter2hunter2hunter" is not a workspace; expected a workspace to be declared first']);
});

test.each([
  { listen: '0.0.0.0:4100', access: 'open', mistakes: 1 },
  { listen: '0.0.0.0:4100', access: 'keys', mistakes: 0 },
  { listen: '127.0.0.2:4100', access: 'open', mistakes: 0 },
  { listen: 'localhost:4100', access: 'open', mistakes: 0 },
  { listen: '[::1]:4100', access: 'open', mistakes: 0 },
  { listen: '[::ffff:127.0.0.1]:4100', access: 'open', mistakes: 0 },
  { listen: '127.evil.example:4100', access: 'open', mistakes: 1 },
  { listen: '4100', access: 'keys', mistakes: 1 },
])('a data port moved to $listen with access $access has $mistakes mistakes', ({ listen, access, mistakes }) => {
  const loaded = loadText({ file: 'tollgate.yaml', text: `access: ${access}\n`, env: {}, overrides: { listen }, exists: () => true });
  expect(loaded.ok ? 0 : loaded.mistakes.length).toBe(mistakes);
});

test('an admin port moved to where others reach it needs a token', () => {
  const given = { file: 'tollgate.yaml', env: {}, overrides: { adminListen: '0.0.0.0:4101' }, exists: () => true };
  expect(loadText({ ...given, text: 'access: open\n' }).ok).toBe(false);
  expect(loadText({ ...given, text: 'admin: { token: 0123456789abcdef }\n' }).ok).toBe(true);
});

test.each([
  { listen: undefined, adminListen: '127.0.0.1:4100', told: '--admin-listen: the data port and the admin port are both on port 4100' },
  { listen: '127.0.0.1:4101', adminListen: undefined, told: '--listen: the data port and the admin port are both on port 4101' },
  { listen: '127.0.0.2:4100', adminListen: '127.0.0.1:4100', told: null },
  { listen: '[::1]:4100', adminListen: '127.0.0.1:4100', told: null },
  { listen: '127.0.0.1:0', adminListen: '127.0.0.1:0', told: null },
])('a data port moved to $listen and an admin port moved to $adminListen: $told', ({ listen, adminListen, told }) => {
  const loaded = loadText({ file: 'tollgate.yaml', text: 'access: open\n', env: {}, overrides: { listen, adminListen }, exists: () => true });
  expect(loaded.ok ? null : loaded.mistakes.map(mistakeText).join('\n').slice(0, told?.length)).toBe(told);
});

test.each([
  ['concurent', 'concurrent'],
  ['tirage', 'triage'],
  ['WARN', 'warn'],
  ['frobnicate', null],
  ['x', null],
  ['', null],
])('the name nearest to "%s" is %s', (written, expected) => {
  expect(nearest(written, ['concurrent', 'triage', 'warn', 'requests_per_minute'])).toBe(expected);
});
