// server/settings/admin-address.ts: where the admin API of a running gateway is, for the commands that talk to it.

import { readFileSync } from 'node:fs';
import type { HostPort } from '../domain/settings.ts';
import { Cursor } from './cursor.ts';
import { readDocument } from './document.ts';
import type { Env } from './interpolate.ts';
import { mistakesOf } from './issues.ts';
import type { Mistake } from './mistakes.ts';
import { configSchema } from './schema.ts';

/**
 * Reads no more of the config than the admin port: a shell that lacks a variable that only the gateway needs can still
 * ask it things. A file that is not there means the defaults, unless somebody has named it: another gateway than the one that is meant must not be asked.
 * @param named the file was named, by an option or a variable
 * @param tokenGiven the caller has a token already, so that a missing variable for it is no mistake
 */
export function adminAddress({ file, env, named = false, tokenGiven = false }: { file: string; env: Env; named?: boolean; tokenGiven?: boolean }): { ok: true; listen: HostPort; token: string | null } | { ok: false; mistakes: readonly Mistake[] } {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && named) return { ok: false, mistakes: [{ file, line: 1, column: 1, what: 'there is no such file', expected: 'the config of the gateway; `--config` or TOLLGATE_CONFIG names it, and `--url` does without', suggestion: null }] };
    if (code !== 'ENOENT') return { ok: false, mistakes: [{ file, line: 1, column: 1, what: `the file cannot be read (${code ?? 'unknown error'})`, expected: null, suggestion: null }] };
  }
  const document = readDocument(file, text, env);
  if (!document.readable) return { ok: false, mistakes: document.mistakes };
  const admin = Cursor.root(document).field('admin');
  const parsed = configSchema.shape.admin.safeParse(admin.value ?? {});
  const places = parsed.success ? [] : parsed.error.issues.map((issue) => ({ ...issue, path: ['admin', ...issue.path] }));
  const mistakes = mistakesOf(places, document);
  // A token whose variable is missing would be sent as none, and the answer would blame the token.
  if (!tokenGiven && document.unfilled([...admin.path, 'token'])) mistakes.push(document.mistake([...admin.path, 'token'], 'the environment lacks the variable of the admin token', 'it to be set, or `--token`'));
  if (!parsed.success || mistakes.length > 0) return { ok: false, mistakes };
  return { ok: true, listen: parsed.data.listen, token: parsed.data.token === '' ? null : parsed.data.token };
}
