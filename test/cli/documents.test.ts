// test/cli/documents.test.ts: what the pages of instructions show: configs that load, commands and scripts that there are, files that exist.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { run } from '../../server/cli/main.ts';
import { loadText } from '../../server/settings/load.ts';
import { mistakeText } from '../../server/settings/mistakes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = ['README.md', 'config/README.md', 'grafana/README.md'];
const read = (page: string): string => readFileSync(join(root, page), 'utf8');

/** Blocks of one language; a page's examples together are one config, as somebody would write it who follows it to its end. */
const blocks = (page: string, language: string): string[] => [...read(page).matchAll(new RegExp(`^ *\`\`\`${language}\\n([^]*?)^ *\`\`\`$`, 'gm'))].map(([, text]) => text as string);

type Part = Record<string, unknown>;
const isPart = (value: unknown): value is Part => typeof value === 'object' && value !== null && !Array.isArray(value);
const named = (value: unknown): value is Part[] => Array.isArray(value) && value.every((one) => isPart(one) && 'id' in one);

function merge(a: unknown, b: unknown): unknown {
  if (named(a) && named(b)) {
    const more = b.filter((one) => !a.some(({ id }) => id === one['id']));
    return [...a.map((one) => merge(one, b.find(({ id }) => id === one['id']) ?? one)), ...more];
  }
  if (!isPart(a) || !isPart(b)) return b;
  return Object.fromEntries([...new Set([...Object.keys(a), ...Object.keys(b)])].map((key) => [key, key in a && key in b ? merge(a[key], b[key]) : (a[key] ?? b[key])]));
}

/** What each variable would hold. */
const valueOf = (variable: string): string => (variable === 'SMTP_URL' ? 'smtp://user:password@mail.example.com:587' : variable.endsWith('_URL') ? 'https://hooks.example.com/services/x' : `a-secret-of-some-length-${variable}`);

test.each(['README.md', 'config/README.md'])('the examples of %s are one config that loads without a mistake', (page) => {
  const parts = blocks(page, 'yaml').map((text) => parse(text) as unknown);
  expect(parts.length).toBeGreaterThan(2);
  const text = stringify(parts.reduce(merge, {}));
  const env = Object.fromEntries([...text.matchAll(/\$\{(\w+)/g)].map(([, variable]) => [variable as string, valueOf(variable as string)]));
  const loaded = loadText({ file: join(root, 'config/tollgate.yaml'), text, env });
  expect(loaded.ok ? [] : loaded.mistakes.map(mistakeText)).toEqual([]);
});

/** `npx tollgate …` as it stands in blocks and in running text, to the end of the command. */
const commandsIn = (page: string): string[] => [...read(page).matchAll(/npx tollgate ([^`\n]+)/g)].map(([, words]) => (words as string).trim());

test.each(PAGES.flatMap((page) => commandsIn(page).map((command) => [page, command] as const)))('%s: `npx tollgate %s` is a command with those options', async (_page, command) => {
  const words = command.split(' ');
  const first = words.findIndex((word) => !/^[a-z]+$/.test(word));
  const verbs = first < 0 ? words : words.slice(0, first);
  let [help, err] = ['', ''];
  // An argument may look like a verb: the longest command that there is counts.
  for (let length = verbs.length; length > 0; length--) {
    [help, err] = ['', ''];
    const code = await run([...verbs.slice(0, length), '--help'], { out: (text) => void (help += text), err: (text) => void (err += text), env: {} });
    if (code === 0 && help.startsWith(`Usage: tollgate ${verbs.slice(0, length).join(' ')} `)) break;
  }
  expect(err).toBe('');
  expect(help).toContain(`Usage: tollgate ${verbs[0]}`);
  for (const option of command.match(/--[a-z-]+/g) ?? []) if (option !== '--help') expect(help).toContain(option);
});

test.each(PAGES)('%s names scripts that there are', (page) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const names = [...read(page).matchAll(/npm (?:run )?([a-z][a-z:]*)/g)].map(([, name]) => name as string).filter((name) => name !== 'prune' && name !== 'ci');
  expect(names.filter((name) => scripts[name] === undefined)).toEqual([]);
});

/** As GitHub makes them out of headings. */
const anchorsOf = (page: string): string[] => [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => (heading as string).toLowerCase().replaceAll(/[^a-z0-9 -]/g, '').replaceAll(' ', '-'));

test.each(PAGES)('%s links to files and headings that there are', (page) => {
  const broken = [...read(page).matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link as string).filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    return !existsSync(join(root, target)) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
  });
  expect(broken).toEqual([]);
});

test.each(PAGES)('%s names paths of this repository that there are', (page) => {
  const paths = [...read(page).matchAll(/`((?:server|web|config|grafana|test)\/[\w./-]+)`/g)].map(([, path]) => path as string);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
