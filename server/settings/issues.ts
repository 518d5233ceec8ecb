// server/settings/issues.ts: turns what the schema found into mistakes with a place, a reason and a suggestion.

import type { z } from 'zod';
import type { ConfigDocument, Path } from './document.ts';
import { oneOf } from './fields.ts';
import { nearest, type Mistake } from './mistakes.ts';

/** One mistake per issue, and one per key where an issue is about several. Values are shown only where they can be no secret. */
export function mistakesOf(issues: readonly z.core.$ZodIssue[], document: ConfigDocument): Mistake[] {
  return issues.flatMap((issue) => {
    const path = issue.path as Path;
    if (document.unfilled(path)) return [];
    if (issue.code === 'unrecognized_keys') {
      // The message of a section is the list of its keys.
      const known = issue.message.split(/, | or /);
      return issue.keys.map((key) => document.mistake([...path, key], `${sayKey(path)} has no key "${clipped(key)}"`, issue.message, nearest(key, known), 'key'));
    }
    if (issue.code === 'invalid_key') {
      const nested = issue.issues[0]?.message ?? 'a name';
      return [document.mistake(path, `"${String(path.at(-1))}" cannot be a name in ${sayKey(path.slice(0, -1))}`, nested, null, 'key')];
    }
    // Where a key of a mapping is unknown, that the mapping is not what it should be says nothing more.
    if (issue.code === 'custom' && issues.some((other) => other.code === 'unrecognized_keys' && other.path.join('\n') === path.join('\n'))) return [];
    return [leafMistake(issue, path, document)];
  });
}

function leafMistake(issue: z.core.$ZodIssue, path: Path, document: ConfigDocument): Mistake {
  const value = valueAt(document.value, path);
  const choices = choicesOf(issue);
  const expected = choices.length > 0 ? oneOf(choices) : issue.message;
  if (value === undefined) return document.mistake(path, `${sayKey(path.slice(0, -1))} needs "${String(path.at(-1))}"`, expected);
  if (value === null) return document.mistake(path, `nothing is written for ${sayKey(path)}`, `${expected}, or the line left out`);
  const suggestion = typeof value === 'string' && !document.fromEnvironment(path) ? nearest(value, choices) : null;
  return document.mistake(path, `${shown(value, path, document)} does not fit ${sayKey(path)}`, expected, suggestion);
}

function choicesOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code === 'invalid_union' && 'options' in issue && Array.isArray(issue.options)) return issue.options.map(String);
  return [];
}

/** A value as a message may show it: never one that came from the environment, never one that may be a secret. */
export function shown(value: unknown, path: Path, document: ConfigDocument): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  if (document.fromEnvironment(path)) return 'the value of the variable';
  if (isSecret(path)) return 'this value';
  return JSON.stringify(clipped(String(value)));
}

const clipped = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}…` : text);

/** Addresses are secrets too: whoever has a webhook's can post to it, and an origin may carry a password by mistake. */
const SECRETS = new Set(['secret', 'token', 'url', 'routing_key', 'smtp', 'origin']);
const isSecret = (path: Path): boolean => SECRETS.has(String(path.at(-1))) || (path[0] === 'upstream' && path[1] === 'keys') || (path[0] === 'alerts' && path[1] === 'channels' && path.at(-1) !== 'type');

/** A path as people write it: `workspaces[0].models`; the root is `the config`. */
export const sayKey = (path: Path): string =>
  path.length === 0 ? 'the config' : path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');

/** Undefined where the path is not there. */
export function valueAt(root: unknown, path: Path): unknown {
  let at: unknown = root;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at;
}
