// server/config-warnings.ts: what a config says that is right by the rules and yet cannot do what it is there for: told by `check`, and by the gateway when it takes a config up.

import { isIP } from 'node:net';
import { mayReach } from './alert/address.ts';
import { matchesGlob } from './domain/glob.ts';
import type { EpochMs } from './domain/ids.ts';
import type { Policy, Settings } from './domain/settings.ts';
import type { PriceBook } from './price/book.ts';
import { nearest } from './settings/mistakes.ts';

export const idleWarnings = (settings: Settings, book: PriceBook, now: EpochMs): string[] => [...channelWarnings(settings), ...modelWarnings(settings, book, now)];

/** Channels whose address stands in the config as one that nothing is sent to. A name may lead anywhere, and is looked at when something is sent. */
function channelWarnings({ alerts: { channels, privateAddresses } }: Settings): string[] {
  return channels.flatMap(({ id, fields }) => {
    const url = fields.get('url') ?? fields.get('smtp');
    if (typeof url !== 'string' || !URL.canParse(url)) return [];
    const host = new URL(url).hostname.replace(/^\[|\]$/g, '').toLowerCase();
    const address = host === 'localhost' ? '127.0.0.1' : host;
    if (isIP(address) === 0 || mayReach(address, privateAddresses)) return [];
    // The address itself is not shown: it may be a secret.
    return [mayReach(address, true)
      ? `channel ${id} gets no alerts: its address is on this machine or in a private network, which \`alerts.private_addresses: true\` opens`
      : `channel ${id} gets no alerts: its address is link-local, reserved or of cloud metadata, and nothing is ever sent there`];
  });
}

/** The word that lets a call leave its fallback models to the provider; no model, and yet fit to be allowed. */
const PROVIDERS_CHOICE = 'default';

/** Names of models in rules, aliases and budgets that the price book does not know: more often a slip than a model that is new. */
function modelWarnings({ workspaces, prices, budgets }: Settings, book: PriceBook, now: EpochMs): string[] {
  const known = book.models().flatMap((model) => [model.id, ...model.aliases]);
  const isKnown = (model: string): boolean => model === PROVIDERS_CHOICE || book.lookup(model, now) !== null;
  const reaches = (pattern: string): boolean => known.some((name) => matchesGlob(pattern, name)) || isKnown(pattern.replace(/\*+$/, ''));
  const meant = (written: string): string => {
    const name = nearest(written.replaceAll(/[*?]/g, ''), known);
    return name === null ? '' : `; did you mean ${name}?`;
  };
  const then = prices.unknownModel === 'refuse' ? 'calls of such a model are refused' : 'calls of such a model count at the dearest price';
  const stray = (says: string, patterns: Iterable<string>): string[] =>
    [...patterns].filter((pattern) => !reaches(pattern)).map((pattern) => `${says} ${JSON.stringify(pattern)}, which no model of the price book fits${meant(pattern)}`);
  const of = (scope: string, { models: { allow, deny, alias }, cheaper }: Pick<Policy, 'models' | 'cheaper'>): string[] => [
    ...stray(`${scope} allows`, allow ?? []),
    ...stray(`${scope} denies`, deny),
    ...stray(`${scope} has a cheaper model for`, cheaper?.models.keys() ?? []),
    ...[...(cheaper?.models ?? [])].filter(([, target]) => !isKnown(target)).map(([pattern, target]) => `in ${scope}, the cheaper model for ${JSON.stringify(pattern)} is ${JSON.stringify(target)}, which the price book does not know: ${then}${meant(target)}`),
    ...[...alias].filter(([, target]) => !isKnown(target)).map(([name, target]) => `in ${scope}, the alias ${name} stands for ${JSON.stringify(target)}, which the price book does not know: ${then}${meant(target)}`),
  ];
  return [
    ...[...workspaces.values()].flatMap((workspace) => [
      ...of(workspace.id, workspace),
      ...workspace.workflows.flatMap((workflow) => of(`${workspace.id}/${workflow.id}`, workflow)),
    ]),
    ...budgets.flatMap(({ id, scope: { model } }) => (model === null || isKnown(model) ? [] : `budget ${id} counts calls of ${JSON.stringify(model)}, which the price book does not know${meant(model)}`)),
  ];
}
