// test/cli/warnings.test.ts: what `tollgate check` warns of, and what it lets pass in silence.

import { expect, test } from 'vitest';
import { warningsOf } from '../../server/cli/check.ts';
import { loadText } from '../../server/settings/load.ts';
import { mistakeText } from '../../server/settings/mistakes.ts';

const KEYED = 'upstream: { keys: { default: sk-1 } }\n';
const DECLARED = '{ id: k, workspace: default, secret: 0123456789abcdef';
const NOW = Date.parse('2027-01-15T00:00:00Z');

function warned(text: string): string[] {
  const loaded = loadText({ file: 'f', text, env: {}, exists: () => true });
  if (!loaded.ok) throw new Error(loaded.mistakes.map(mistakeText).join('\n'));
  return warningsOf(loaded.settings, NOW);
}

test.each([
  { name: 'no provider key in open access', text: 'access: open\n', warning: /^no provider key configured for default: their calls go out with the key of the app/ },
  { name: 'no provider key where keys are demanded', text: `access: keys\nkeys: [${DECLARED} }]\n`, warning: /^no provider key configured for default: their calls have no key to go out with/ },
  { name: 'a workspace whose own provider key is empty', text: 'upstream: { keys: { default: sk-1, own: "" } }\nworkspaces: [{ id: a, upstream_key: own }]\n', warning: /^no provider key configured for a:/ },
  { name: 'keys demanded and none declared', text: `${KEYED}access: keys\n`, warning: /issue one with `npx tollgate keys create`/ },
  { name: 'plain http to another machine', text: 'upstream: { origin: "http://api.internal", keys: { default: sk-1 } }\n', warning: /plain http/ },
  { name: 'a key that has expired', text: `${KEYED}keys: [${DECLARED}, expires: 2027-01-15 }]\n`, warning: /^key k has expired$/ },
  { name: 'a soft budget that tells nobody', text: `${KEYED}budgets: [{ id: b, scope: { organization: true }, limit_usd: 1, period: day, mode: soft }]\n`, warning: /^budget b neither refuses/ },
])('$name is warned of', ({ text, warning }) => {
  expect(warned(text)).toEqual([expect.stringMatching(warning)]);
});

test.each([
  { name: 'a provider key in open access', text: KEYED },
  { name: 'keys demanded and one declared', text: `${KEYED}access: keys\nkeys: [${DECLARED} }]\n` },
  { name: 'plain http to this machine', text: 'upstream: { origin: "http://[::1]:8080", keys: { default: sk-1 } }\n' },
  { name: 'a key that expires tomorrow', text: `${KEYED}keys: [${DECLARED}, expires: 2027-01-16 }]\n` },
  { name: 'a hard budget that tells nobody', text: `${KEYED}budgets: [{ id: b, scope: { organization: true }, limit_usd: 1, period: day }]\n` },
])('$name is nothing to warn of', ({ text }) => {
  expect(warned(text)).toEqual([]);
});
