// server/observe/labels.ts: which names may be labels. What clients type freely becomes `other`, so that no caller can grow the metrics.

import { DEFAULT_WORKSPACE, UNATTRIBUTED } from '../domain/ids.ts';
import type { Settings } from '../domain/settings.ts';
import { NONE, OTHER } from './metric-names.ts';

/** Caps that hold whatever the config says. */
export const CAPS = { workspaces: 50, workflows: 200, models: 20, policies: 200 } as const;

export type LabelName = 'workspace' | 'workflow' | 'model' | 'policy' | 'series';

export interface Labels {
  workspace(name: string): string;
  /** Whether it is a label of its own; asking counts nothing. */
  isWorkspace(name: string): boolean;
  /** `workspace` is a label already. */
  workflow(workspace: string, name: string): string;
  /** `name` null: an endpoint without a model, or a call refused before its model was known. */
  model(name: string | null): string;
  policy(rule: string): string;
  overflowed(label: LabelName): void;
  readonly overflow: ReadonlyMap<LabelName, number>;
  /** Takes the names of a config in; those of the config before stay, because a counter does not go away. */
  configured(settings: Settings): void;
  /** Every configured pair, for series that start at zero. */
  readonly pairs: readonly (readonly [workspace: string, workflow: string])[];
  /** Models that the config names outright, without a glob. */
  readonly namedModels: readonly string[];
}

/** @param bookName the price book's own name of a model, whichever way it was written; null when the book does not know it */
export function createLabels(bookName: (model: string) => string | null): Labels {
  const overflow = new Map<LabelName, number>([['workspace', 0], ['workflow', 0], ['model', 0], ['policy', 0], ['series', 0]]);
  const workflowsOf = new Map<string, Set<string>>();
  const pairs: (readonly [string, string])[] = [];
  const namedModels: string[] = [];
  const models = new Set<string>();
  const policies = new Set<string>();
  const other = (label: LabelName): string => {
    overflow.set(label, (overflow.get(label) ?? 0) + 1);
    return OTHER;
  };
  const addWorkspace = (id: string, workflows: readonly string[]): void => {
    if (!workflowsOf.has(id) && workflowsOf.size >= CAPS.workspaces) return;
    const known = workflowsOf.get(id) ?? new Set<string>();
    workflowsOf.set(id, known);
    for (const workflow of workflows) {
      if (known.has(workflow) || pairs.length >= CAPS.workflows) continue;
      known.add(workflow);
      pairs.push([id, workflow]);
    }
  };
  const model = (name: string | null): string => {
    if (name === null) return NONE;
    if (models.has(name)) return name;
    const own = bookName(name);
    if (own !== null && models.has(own)) return own;
    if (own === null || models.size >= CAPS.models) return other('model');
    models.add(own);
    return own;
  };

  return {
    overflow,
    pairs,
    namedModels,
    isWorkspace: (name) => workflowsOf.has(name),
    workspace: (name) => (workflowsOf.has(name) ? name : other('workspace')),
    workflow(workspace, name) {
      if (workspace === OTHER) return OTHER;
      return workflowsOf.get(workspace)?.has(name) ? name : other('workflow');
    },
    model,
    // Rules are named after config entries; a refusal of the gateway itself after its reason. The cap is for a config with very many.
    policy(rule) {
      if (policies.has(rule)) return rule;
      if (policies.size >= CAPS.policies) return other('policy');
      policies.add(rule);
      return rule;
    },
    overflowed: (label) => void other(label),
    configured(settings) {
      addWorkspace(DEFAULT_WORKSPACE, [UNATTRIBUTED]);
      for (const workspace of settings.workspaces.values()) {
        addWorkspace(workspace.id, [UNATTRIBUTED, ...workspace.workflows.map((w) => w.id)]);
        for (const { models: rules } of [workspace, ...workspace.workflows]) {
          for (const name of [...(rules.allow ?? []), ...rules.alias.values()]) {
            const own = bookName(name);
            if (own !== null && !models.has(own) && models.size < CAPS.models) namedModels.push(model(own));
          }
        }
      }
    },
  };
}
