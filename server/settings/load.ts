// server/settings/load.ts: from a config file to settings, or to everything that is wrong with it at once.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import type { Settings } from '../domain/settings.ts';
import { buildSettings } from './build.ts';
import { Cursor } from './cursor.ts';
import { readDocument, type ConfigDocument } from './document.ts';
import { expiryMistakes } from './expiry.ts';
import { parseHostPort } from './fields.ts';
import type { Env } from './interpolate.ts';
import { mistakesOf, sayKey, shown } from './issues.ts';
import { mistakeText, type Mistake } from './mistakes.ts';
import { referenceMistakes } from './references.ts';
import { safetyMistakes } from './safety.ts';
import { configSchema } from './schema.ts';
import { writtenIn } from './written.ts';

/** What the command line says instead of the file; undefined leaves the file's word. */
export interface Overrides {
  readonly dataDir?: string | undefined;
  /** `host:port` */
  readonly listen?: string | undefined;
  /** `host:port` */
  readonly adminListen?: string | undefined;
}

/** `digest` tells which bytes were judged; null when there were none to read. */
export type Loaded =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly mistakes: readonly Mistake[]; readonly digest: string | null };

const MAX_BYTES = 1024 * 1024;
const DEFAULT_CONFIG = 'config/tollgate.yaml';

/** The config file to read: what the command line names, else TOLLGATE_CONFIG, else config/tollgate.yaml. */
export const configFile = (named: string | undefined, env: Env): string => named ?? (env.TOLLGATE_CONFIG || DEFAULT_CONFIG);

/**
 * Reads and checks a config file. Never throws for what is in it, nor for a file that cannot be read: those are mistakes.
 * @param file as messages should name it; relative to the working directory
 * @param inForce when reloading: what cannot change while running must be as it is there
 */
export function loadSettings({ file, env, overrides = {}, inForce }: { file: string; env: Env; overrides?: Overrides; inForce?: Settings }): Loaded {
  let digest: string | null = null;
  const whole = (what: string, expected: string | null = null): Loaded => ({ ok: false, mistakes: [{ file, line: 1, column: 1, what, expected, suggestion: null }], digest });
  let bytes: Buffer;
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES) return whole('the file is larger than 1 MB', 'a config file; `--config` or TOLLGATE_CONFIG names it');
    bytes = readFileSync(file);
    digest = digestOf(bytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return whole('there is no such file', `a config file; \`--config\` or TOLLGATE_CONFIG names it, and ${DEFAULT_CONFIG} of the repository is one to start from`);
    if (code === 'EISDIR') return whole('this is a folder', 'a config file; `--config` or TOLLGATE_CONFIG names it');
    return whole(`the file cannot be read (${code ?? 'unknown error'})`, 'a config file that this user may read');
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return whole('the file is not UTF-8 text', 'YAML in UTF-8');
  }
  return loadText({ file, text, digest, env, overrides, ...(inForce ? { inForce } : {}) });
}

/** What a file's bytes are recognized by: SHA-256 in hex. */
export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The same over several files, by their bytes; null stands for no file, and so does one that cannot be read: who reads it says why. */
export function digestOfFiles(files: readonly (string | null)[]): string {
  const hash = createHash('sha256');
  for (const file of files) {
    try {
      hash.update(file === null ? '' : digestOf(readFileSync(file)));
    } catch {
      // The same as no file.
    }
    hash.update('\n');
  }
  return hash.digest('hex');
}

/**
 * The same, for text at hand.
 *
 * A relative `prices.file` is looked up from the working directory first, then from the folder of the config file, then
 * from the folder above that one; the first that is there is taken.
 * A relative `data_dir` is meant from the working directory; the command line wins over TOLLGATE_DATA_DIR, and that over the file.
 * @param exists for tests; asks the disk unless told
 */
export function loadText(given: { file: string; text: string; env: Env; digest?: string; overrides?: Overrides; inForce?: Settings; exists?: (path: string) => boolean }): Loaded {
  const { file, text, env, overrides = {}, exists = existsSync } = given;
  const digest = given.digest ?? digestOf(Buffer.from(text));
  const document = readDocument(file, text, env);
  const mistakes = [...document.mistakes];
  if (document.readable && document.value === null) {
    // Every default together is a fine config, but a file that says nothing is more often one that is being written.
    return { ok: false, mistakes: [document.mistake([], 'the file says nothing', 'at least one line, such as `access: open`')], digest };
  }
  const parsed = document.readable ? configSchema.safeParse(document.value) : null;
  if (parsed) {
    if (!parsed.success) mistakes.push(...mistakesOf(parsed.error.issues, document));
    mistakes.push(...overrideMistakes(overrides), ...referenceMistakes(document), ...expiryMistakes(document), ...safetyMistakes(document, overrides));
  }
  const prices = document.readable ? pricesFile(document, file, 'file', 'config/prices.yaml', exists) : null;
  const contract = document.readable ? pricesFile(document, file, 'contract', null, exists) : null;
  for (const found of [prices, contract]) if (found?.mistake) mistakes.push(found.mistake);
  if (!parsed?.success || !prices?.path || mistakes.length > 0) return { ok: false, mistakes: inOrder(mistakes), digest };

  // Compose files and scripts set what they have no value for to nothing: that is no folder, least of all the working directory.
  const dataDir = overrides.dataDir || env.TOLLGATE_DATA_DIR || parsed.data.data_dir;
  const settings = buildSettings(parsed.data, {
    file: resolve(file),
    digest,
    written: writtenIn(document),
    dataDir: resolve(dataDir),
    pricesFile: prices.path,
    contractFile: contract?.path ?? null,
    pricesDigest: digestOfFiles([prices.path, contract?.path ?? null]),
    listen: overrides.listen === undefined ? null : parseHostPort(overrides.listen),
    adminListen: overrides.adminListen === undefined ? null : parseHostPort(overrides.adminListen),
  });
  const fixed = given.inForce ? restartMistakes(document, settings, given.inForce) : [];
  return fixed.length > 0 ? { ok: false, mistakes: inOrder(fixed), digest } : { ok: true, settings };
}

/** What sockets and files that are open already depend on. */
const FIXED: readonly { readonly path: readonly string[]; readonly of: (settings: Settings) => unknown }[] = [
  { path: ['listen'], of: (settings) => settings.listen },
  { path: ['admin', 'listen'], of: (settings) => settings.admin.listen },
  { path: ['data_dir'], of: (settings) => settings.dataDir },
];

const restartMistakes = (document: ConfigDocument, settings: Settings, inForce: Settings): Mistake[] =>
  FIXED.filter(({ of }) => !isDeepStrictEqual(of(settings), of(inForce))).map(({ path }) => document.mistake(path, `a change of ${sayKey(path)} waits for a restart, and with it all else that this file changes`, 'what is in force, for the rest to hold now'));

/** @param standard what is meant where the config says nothing; null for no file */
function pricesFile(document: ConfigDocument, file: string, named: 'file' | 'contract', standard: string | null, exists: (path: string) => boolean): { path: string | null; mistake: Mistake | null } {
  const field = Cursor.root(document).field('prices').field(named);
  // What is no text is a mistake that the schema reports.
  if (field.written && (field.text() ?? '').trim() === '') return { path: null, mistake: null };
  const written = field.text() ?? standard;
  if (written === null) return { path: null, mistake: null };
  const folder = dirname(resolve(file));
  const candidates = [...new Set([resolve(written), resolve(folder, written), resolve(dirname(folder), written)])];
  const path = candidates.find(exists) ?? null;
  if (path !== null) return { path, mistake: null };
  // Without a word about prices in the file, the place to write one is its beginning, and the book that is meant lies with the gateway.
  const ours = field.written ? null : shippedFile(written);
  if (ours !== null) return { path, mistake: document.mistake(field.path, `there is no price book "${written}"`, `\`prices.file\` to name one; the one that ships is ${ours}`) };
  return { path, mistake: document.mistake(field.path, `there is no ${named === 'file' ? 'price book' : 'file of contract prices'} ${field.written ? shown(written, field.path, document) : `"${written}"`}`, 'a file, from the working directory, the folder of this file or the folder above it') };
}

/** A file of the repository, absolute; null where it is not there. */
function shippedFile(name: string): string | null {
  // From server/settings or from dist/server/settings: the repository stands above both.
  return ['../../', '../../../'].map((up) => fileURLToPath(new URL(`${up}${name}`, import.meta.url))).find((path) => existsSync(path)) ?? null;
}

function overrideMistakes(overrides: Overrides): Mistake[] {
  const flags = [['--listen', overrides.listen], ['--admin-listen', overrides.adminListen]] as const;
  return flags.flatMap(([flag, value]) => (value === undefined || parseHostPort(value) ? [] : [{ file: flag, line: 0, column: 0, what: `${JSON.stringify(value)} is no address`, expected: 'host:port, such as 127.0.0.1:4100 or [::1]:4100', suggestion: null }]));
}

/** In the order of the file, each once: what an alias repeats is one mistake, at its anchor. */
const inOrder = (mistakes: Mistake[]): Mistake[] => [...new Map(mistakes.map((mistake) => [mistakeText(mistake), mistake])).values()].sort((a, b) => a.line - b.line || a.column - b.column);
