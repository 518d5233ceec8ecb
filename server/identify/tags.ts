// server/identify/tags.ts: reads the tags that ride on a call's path and headers.

import { isUtf8 } from 'node:buffer';
import type { ClaimedTags } from '../domain/call.ts';
import { granted, refused, type Verdict } from '../domain/refusal.ts';

/** A tag is a label on a bill, not a place to keep data. */
const MAX_TAG_BYTES = 256;
const MAX_TAGS = 16;
const TAG_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
// Line and paragraph separators too: they break a line in a log viewer.
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

const DASH = 45;

/** Whether a request may carry tags in its headers. @param raw name, value, name, value…, as received */
export function hasTags(raw: readonly string[]): boolean {
  // `x-tollgate-…` and `x-claude-code-session-id`; the first letters keep nearly every other name out.
  for (let i = 0; i < raw.length; i += 2) if (raw[i]!.length >= 15 && raw[i]!.charCodeAt(1) === DASH && /^x-(?:tollgate-|claude-)/i.test(raw[i]!)) return true;
  return false;
}

/** The tags of a call without any in its headers. */
export const untagged = (pathWorkspace: string | null, pathWorkflow: string | null): ClaimedTags => ({
  pathWorkspace, pathWorkflow, headerWorkflow: null, user: null, session: null, action: null, tags: NO_TAGS, priority: null,
});
const NO_TAGS: ReadonlyMap<string, string> = new Map();

/**
 * The tags of one call, checked. Anything over 256 bytes or with a control character is `malformed`: cut text would be
 * another tag. `x-tollgate-session` wins over `x-claude-code-session-id`, which is the same thing said by Claude Code.
 * @param from `header` looks a request header up by lower-case name, null when absent; the path's names are null when it has none
 */
export function readTags(from: { header: (name: string) => string | null; pathWorkspace: string | null; pathWorkflow: string | null }): Verdict<ClaimedTags> {
  const texts: Record<'workflow' | 'user' | 'session' | 'action', string | null> = { workflow: null, user: null, session: null, action: null };
  for (const [field, names] of HEADERS) {
    for (const name of names) {
      const text = readText(from.header(name));
      if (text === null) continue;
      const flaw = flawOf(text);
      if (flaw !== null) return refused('malformed', `${name} ${flaw}`);
      texts[field] ??= text;
    }
  }
  const tags = parseTags(from.header('x-tollgate-tags'));
  if (!tags.ok) return tags;
  const priority = readText(from.header('x-tollgate-priority'));
  if (priority !== null && priority !== 'interactive' && priority !== 'background') {
    return refused('malformed', 'x-tollgate-priority must be interactive or background');
  }
  return granted({
    pathWorkspace: from.pathWorkspace,
    pathWorkflow: from.pathWorkflow,
    headerWorkflow: texts.workflow,
    user: texts.user,
    session: texts.session,
    action: texts.action,
    tags: tags.value,
    priority,
  });
}

const HEADERS = [
  ['workflow', ['x-tollgate-workflow']],
  ['user', ['x-tollgate-user']],
  ['session', ['x-tollgate-session', 'x-claude-code-session-id']],
  ['action', ['x-tollgate-action']],
] as const;

/**
 * `k=v,k=v` as a map. At most 16 tags; a name is letters, digits, dots, dashes and underscores, 64 at most, and stands once.
 * White space around names and values is dropped; a value may be empty and may hold `=`.
 * @param header null when absent
 */
export function parseTags(header: string | null): Verdict<ReadonlyMap<string, string>> {
  const tags = new Map<string, string>();
  const text = readText(header);
  if (text === null) return granted(tags);
  // Far more than 16 tags can need; checked first so that a long header costs nothing.
  if (text.length > MAX_TAGS * (MAX_TAG_BYTES + 80)) return refused('malformed', 'x-tollgate-tags is too long');
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const equals = part.indexOf('=');
    const name = part.slice(0, Math.max(equals, 0)).trim();
    const value = part.slice(equals + 1).trim();
    if (!TAG_NAME.test(name)) return refused('malformed', 'x-tollgate-tags must be k=v,k=v, where k is letters, digits, dots, dashes and underscores');
    const flaw = flawOf(value);
    if (flaw !== null) return refused('malformed', `x-tollgate-tags: the value of ${name} ${flaw}`);
    if (tags.has(name)) return refused('malformed', `x-tollgate-tags names ${name} twice`);
    if (tags.size === MAX_TAGS) return refused('malformed', `x-tollgate-tags holds more than ${MAX_TAGS} tags`);
    tags.set(name, value);
  }
  return granted(tags);
}

/** What is wrong with a tag's text, to follow its name in a sentence; null when nothing is. */
export function flawOf(text: string): string | null {
  if (Buffer.byteLength(text) > MAX_TAG_BYTES) return `is longer than ${MAX_TAG_BYTES} bytes`;
  return CONTROL.test(text) ? 'holds a control character' : null;
}

/** Text of a header: Node hands its bytes over as Latin-1, clients mean UTF-8. Null when it is absent or empty. */
function readText(header: string | null): string | null {
  if (header === null) return null;
  const bytes = Buffer.from(header, 'latin1');
  const text = (isUtf8(bytes) ? bytes.toString('utf8') : header).trim();
  return text === '' ? null : text;
}
