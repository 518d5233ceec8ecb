// server/admit/model-policy.ts: decides which models a call may use, and how much output it may ask for.

import type { Clearance } from '../domain/admission.ts';
import type { Ask, Decision, Endpoint } from '../domain/call.ts';
import { granted, refused, type Verdict } from '../domain/refusal.ts';
import type { ModelRules, Policy } from '../domain/settings.ts';

/** The rules of one scope, `workspace` or `workspace/workflow`. */
export interface ScopedPolicy {
  readonly scope: string;
  readonly policy: Pick<Policy, 'models' | 'maxOutputTokens'>;
}

/** The word by which a call leaves the choice of its fallback models to the provider. */
const PROVIDERS_CHOICE = 'default';
const LISTED = 20;

/**
 * What the policy makes of a call's model: the alias is resolved first, once; then every scope must not deny the result, and
 * must allow it. Fallback models pass the same rules as they are written, since an alias means nothing to the provider.
 * @param layers the workspace's rules, then the workflow's; both must agree, and the workflow's aliases come first
 */
export function clearModels(layers: readonly ScopedPolicy[], endpoint: Endpoint, ask: Ask | null): Verdict<Clearance> {
  if (ask === null) return granted({ model: null, decisions: [] });
  const decisions: Decision[] = [];
  const model = resolveAlias(layers, ask.model, decisions);

  for (const { scope, policy } of layers) {
    const rule = `models:${scope}`;
    if (!permits(policy.models, model)) {
      return refused('model_not_allowed', `model ${shown(model)} is not allowed in ${scope}. ${allowedIn(policy.models)}`, { rule });
    }
    for (const fallback of ask.fallbackModels) {
      if (permitsFallback(policy.models, fallback)) continue;
      const what = fallback === PROVIDERS_CHOICE ? 'the fallback "default", which lets the provider choose the model,' : `model ${shown(fallback)}, named as a fallback or by a tool,`;
      return refused('model_not_allowed', `${what} is not allowed in ${scope}. ${allowedIn(policy.models)}`, { rule });
    }
    decisions.push({ rule, verdict: 'allow', detail: null });

    const most = policy.maxOutputTokens;
    if (most === null || endpoint === 'count_tokens') continue;
    const outputRule = `max_output_tokens:${scope}`;
    if (ask.maxTokens === null) {
      return refused('feature_not_allowed', `a call in ${scope} must say how much output it wants at most: max_tokens of ${most} or less`, { rule: outputRule });
    }
    if (ask.maxTokens > most) {
      return refused('feature_not_allowed', `max_tokens is ${ask.maxTokens}; ${scope} allows ${most} at most`, { rule: outputRule });
    }
    decisions.push({ rule: outputRule, verdict: 'allow', detail: `${ask.maxTokens} of ${most}` });
  }
  return granted({ model, decisions });
}

function resolveAlias(layers: readonly ScopedPolicy[], model: string, decisions: Decision[]): string {
  for (const { scope, policy } of layers.toReversed()) {
    const target = policy.models.alias.get(model);
    if (target === undefined) continue;
    decisions.push({ rule: `models:${scope}`, verdict: 'rewrite', detail: `${model} stands for ${target}` });
    return target;
  }
  return model;
}

function permits(rules: ModelRules, model: string): boolean {
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

/**
 * `*` is any run of characters, `?` any one, everything else itself; anchored at both ends. Only the last `*` is ever tried
 * again, so the work is at most pattern × text and no pattern is slow.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let starText = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      starText = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star !== -1) {
      p = star + 1;
      t = ++starText;
    } else return false;
  }
  while (p < pattern.length && pattern[p] === '*') p++;
  return p === pattern.length;
}
