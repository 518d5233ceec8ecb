// server/admit/feature-policy.ts: decides what of the API a call may use besides its model: tools, files, thinking, beta headers and so on.

import type { Ask, Endpoint } from '../domain/call.ts';
import { matchesGlob } from '../domain/glob.ts';
import { FEATURE_KINDS, type FeatureRules } from '../domain/settings.ts';

const LISTED = 20;

/** Endpoints that are a feature as a whole. */
const OWN_FEATURE: Partial<Record<Endpoint, string>> = { files: 'files', skills: 'skills' };

/**
 * Every feature that a call uses, in the words of the config, e.g. `server_tool:web_search_20260209`, `thinking`.
 * @param ask null: an endpoint whose body nobody reads
 * @param betas what the call's `anthropic-beta` header names
 */
export function featuresOf(endpoint: Endpoint, ask: Ask | null, betas: readonly string[]): readonly string[] {
  const used = betas.map((beta) => `beta:${beta}`);
  const own = OWN_FEATURE[endpoint];
  if (own !== undefined) used.push(own);
  if (ask === null) return used;
  if (endpoint === 'batches') used.push('batches');
  for (const type of ask.serverTools) used.push(`server_tool:${type}`);
  for (const name of ask.features?.toolNames ?? []) used.push(`tool:${name}`);
  for (const server of ask.features?.mcpServers ?? []) used.push(`mcp_server:${server}`);
  if (ask.fileIds.length > 0) used.push('files');
  if (ask.features?.container) used.push('container');
  if (ask.features?.skills) used.push('skills');
  if (ask.features?.thinking) used.push('thinking');
  if (ask.speed !== null && ask.speed !== 'standard') used.push(`speed:${ask.speed}`);
  if (ask.inferenceGeo !== null) used.push(`geo:${ask.inferenceGeo}`);
  return used;
}

/** The first feature that the rules keep out, or null. `deny` wins; `allow` closes the kinds that it names, and leaves the others open. */
export function forbiddenFeature(rules: FeatureRules, used: readonly string[]): string | null {
  return used.find((feature) => !permitted(rules, feature)) ?? null;
}

function permitted({ allow, deny }: FeatureRules, feature: string): boolean {
  if (deny.some((glob) => matchesGlob(glob, feature))) return false;
  const kind = kindOf(feature);
  const named = allow.filter((glob) => kindOf(glob) === kind);
  return named.length === 0 || named.some((glob) => matchesGlob(glob, feature));
}

/** What the rules say of the kind of one feature, as a sentence. */
export function allowedOfKind({ allow, deny }: FeatureRules, feature: string): string {
  const kind = kindOf(feature);
  const of = (globs: readonly string[]): string[] => globs.filter((glob) => kindOf(glob) === kind);
  const [yes, no] = [of(allow), of(deny)];
  if (!(FEATURE_KINDS as readonly string[]).includes(`${kind}:`)) return `${kind} is denied`;
  return `Allowed: ${yes.length > 0 ? listed(yes) : no.includes(`${kind}:*`) ? 'none' : `every ${kind}`}${no.length === 0 || no.includes(`${kind}:*`) ? '' : ` but ${listed(no)}`}`;
}

const kindOf = (feature: string): string => feature.split(':', 1)[0]!;

const listed = (globs: readonly string[]): string => globs.slice(0, LISTED).join(', ') + (globs.length > LISTED ? `, and ${globs.length - LISTED} more` : '');
