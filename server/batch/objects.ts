// server/batch/objects.ts: who may see what at the provider. Its keys open a whole workspace there; ours open what their own workspace made.

import type { BatchStore, ProviderObject } from '../domain/batch.ts';
import type { Caller, Endpoint } from '../domain/call.ts';
import type { EpochMs, WorkspaceId } from '../domain/ids.ts';
import type { Refusal } from '../domain/refusal.ts';
import type { Settings } from '../domain/settings.ts';

export interface Objects {
  /**
   * Null when the caller may use all of these; else the answer that hides whether they exist. Known objects belong to the workspace
   * that made them. Others (made before the gateway, or beside it) may be used with a provider key that only one workspace has.
   * @throws LedgerUnavailable when nobody can tell
   */
  obstacle(kind: ProviderObject['kind'], ids: readonly string[], caller: Caller): Promise<Refusal | null>;
  /** Those of a list that the caller may see, by the same rule. @throws LedgerUnavailable */
  visible(kind: ProviderObject['kind'], ids: readonly string[], caller: Caller): Promise<ReadonlySet<string>>;
  made(kind: ProviderObject['kind'], id: string, caller: Caller, at: EpochMs): Promise<void>;
  deleted(id: string): Promise<void>;
}

const NAMES = { batch: 'message batch', file: 'file', skill: 'skill', container: 'container' } as const satisfies Record<ProviderObject['kind'], string>;

/** Which kind of object a family of routes is about; null for none. */
export function kindOf(endpoint: Endpoint): ProviderObject['kind'] | null {
  if (endpoint === 'batches' || endpoint === 'batch_results') return 'batch';
  return endpoint === 'files' ? 'file' : endpoint === 'skills' ? 'skill' : null;
}

export function createObjects({ store, settings }: { store: BatchStore; settings: () => Settings }): Objects {
  /** Owners on their way into the store: whose answer has just named an object may be back with it sooner. */
  const onTheWay = new Map<string, WorkspaceId>();
  const visible: Objects['visible'] = async (kind, ids, caller) => {
    const owners = await store.owners(ids);
    const strangersToo = !isShared(caller, settings());
    return new Set(ids.filter((id) => {
      const owner = owners.get(id) ?? onTheWay.get(id);
      if (owner !== undefined) return owner === caller.workspace;
      // Skills that the provider itself offers, e.g. pptx, are everybody's.
      return strangersToo || (kind === 'skill' && !id.startsWith('skill_'));
    }));
  };
  return {
    visible,
    async obstacle(kind, ids, caller) {
      if (ids.length === 0) return null;
      const seen = await visible(kind, [...new Set(ids)], caller);
      const hidden = ids.find((id) => !seen.has(id));
      if (hidden === undefined) return null;
      return { reason: 'unknown_object', message: `Could not find ${NAMES[kind]} ${hidden.slice(0, 128)}`, rule: null, retryAfterSeconds: null };
    },
    async made(kind, id, caller, at) {
      if (!onTheWay.has(id)) onTheWay.set(id, caller.workspace);
      try {
        await store.own({ id, kind, workspace: caller.workspace, credential: caller.upstream.kind === 'configured' ? caller.upstream.name : null, createdAt: at });
      } finally {
        onTheWay.delete(id);
      }
    },
    deleted: (id) => store.disown(id),
  };
}

/** Whether more than one workspace goes out with the caller's provider key. A caller's own key is its own affair. */
function isShared({ upstream, workspace }: Caller, { workspaces, upstream: { keys } }: Settings): boolean {
  if (upstream.kind !== 'configured') return false;
  const others: WorkspaceId[] = [...workspaces.values()].filter(({ id, upstreamKey }) => id !== workspace && keys.get(upstreamKey) === upstream.secret).map(({ id }) => id);
  return others.length > 0;
}
