// server/admit/model-policy.ts: decides which models a call may use, which features, and how much output it may ask for.

import type { Clearance } from '../domain/admission.ts';
import type { Ask, Decision, Endpoint } from '../domain/call.ts';
import { matchesGlob } from '../domain/glob.ts';
import { granted, refused, type Refusal, type Verdict } from '../domain/refusal.ts';
import type { CheaperModels, ModelRules, Policy } from '../domain/settings.ts';
import { allowedOfKind, featuresOf, forbiddenFeature } from './feature-policy.ts';

/** The rules of one scope, `workspace` or `workspace/workflow`. */
export interface ScopedPolicy {
  readonly scope: string;
  readonly policy: Pick<Policy, 'models' | 'maxOutputTokens' | 'maxOutputDryRun' | 'features'>;
}

/** The word by which a call leaves the choice of its fallback models to the provider. */
const PROVIDERS_CHOICE = 'default';
const LISTED = 20;

/**
 * What the policy makes of a call, from the config alone. Of its model: the alias is resolved first, once; then every scope must not deny the result, and
 * must allow it. Fallback models pass the same rules as they are written, since an alias means nothing to the provider.
 * @param layers the workspace's rules, then the workflow's; both must agree, and the workflow's aliases come first
 * @param cheaper what stands in for models in the call's session; null: nothing
 */
export function clearCall(layers: readonly ScopedPolicy[], endpoint: Endpoint, ask: Ask | null, betas: readonly string[], cheaper: Substitutes | null = null): Verdict<Clearance> {
  const decisions: Decision[] = [];
  const asked = ask === null ? null : resolveAlias(layers, ask.model, decisions);
  const substitute = cheaper === null || asked === null ? null : substituteFor(cheaper, asked);
  const rehearses = cheaper?.dryRun === true;
  if (substitute !== null) decisions.push({ rule: `cheaper_models:${cheaper!.scope}`, verdict: rehearses ? 'would_rewrite' : 'rewrite', detail: `${shown(asked!)} ${rehearses ? 'would give' : 'gives'} way to ${substitute}, as budget ${cheaper!.budget} had been spent as far as told when the session began` });
  const switched = substitute !== null && !rehearses;
  const model = switched ? substitute : asked;
  for (const layer of layers) {
    const refusal = (ask === null ? null : modelRefusal(layer, model!, ask, decisions)) ?? featureRefusal(layer, endpoint, ask, betas, decisions) ?? (ask === null ? null : outputRefusal(layer, endpoint, ask, decisions));
    if (refusal !== null) return { ok: false, refusal };
  }
  return granted(switched ? { model, insteadOf: ask!.model, decisions } : { model, decisions });
}

export type Substitutes = CheaperModels & { readonly scope: string };

/** What is called instead of a model, aliases resolved; null where it stays. */
export function substituteFor({ models }: CheaperModels, model: string): string | null {
  for (const [glob, cheaper] of models) if (matchesGlob(glob, model)) return cheaper === model ? null : cheaper;
  return null;
}

/** The decision of rules that let a call pass; always the same one. */
function allowed(rules: object, rule: string): Decision {
  let decision = allows.get(rules);
  if (decision === undefined || decision.rule !== rule) allows.set(rules, (decision = { rule, verdict: 'allow', detail: null }));
  return decision;
}
const allows = new WeakMap<object, Decision>();

/** Null lets the call pass; a rule that only rehearses says so among the decisions. */
function said(refusal: Refusal, dryRun: boolean | undefined, decisions: Decision[]): Refusal | null {
  if (dryRun !== true) return refusal;
  decisions.push({ rule: refusal.rule ?? refusal.reason, verdict: 'would_refuse', detail: refusal.message });
  return null;
}

function modelRefusal({ scope, policy: { models } }: ScopedPolicy, model: string, ask: Ask, decisions: Decision[]): Refusal | null {
  const rule = `models:${scope}`;
  if (!permits(models, model)) return said(refused('model_not_allowed', `model ${shown(model)} is not allowed in ${scope}. ${allowedIn(models)}`, { rule }).refusal, models.dryRun, decisions);
  const fallback = ask.fallbackModels.find((name) => !permitsFallback(models, name));
  if (fallback !== undefined) {
    const what = fallback === PROVIDERS_CHOICE ? 'the fallback "default", which lets the provider choose the model,' : `model ${shown(fallback)}, named as a fallback or by a tool,`;
    return said(refused('model_not_allowed', `${what} is not allowed in ${scope}. ${allowedIn(models)}`, { rule }).refusal, models.dryRun, decisions);
  }
  decisions.push(allowed(models, rule));
  return null;
}

function featureRefusal({ scope, policy: { features } }: ScopedPolicy, endpoint: Endpoint, ask: Ask | null, betas: readonly string[], decisions: Decision[]): Refusal | null {
  if (features === undefined) return null;
  const rule = `features:${scope}`;
  const forbidden = forbiddenFeature(features, featuresOf(endpoint, ask, betas));
  if (forbidden !== null) return said(refused('feature_not_allowed', `${shown(forbidden)} is not allowed in ${scope}. ${allowedOfKind(features, forbidden)}`, { rule }).refusal, features.dryRun, decisions);
  decisions.push(allowed(features, rule));
  return null;
}

function outputRefusal({ scope, policy }: ScopedPolicy, endpoint: Endpoint, ask: Ask, decisions: Decision[]): Refusal | null {
  const most = policy.maxOutputTokens;
  if (most === null || endpoint === 'count_tokens') return null;
  const rule = `max_output_tokens:${scope}`;
  const no = (message: string): Refusal | null => said(refused('feature_not_allowed', message, { rule }).refusal, policy.maxOutputDryRun, decisions);
  if (ask.maxTokens === null) return no(`a call in ${scope} must say how much output it wants at most: max_tokens of ${most} or less`);
  if (ask.maxTokens > most) return no(`max_tokens is ${ask.maxTokens}; ${scope} allows ${most} at most`);
  decisions.push({ rule, verdict: 'allow', detail: `${ask.maxTokens} of ${most}` });
  return null;
}

export function resolveAlias(layers: readonly ScopedPolicy[], model: string, decisions: Decision[]): string {
  for (let at = layers.length - 1; at >= 0; at--) {
    const { scope, policy } = layers[at]!;
    const target = policy.models.alias.get(model);
    if (target === undefined) continue;
    decisions.push({ rule: `models:${scope}`, verdict: 'rewrite', detail: `${model} stands for ${target}` });
    return target;
  }
  return model;
}

/** What was said of models before, by the rules: the same few are asked for again and again. Names are client text, so only so many are kept. */
const permitted = new WeakMap<ModelRules, Map<string, boolean>>();
const MOST_KEPT = 200;

function permits(rules: ModelRules, model: string): boolean {
  let known = permitted.get(rules);
  if (known === undefined) permitted.set(rules, (known = new Map()));
  let permits = known.get(model);
  if (permits === undefined) {
    permits = matched(rules, model);
    if (known.size < MOST_KEPT) known.set(model, permits);
  }
  return permits;
}

function matched(rules: ModelRules, model: string): boolean {
  if (rules.deny.some((glob) => matchesGlob(glob, model))) return false;
  return rules.allow === null || rules.allow.some((glob) => matchesGlob(glob, model));
}

/** What the provider will choose cannot be checked against a deny list; only an allow list that says so lets it through. */
function permitsFallback(rules: ModelRules, model: string): boolean {
  return permits(rules, model) && (model !== PROVIDERS_CHOICE || rules.deny.length === 0);
}

function allowedIn(rules: ModelRules): string {
  const allowed = rules.allow === null ? 'every model' : rules.allow.length === 0 ? 'none' : listOf(rules.allow);
  return `Allowed: ${allowed}${rules.deny.length === 0 ? '' : ` but ${listOf(rules.deny)}`}`;
}

const listOf = (names: readonly string[]): string => names.slice(0, LISTED).join(', ') + (names.length > LISTED ? `, and ${names.length - LISTED} more` : '');

/** A model's name is client text: cut, so that a message stays one line that fits. */
const shown = (model: string): string => (model.length > 80 ? `${model.slice(0, 80)}…` : model);
