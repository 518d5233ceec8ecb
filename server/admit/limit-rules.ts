// server/admit/limit-rules.ts: limits that follow keys and classes of models, wherever their calls come from.

import type { Bucket } from '../domain/admission.ts';
import type { Caller } from '../domain/call.ts';
import { matchesGlob } from '../domain/glob.ts';
import type { LimitRule } from '../domain/settings.ts';
import { modelClassOf } from './headroom.ts';
import { ScopeLimits, type Named } from './scope-limits.ts';

/** Keys come from the directory, classes partly from what clients write: past this many, those that are as good as new are let go. */
const MOST_INSTANCES = 5_000;
/** Buckets shown of one rule, the emptiest first. */
const MOST_SHOWN = 200;
/** Model names whose class is remembered. */
const MOST_CLASSES = 1_000;

export class LimitRules {
  #rules: readonly RunningRule[] = [];
  readonly #classes = new Map<string, string>();

  constructor(rules: readonly LimitRule[], now: number) {
    this.change(rules, now);
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** Puts new rules in force; one that keeps its id keeps what its calls have used. */
  change(rules: readonly LimitRule[], now: number): void {
    const known = new Map(this.#rules.map((rule) => [rule.id, rule]));
    this.#rules = rules.map((rule) => {
      const running = known.get(rule.id);
      if (running === undefined) return new RunningRule(rule);
      running.change(rule, now);
      return running;
    });
  }

  /** @param model as sent; null where the endpoint has none, which no rule on a class covers */
  covering(caller: Caller, model: string | null, now: number): readonly ScopeLimits[] {
    const modelClass = model === null ? null : this.#classOf(model);
    const covering: ScopeLimits[] = [];
    for (const rule of this.#rules) {
      const limits = rule.limitsFor(caller, modelClass, now);
      if (limits !== null) covering.push(limits);
    }
    return covering;
  }

  buckets(now: number): Bucket[] {
    return this.#rules.flatMap((rule) => rule.buckets(now));
  }

  #classOf(model: string): string {
    let modelClass = this.#classes.get(model);
    if (modelClass === undefined) {
      modelClass = modelClassOf(model);
      if (this.#classes.size >= MOST_CLASSES) this.#classes.clear();
      this.#classes.set(model, modelClass);
    }
    return modelClass;
  }
}

/** One rule, with its limits as they stand: one set, or one for each key or class. */
class RunningRule {
  #rule: LimitRule;
  /** By key or class; by the empty string where there is one for all. */
  readonly #instances = new Map<string, ScopeLimits>();

  constructor(rule: LimitRule) {
    this.#rule = rule;
  }

  get id(): string {
    return this.#rule.id;
  }

  change(rule: LimitRule, now: number): void {
    if (rule.each !== this.#rule.each) this.#instances.clear();
    this.#rule = rule;
    for (const [name, limits] of this.#instances) limits.change(rule.limits, now, this.#named(name));
  }

  /** Null where the rule does not cover the call. */
  limitsFor(caller: Caller, modelClass: string | null, now: number): ScopeLimits | null {
    const { scope, each } = this.#rule;
    if (scope.workspace !== null && scope.workspace !== caller.workspace) return null;
    if (scope.workflow !== null && scope.workflow !== caller.workflow) return null;
    if (scope.key !== null && scope.key !== caller.key) return null;
    if (scope.modelClass !== null && (modelClass === null || !matchesGlob(scope.modelClass, modelClass))) return null;
    const name = each === null ? '' : each === 'key' ? caller.key : modelClass;
    if (name === null) return null;
    return this.#instances.get(name) ?? this.#open(name, now);
  }

  buckets(now: number): Bucket[] {
    const rows = [...this.#instances.values()].flatMap((limits) => limits.buckets(now));
    return rows.length <= MOST_SHOWN ? rows : rows.sort((a, b) => a.remaining / a.limit - b.remaining / b.limit).slice(0, MOST_SHOWN);
  }

  #open(name: string, now: number): ScopeLimits {
    if (this.#instances.size >= MOST_INSTANCES) for (const [other, limits] of this.#instances) if (limits.isUnused(now)) this.#instances.delete(other);
    const limits = new ScopeLimits(this.#rule.id, this.#rule.limits, now, this.#named(name));
    this.#instances.set(name, limits);
    return limits;
  }

  /** What the limits of one instance are of, for messages and lists. */
  #named(name: string): Named {
    const { id, scope, each } = this.#rule;
    const of = { ...scope, ...(each === 'key' ? { key: name } : each === 'model_class' ? { modelClass: name } : {}) };
    const parts = [
      ...(of.workspace === null ? [] : [`workspace ${of.workspace}`]),
      ...(of.workflow === null ? [] : [`workflow ${of.workflow}`]),
      ...(of.key === null ? [] : [`key ${of.key}`]),
      ...(of.modelClass === null ? [] : [`model class ${of.modelClass}`]),
    ];
    return { words: `${id} (${parts.length === 0 ? 'every call' : parts.join(', ')})`, of };
  }
}
