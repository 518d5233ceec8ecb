// server/settings/written.ts: what a config says, place by place, without secrets, and what another one says differently.

import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigChange, WrittenConfig, WrittenValue } from '../domain/settings.ts';
import type { ConfigDocument, Path } from './document.ts';

/** Fields whose value lets whoever has it in, wherever they stand. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['secret', 'previous_secret', 'token', 'routing_key', 'admin_key', 'url', 'smtp']);
/** Mappings of names of one's own to such values. */
const SECRET_MAPPINGS: ReadonlySet<string> = new Set(['keys', 'headers']);
const HIDDEN = '(hidden)';
/** Nothing but names of variables: that they are used is no secret. A stand-in for an empty one may be. */
const VARIABLES = /^(?:\$\{[A-Za-z_][A-Za-z0-9_]*\})+$/;
const LONGEST = 200;
const MOST_PLACES = 5_000;

/** Every value of a document by its place, such as `workspaces.support.limits.concurrent`; of lists, members with an `id` go by that. */
export function writtenIn(document: ConfigDocument): WrittenConfig {
  const found = new Map<string, WrittenValue>();
  const enter = (path: Path, place: string, value: unknown): void => {
    if (found.size >= MOST_PLACES) return;
    if (Array.isArray(value) && value.some((one) => typeof one === 'object' && one !== null)) {
      for (const [at, one] of value.entries()) {
        const id = (one as { readonly id?: unknown } | null)?.id;
        enter([...path, at], `${place}.${typeof id === 'string' ? id : String(at + 1)}`, one);
      }
    } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      // A mapping that says nothing says that it is there.
      if (Object.keys(value).length === 0 && place !== '') found.set(place, valueOf('{}', false));
      for (const [name, one] of Object.entries(value)) if (name !== 'id' || path.length === 0) enter([...path, name], place === '' ? name : `${place}.${name}`, one);
    } else {
      const secret = isSecret(path);
      const texts = (Array.isArray(value) ? value : [value]).map((one, at) => textOf(document, Array.isArray(value) ? [...path, at] : path, one));
      found.set(place, valueOf(Array.isArray(value) ? `[${texts.join(', ')}]` : texts.join(''), secret || texts.some((text) => text.includes(':-'))));
    }
  };
  enter([], '', document.value);
  return found;
}

const textOf = (document: ConfigDocument, path: Path, value: unknown): string => document.unfilledText(path) ?? (value === null ? 'null' : String(value as string | number | boolean));

function isSecret(path: Path): boolean {
  const [name, above] = [path.at(-1), path.at(-2)];
  return (typeof name === 'string' && SECRET_FIELDS.has(name)) || (typeof name === 'string' && typeof above === 'string' && SECRET_MAPPINGS.has(above));
}

const valueOf = (text: string, hidden: boolean): WrittenValue => ({
  shown: hidden && !VARIABLES.test(text) && text !== '' ? HIDDEN : text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text,
  digest: createHash('sha256').update(text).digest('base64'),
});

/** Place by place in the order of the newer one, what is gone last. */
export function changesBetween(before: WrittenConfig, after: WrittenConfig): ConfigChange[] {
  const changed = [...after].flatMap(([place, { shown, digest }]): ConfigChange[] => {
    const old = before.get(place);
    const same = old !== undefined && (old.digest === null || digest === null ? old.shown === shown : old.digest === digest);
    return same ? [] : [{ place, before: old?.shown ?? null, after: shown }];
  });
  return [...changed, ...[...before].flatMap(([place, { shown }]): ConfigChange[] => (after.has(place) ? [] : [{ place, before: shown, after: null }]))];
}

const nameIn = (dataDir: string): string => join(dataDir, 'config-in-force.json');

/** What was in force when the gateway last ran; null where that is not known. */
export function lastWritten(dataDir: string): { readonly digest: string; readonly written: WrittenConfig } | null {
  try {
    const { digest, written } = JSON.parse(readFileSync(nameIn(dataDir), 'utf8')) as { digest: unknown; written: unknown };
    if (typeof digest !== 'string' || typeof written !== 'object' || written === null) return null;
    return { digest, written: new Map(Object.entries(written).map(([place, shown]) => [place, { shown: String(shown), digest: null }])) };
  } catch {
    // A first start, or a file that somebody took away: there is nothing to compare with.
    return null;
  }
}

/** Keeps what may be shown of the config in force, for the next start. @throws as writing a file does */
export function keepWritten(dataDir: string, { digest, written }: { readonly digest: string; readonly written: WrittenConfig }): void {
  const file = nameIn(dataDir);
  writeFileSync(`${file}.new`, `${JSON.stringify({ digest, written: Object.fromEntries([...written].map(([place, { shown }]) => [place, shown])) }, null, 1)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
