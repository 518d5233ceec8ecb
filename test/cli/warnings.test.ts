// test/cli/warnings.test.ts: what `tollgate check` warns of, and what it lets pass in silence.

import { expect, test } from 'vitest';
import { warningsOf } from '../../server/cli/check.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { loadText } from '../../server/settings/load.ts';
import { mistakeText } from '../../server/settings/mistakes.ts';
import { shippedBook } from '../price/rows.ts';

const KEYED = 'upstream: { keys: { default: sk-1 } }\n';
const DECLARED = '{ id: k, workspace: default, secret: 0123456789abcdef';
const channel = (url: string, more = ''): string => `${KEYED}alerts: { channels: { ops: { type: webhook, url: "${url}" } }${more} }\n`;
const models = (rules: string): string => `${KEYED}workspaces: [{ id: a, models: { ${rules} } }]\n`;
const cheaper = (models: string): string => `${KEYED}budgets: [{ id: b, scope: { workspace: a }, limit_usd: 1, period: day }]\nworkspaces: [{ id: a, cheaper_models: { budget: b, at: 80%, models: { ${models} } } }]\n`;
const NOW = Date.parse('2027-01-15T00:00:00Z');

function warned(text: string): string[] {
  const loaded = loadText({ file: 'f', text, env: {}, exists: () => true });
  if (!loaded.ok) throw new Error(loaded.mistakes.map(mistakeText).join('\n'));
  return warningsOf(loaded.settings, shippedBook(), epochMs(NOW));
}

test.each([
  { name: 'no provider key in open access', text: 'access: open\n', warning: /^no provider key configured for default: their calls go out with the key of the app/ },
  { name: 'no provider key where keys are demanded', text: `access: keys\nkeys: [${DECLARED} }]\n`, warning: /^no provider key configured for default: their calls have no key to go out with/ },
  { name: 'a workspace whose own provider key is empty', text: 'upstream: { keys: { default: sk-1, own: "" } }\nworkspaces: [{ id: a, upstream_key: own }]\n', warning: /^no provider key configured for a:/ },
  { name: 'keys demanded and none declared', text: `${KEYED}access: keys\n`, warning: /issue one with `npx tollgate keys create`/ },
  { name: 'plain http to another machine', text: 'upstream: { origin: "http://api.internal", keys: { default: sk-1 } }\n', warning: /plain http/ },
  { name: 'a key that has expired', text: `${KEYED}keys: [${DECLARED}, expires: 2027-01-15 }]\n`, warning: /^key k has expired$/ },
  { name: 'a soft budget that tells nobody', text: `${KEYED}budgets: [{ id: b, scope: { organization: true }, limit_usd: 1, period: day, mode: soft }]\n`, warning: /^budget b neither refuses/ },
  { name: 'a channel on this machine', text: channel('http://127.0.0.1:9093'), warning: /^channel ops gets no alerts: its address is on this machine or in a private network, which `alerts.private_addresses: true` opens$/ },
  { name: 'a channel on this machine by name', text: channel('http://localhost:9093'), warning: /^channel ops gets no alerts: .*private_addresses/ },
  { name: 'a channel in a private network', text: channel('https://[fd12::1]/hook'), warning: /^channel ops gets no alerts: .*private_addresses/ },
  { name: 'a mail server in a private network', text: `${KEYED}alerts: { channels: { ops: { type: email, smtp: "smtp://10.1.2.3:25", from: a@example.com, to: [b@example.com] } } }\n`, warning: /^channel ops gets no alerts: .*private_addresses/ },
  { name: 'a channel at a link-local address', text: channel('http://169.254.169.254/', ', private_addresses: true'), warning: /^channel ops gets no alerts: its address is link-local, reserved or of cloud metadata, and nothing is ever sent there$/ },
  { name: 'a pattern that no model fits', text: models('allow: ["claude-haiku-4.5*"]'), warning: /^a allows "claude-haiku-4\.5\*", which no model of the price book fits; did you mean claude-haiku-4-5\?$/ },
  { name: 'a name that is no model', text: `${KEYED}workspaces: [{ id: a, workflows: [{ id: w, models: { allow: [claude-sonet-4-6] } }] }]\n`, warning: /^a\/w allows "claude-sonet-4-6", .*; did you mean claude-sonnet-4-6\?$/ },
  { name: 'an alias of what is no model', text: models('alias: { fast: claude-haiku-45 }'), warning: /^in a, the alias fast stands for "claude-haiku-45", which the price book does not know: calls of such a model count at the dearest price; did you mean claude-haiku-4-5\?$/ },
  { name: 'an alias of what is no model, where such are refused', text: `prices: { unknown_model: refuse }\n${models('alias: { fast: gpt-9 }')}`, warning: /: calls of such a model are refused$/ },
  { name: 'a rule against what is no model', text: models('deny: [claude-opuss-4-8]'), warning: /^a denies "claude-opuss-4-8", which no model of the price book fits; did you mean claude-opus-4-8\?$/ },
  { name: 'a cheaper model for what is no model', text: cheaper('"claude-opuss-*": claude-haiku-4-5'), warning: /^a has a cheaper model for "claude-opuss-\*", which no model of the price book fits/ },
  { name: 'a cheaper model that is none', text: cheaper('"claude-opus-*": claude-haiku-45'), warning: /^in a, the cheaper model for "claude-opus-\*" is "claude-haiku-45", which the price book does not know: calls of such a model count at the dearest price; did you mean claude-haiku-4-5\?$/ },
  { name: 'a budget for what is no model', text: `${KEYED}budgets: [{ id: b, scope: { model: claude-opus-48 }, limit_usd: 1, period: day }]\n`, warning: /^budget b counts calls of "claude-opus-48", which the price book does not know; did you mean claude-opus-4-8\?$/ },
])('$name is warned of', ({ text, warning }) => {
  expect(warned(text)).toEqual([expect.stringMatching(warning)]);
});

test.each([
  { name: 'a provider key in open access', text: KEYED },
  { name: 'keys demanded and one declared', text: `${KEYED}access: keys\nkeys: [${DECLARED} }]\n` },
  { name: 'plain http to this machine', text: 'upstream: { origin: "http://[::1]:8080", keys: { default: sk-1 } }\n' },
  { name: 'a key that expires tomorrow', text: `${KEYED}keys: [${DECLARED}, expires: 2027-01-16 }]\n` },
  { name: 'a hard budget that tells nobody', text: `${KEYED}budgets: [{ id: b, scope: { organization: true }, limit_usd: 1, period: day }]\n` },
  { name: 'a channel on this machine where such are allowed', text: channel('http://127.0.0.1:9093', ', private_addresses: true') },
  { name: 'a channel by a name that may lead anywhere', text: channel('https://hooks.internal/x') },
  { name: 'models by name, with a date, by pattern and by alias, and the choice of the provider', text: models('allow: [claude-sonnet-4-6, claude-haiku-4-5-20251001, claude-haiku-4-5-20251001*, "claude-*", "*", default], alias: { fast: claude-haiku-4-5 }, deny: ["*opus*"]') },
  { name: 'a cheaper model, and a budget for a model', text: `${cheaper('"claude-opus-*": claude-haiku-4-5')}`.replace('scope: { workspace: a }', 'scope: { model: claude-opus-4-8 }') },
])('$name is nothing to warn of', ({ text }) => {
  expect(warned(text)).toEqual([]);
});
