// server/settings/references.ts: checks what one line says against the others: names that must exist, be unique, or fit together.
// It reads the plain values, whole or not, so that a mistake of form elsewhere does not hide these.

import { isZone } from '../domain/calendar.ts';
import { DEFAULT_WORKSPACE } from '../domain/ids.ts';
import { Cursor, Names } from './cursor.ts';
import type { ConfigDocument, Path } from './document.ts';
import { oneOf } from './fields.ts';
import { sayKey, shown } from './issues.ts';
import { nearest, type Mistake } from './mistakes.ts';

/** All mistakes of reference, in no particular order. */
export function referenceMistakes(document: ConfigDocument): Mistake[] {
  const config = Cursor.root(document);
  const mistakes: Mistake[] = [];
  const declared = declarations(config, document, mistakes);

  for (const workspace of config.list('workspaces')) {
    mistakes.push(...unknownName(workspace.field('upstream_key'), declared.providerKeys, 'a name in upstream.keys', document));
    mistakes.push(...aliasMistakes(workspace, document));
    for (const rules of [workspace, ...workspace.list('workflows')]) mistakes.push(...unknownName(rules.field('cheaper_models').field('budget'), declared.budgets, 'a budget', document));
  }
  const upstream = config.field('upstream');
  declaredIds(upstream, 'failover', 'failover', document, mistakes);
  for (const failover of upstream.list('failover')) mistakes.push(...failoverMistakes(failover, upstream, declared, document));
  for (const key of config.list('keys')) {
    mistakes.push(...unknownName(key.field('workspace'), declared.workspaces, 'a workspace', document));
    for (const workflow of [key.field('workflow'), ...key.list('workflows')]) mistakes.push(...unknownWorkflow(workflow, key.field('workspace'), declared, document));
  }
  mistakes.push(...sharedSecrets(config.list('keys'), document));
  for (const budget of config.list('budgets')) {
    mistakes.push(...scopeMistakes(budget.field('scope'), declared, document));
    for (const channel of budget.list('notify')) mistakes.push(...unknownName(channel, declared.channels, 'a channel in alerts.channels', document));
    mistakes.push(...orderMistakes(budget.list('alert_at'), document));
  }
  for (const limit of config.list('limits')) {
    mistakes.push(...scopeMistakes(limit.field('scope'), declared, document));
    const id = limit.field('id');
    if (declared.workspaces.has(id.text() ?? '')) mistakes.push(document.mistake(id.path, 'a workspace has this name, so that nobody could tell their limits apart', 'another name'));
  }
  const alerts = config.field('alerts');
  for (const channel of alerts.list('notify')) mistakes.push(...unknownName(channel, declared.channels, 'a channel in alerts.channels', document));
  for (const name of alerts.field('channels').names()) {
    const channel = alerts.field('channels').field(name);
    mistakes.push(...unknownName(channel.field('fallback'), declared.channels, 'a channel in alerts.channels', document));
    if (channel.field('fallback').text() === name) mistakes.push(document.mistake(channel.field('fallback').path, 'a channel cannot be its own fallback', 'another channel'));
    mistakes.push(...zoneMistakes(channel.field('quiet').field('timezone'), document));
  }
  const compared = config.field('reconciliation').field('workspaces');
  for (const name of compared.names()) if (!declared.workspaces.incomplete && !declared.workspaces.has(name)) mistakes.push(document.mistake(compared.field(name).path, `there is no workspace ${shown(name, compared.path, document)}`, 'a workspace'));
  mistakes.push(...zoneMistakes(config.field('timezone'), document));
  return mistakes;
}

interface Declared {
  readonly workspaces: Names;
  /** Per workspace; `open` ones take undeclared names too. */
  readonly workflows: ReadonlyMap<string, { readonly names: Names; readonly open: boolean }>;
  readonly keys: Names;
  readonly providerKeys: Names;
  readonly channels: Names;
  readonly budgets: Names;
}

/** What there is to refer to; ids that are declared twice are mistakes of their own. */
function declarations(config: Cursor, document: ConfigDocument, mistakes: Mistake[]): Declared {
  const workspaces = declaredIds(config, 'workspaces', 'workspace', document, mistakes);
  const workflows = new Map<string, { names: Names; open: boolean }>();
  for (const workspace of config.list('workspaces')) {
    const names = declaredIds(workspace, 'workflows', 'workflow in this workspace', document, mistakes);
    const open = workspace.field('open_workflows').text() ?? String(!workspace.field('workflows').written);
    const id = workspace.field('id').text();
    if (id !== null && !workflows.has(id)) workflows.set(id, { names, open: open === 'true' });
  }
  if (config.field('access').text() !== 'keys' || config.list('workspaces').length === 0) workspaces.add(DEFAULT_WORKSPACE, true);
  if (workspaces.has(DEFAULT_WORKSPACE) && !workflows.has(DEFAULT_WORKSPACE)) workflows.set(DEFAULT_WORKSPACE, { names: new Names(), open: true });
  const budgets = declaredIds(config, 'budgets', 'budget', document, mistakes);
  declaredIds(config, 'limits', 'limit', document, mistakes);
  return {
    workspaces,
    workflows,
    keys: declaredIds(config, 'keys', 'key', document, mistakes),
    // `default` needs no declaration: without one, its workspaces have no provider key yet.
    providerKeys: new Names(['default', ...config.field('upstream').field('keys').names()]),
    channels: new Names(config.field('alerts').field('channels').names()),
    budgets,
  };
}

function declaredIds(parent: Cursor, list: string, what: string, document: ConfigDocument, mistakes: Mistake[]): Names {
  const names = new Names();
  names.incomplete = parent.field(list).written && !Array.isArray(parent.field(list).value);
  for (const item of parent.list(list)) {
    const id = item.field('id');
    const text = id.text();
    if (text === null) names.incomplete = true;
    else if (names.has(text)) mistakes.push(document.mistake(id.path, `there is another ${what} with this id`, 'an id of its own for each'));
    else names.add(text, !document.fromEnvironment(id.path));
  }
  return names;
}

/** A list of one mistake, or none when the name is declared, not written, or may be declared where it could not be read. */
function unknownName(field: Cursor, names: Names, what: string, document: ConfigDocument): Mistake[] {
  const text = field.text();
  if (text === null || names.has(text) || names.incomplete) return [];
  const known = names.printable();
  const expected = known.length === 0 ? `${what} to be declared first` : known.length > 12 ? `${known.slice(0, 12).join(', ')}, …` : oneOf(known);
  return [document.mistake(field.path, `${shown(text, field.path, document)} is not ${what}`, expected, document.fromEnvironment(field.path) ? null : nearest(text, known))];
}

function unknownWorkflow(field: Cursor, workspace: Cursor, declared: Declared, document: ConfigDocument): Mistake[] {
  const id = workspace.text();
  const there = id === null ? undefined : declared.workflows.get(id);
  // An unknown workspace is reported already.
  if (!there || there.open) return [];
  return unknownName(field, there.names, `a workflow of workspace ${shown(id, workspace.path, document)}`, document);
}

/** A failover stands in for keys that there are, and is another place than theirs. */
function failoverMistakes(failover: Cursor, upstream: Cursor, { providerKeys }: Declared, document: ConfigDocument): Mistake[] {
  const keys = failover.field('keys');
  const elsewhere = failover.field('origin').written && failover.field('origin').text() !== upstream.field('origin').text();
  return keys.names().flatMap((name) => {
    const place = keys.field(name).path;
    if (!providerKeys.has(name)) {
      const known = providerKeys.printable();
      return [document.mistake(place, `${name} is not a name in upstream.keys`, oneOf(known), nearest(name, known), 'key')];
    }
    const secret = keys.field(name).text();
    const same = secret !== null && secret !== '' && secret === upstream.field('keys').field(name).text();
    return same && !elsewhere ? [document.mistake(place, 'this is the key that it stands in for, at the same origin', 'another key, or another origin')] : [];
  });
}

function sharedSecrets(keys: readonly Cursor[], document: ConfigDocument): Mistake[] {
  const seen = new Map<string, Path>();
  return keys.flatMap((key) => {
    const secret = key.field('secret');
    const text = secret.text();
    if (text === null || text === '') return [];
    const before = seen.get(text);
    seen.set(text, before ?? secret.path);
    return before ? [document.mistake(secret.path, `${sayKey(secret.path)} is the same secret as ${sayKey(before)}`, 'a secret of its own for each key')] : [];
  });
}

function scopeMistakes(scope: Cursor, declared: Declared, document: ConfigDocument): Mistake[] {
  const mistakes: Mistake[] = [];
  const narrower = scope.names().filter((name) => name !== 'organization');
  if (scope.field('organization').written && narrower.length > 0) {
    mistakes.push(document.mistake([...scope.path, 'organization'], 'a scope of the whole organization cannot be narrowed', `organization alone, or ${oneOf(narrower)} without it`, null, 'key'));
  }
  mistakes.push(...unknownName(scope.field('workspace'), declared.workspaces, 'a workspace', document));
  if (scope.field('workspace').written) mistakes.push(...unknownWorkflow(scope.field('workflow'), scope.field('workspace'), declared, document));
  else {
    const all = [...declared.workflows.values()];
    const names = all.reduce((sum, { names: more }) => sum.with(more), new Names());
    if (!all.some(({ open }) => open)) mistakes.push(...unknownName(scope.field('workflow'), names, 'a workflow of any workspace', document));
  }
  // Keys are also issued while running, so an unknown one is a mistake only where it is nearly a declared one.
  const key = scope.field('key');
  const text = key.text();
  const meant = text === null || declared.keys.has(text) || document.fromEnvironment(key.path) ? null : nearest(text, declared.keys.printable());
  if (meant !== null) mistakes.push(...unknownName(key, declared.keys, 'a key declared here', document));
  return mistakes;
}

/** An alias is followed once, so one that leads to another would call a model that does not exist. */
function aliasMistakes(workspace: Cursor, document: ConfigDocument): Mistake[] {
  const shared = workspace.field('models').field('alias');
  const own = workspace.list('workflows').map((workflow) => workflow.field('models').field('alias'));
  return [shared, ...own].flatMap((aliases) => {
    const inForce = new Set([...shared.names(), ...(aliases === shared ? own.flatMap((each) => each.names()) : aliases.names())]);
    return aliases.names().flatMap((name) => {
      const target = aliases.field(name);
      const text = target.text();
      return text !== null && inForce.has(text) ? [document.mistake(target.path, `${shown(text, target.path, document)} is itself an alias`, 'the model that it stands for')] : [];
    });
  });
}

function orderMistakes(shares: readonly Cursor[], document: ConfigDocument): Mistake[] {
  let highest = -1;
  return shares.flatMap((share) => {
    const text = share.text() ?? '';
    // What is no percentage is reported already.
    const value = /^\d{1,4}(\.\d{1,4})?%$/.test(text) ? Number.parseFloat(text) : null;
    if (value === null) return [];
    const before = highest;
    highest = Math.max(highest, value);
    return value > before ? [] : [document.mistake(share.path, `${shown(text, share.path, document)} stands after one as high or higher`, 'shares in ascending order, each once')];
  });
}

function zoneMistakes(zone: Cursor, document: ConfigDocument): Mistake[] {
  const text = zone.text();
  // `local` and its like would cut days differently on another machine.
  if (text === null || text.trim() === '' || (isZone(text) && !/^(default|local|system)$/i.test(text))) return [];
  const suggestion = document.fromEnvironment(zone.path) ? null : nearest(text, [...Intl.supportedValuesOf('timeZone'), 'UTC']);
  return [document.mistake(zone.path, `${shown(text, zone.path, document)} is not a time zone`, 'an IANA name such as Europe/Berlin', suggestion)];
}
