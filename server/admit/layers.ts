// server/admit/layers.ts: the rules and limits of workspaces and their workflows, as they are in force.

import type { WorkflowId, WorkspaceId } from '../domain/ids.ts';
import type { Nanodollars } from '../domain/money.ts';
import type { CheaperModels, Policy, Settings } from '../domain/settings.ts';
import type { ScopedPolicy } from './model-policy.ts';
import { ScopeLimits } from './scope-limits.ts';

/** What holds for the calls of one workspace, or of one workflow in it: the workspace's first, then the workflow's. */
export interface Layered {
  readonly policies: readonly (ScopedPolicy & { readonly policy: Policy })[];
  readonly limits: readonly ScopeLimits[];
  /** The narrowest one's; null: none. */
  readonly cheaper: (CheaperModels & { readonly scope: string }) | null;
  readonly flatHold: Nanodollars | null;
}

/** By workspace. */
export type Layers = ReadonlyMap<WorkspaceId, { readonly own: Layered; readonly workflows: ReadonlyMap<WorkflowId, Layered> }>;

/** Whose rules they are: a workspace's own where `workflow` is null. */
interface Owner {
  readonly workspace: WorkspaceId;
  readonly workflow: WorkflowId | null;
}

/** @param known limits in force by their scope, whose use goes on under the new numbers */
export function layersOf(settings: Settings, known: ReadonlyMap<string, ScopeLimits>, now: number): Layers {
  const limitsOf = (scope: string, policy: Policy, of: Owner): ScopeLimits => {
    const limits = known.get(scope);
    if (limits === undefined) return new ScopeLimits(scope, policy.limits, now, { words: scope, of: { ...of, key: null, modelClass: null } });
    limits.change(policy.limits, now);
    return limits;
  };
  const below = ({ policies, limits, cheaper, flatHold }: Layered, policy: Policy, of: Owner): Layered => {
    const scope = of.workflow === null ? of.workspace : `${of.workspace}/${of.workflow}`;
    return {
      policies: [...policies, { scope, policy }],
      limits: [...limits, limitsOf(scope, policy, of)],
      cheaper: policy.cheaper === undefined ? cheaper : { ...policy.cheaper, scope },
      flatHold: policy.flatHold ?? flatHold,
    };
  };
  const layers = new Map<WorkspaceId, { own: Layered; workflows: ReadonlyMap<WorkflowId, Layered> }>();
  for (const [id, workspace] of settings.workspaces) {
    const own = below(NO_LAYERS, workspace, { workspace: id, workflow: null });
    layers.set(id, { own, workflows: new Map(workspace.workflows.map((workflow) => [workflow.id, below(own, workflow, { workspace: id, workflow: workflow.id })])) });
  }
  return layers;
}

/** Each once, those of a workspace before those of its workflows. */
export const limitsIn = (layers: Layers): readonly ScopeLimits[] =>
  [...layers.values()].flatMap(({ own, workflows }) => [...own.limits, ...[...workflows.values()].map(({ limits }) => limits.at(-1)!)]);

export const NO_LAYERS: Layered = { policies: [], limits: [], cheaper: null, flatHold: null };
