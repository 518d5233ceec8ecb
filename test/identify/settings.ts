// test/identify/settings.ts: settings and keys for the tests of this room.

import type { ClaimedTags } from '../../server/domain/call.ts';
import { hashSecret, type Directory, type VirtualKey } from '../../server/domain/directory.ts';
import type { EpochMs, KeyId, WorkflowId, WorkspaceId } from '../../server/domain/ids.ts';
import type { Settings, Workspace } from '../../server/domain/settings.ts';

export const now = 1_750_000_000_000 as EpochMs;
export const workspaceId = (id: string): WorkspaceId => id as WorkspaceId;
export const workflowId = (id: string): WorkflowId => id as WorkflowId;

const freedom = {
  models: { allow: null, deny: [], alias: new Map<string, string>() },
  limits: { requestsPerMinute: null, inputTokensPerMinute: null, outputTokensPerMinute: null, concurrent: null },
  maxOutputTokens: null,
};

export function workspace(id: string, more: { workflows?: string[]; open?: boolean; upstreamKey?: string; maxOutputTokens?: number } = {}): Workspace {
  const workflows = (more.workflows ?? []).map((name) => ({ ...freedom, id: workflowId(name) }));
  return { ...freedom, id: workspaceId(id), upstreamKey: more.upstreamKey ?? 'default', workflows, openWorkflows: more.open ?? false, maxOutputTokens: more.maxOutputTokens ?? null };
}

/** What this room reads of the settings. */
export function settings(access: Settings['access'], workspaces: Workspace[], providerKeys: Record<string, string> = { default: 'sk-provider' }): Settings {
  const upstream: Partial<Settings['upstream']> = { keys: new Map(Object.entries(providerKeys)) };
  const read: Partial<Settings> = { access, workspaces: new Map(workspaces.map((w) => [w.id, w])), upstream: upstream as Settings['upstream'] };
  return read as Settings;
}

export function key(id: string, place: { workspace: string; workflow?: string; workflows?: string[] }): VirtualKey & { secret: string } {
  const secret = `tg_${id}-secret`;
  return {
    secret, id: id as KeyId, workspace: workspaceId(place.workspace), workflow: place.workflow === undefined ? null : workflowId(place.workflow),
    workflows: place.workflows?.map(workflowId) ?? null, secretHash: hashSecret(secret), origin: 'config', createdAt: null, expiresAt: null, revokedAt: null, lastUsedAt: null, hint: null,
  };
}

/** A directory in memory that keeps the hashes it was asked for. */
export function directoryOf(...keys: VirtualKey[]): Directory & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    find: async (hash, at) => {
      asked.push(hash);
      return keys.find((k) => k.secretHash === hash && k.revokedAt === null && (k.expiresAt === null || k.expiresAt > at)) ?? null;
    },
    knows: (hash) => keys.some((k) => k.secretHash === hash),
  };
}

export const untagged: ClaimedTags = { pathWorkspace: null, pathWorkflow: null, headerWorkflow: null, user: null, session: null, action: null, tags: new Map(), priority: null };
