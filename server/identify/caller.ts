// server/identify/caller.ts: finds out who calls. The key owns the workspace; what a client says about itself only fills what the key leaves open.

import type { Caller, ClaimedTags, Credentials, UpstreamCredential } from '../domain/call.ts';
import { hashSecret, type Directory, type VirtualKey } from '../domain/directory.ts';
import { DEFAULT_WORKSPACE, NAME_PATTERN, UNATTRIBUTED, type EpochMs, type WorkflowId, type WorkspaceId } from '../domain/ids.ts';
import { granted, refused, type Refusal, type Verdict } from '../domain/refusal.ts';
import type { Settings, Workspace } from '../domain/settings.ts';
import { flawOf } from './tags.ts';

/** Every secret that we issue begins so; one that does and is unknown was ours once, and must not travel to the provider. */
const OWN_PREFIX = 'tg_';
const DEFAULT_UPSTREAM_KEY = 'default';
/** Names listed in a message at most. */
const LISTED = 20;
const MAX_USER_BYTES = 256;

export interface Claim {
  readonly credentials: Credentials;
  readonly claimed: ClaimedTags;
  /** `metadata.user_id` of the body; null when it has none, or is not read yet (`withBodyUser`). */
  readonly bodyUserId: string | null;
}

/**
 * Who calls, or why nobody does. Every cause of `unauthenticated` has the same message: a caller must not learn which it was.
 *
 * With `access: keys` a key is demanded. With `access: open` a call without one is served: its workspace is the path's, or
 * `default`; a key of ours still stands for its owner. Where an open gateway declares nothing at all, any valid name is a
 * workspace, so that a first run can tell its apps apart before anyone has written a config.
 *
 * A workflow must be declared, unless the workspace has open workflows or the key lists it. A key that has a list and no
 * workflow of its own must name one: leaving it out is no way around a workflow's rules.
 */
export async function identify(claim: Claim, context: { directory: Directory; settings: Settings; at: EpochMs }): Promise<Identified> {
  const key = await findKey(claim.credentials, context);
  if (!key.ok) return { ...key, caller: null };
  const verdict = callerOf(key.value, claim, context.settings);
  if (verdict.ok) return verdict;
  return { ...verdict, caller: key.value === null ? null : ownerOf(key.value, claim.claimed) };
}

/** `caller` of a refusal: the owner of the key that was refused, for the ledger; null where no key of ours came. */
export type Identified = { readonly ok: true; readonly value: Caller } | { readonly ok: false; readonly refusal: Refusal; readonly caller: Caller | null };

/** Whose key it is that was refused. What the call said of its place is not taken over: that is what was refused. */
const ownerOf = ({ id, workspace, workflow }: VirtualKey, { session, action }: ClaimedTags): Caller => ({
  workspace, workflow: workflow ?? UNATTRIBUTED, key: id, user: null, session, action, tags: NO_TAGS, priority: 'interactive', upstream: { kind: 'callers_own' },
});
const NO_TAGS: ReadonlyMap<string, string> = new Map();

function callerOf(key: VirtualKey | null, claim: Claim, settings: Settings): Verdict<Caller> {
  const { claimed } = claim;
  if (isBad(claimed.pathWorkspace) || isBad(claimed.pathWorkflow) || isBad(claimed.headerWorkflow)) {
    return refused('malformed', 'a workspace or workflow is named by 1 to 64 lower-case letters, digits, dots, dashes and underscores, and begins and ends with a letter or digit');
  }
  const workspace = findWorkspace(key, claimed.pathWorkspace, settings);
  if (!workspace.ok) return workspace;
  const workflow = findWorkflow(key, workspace.value, claimed);
  if (!workflow.ok) return workflow;
  const upstream = findUpstream(key, workspace.value, settings);
  if (!upstream.ok) return upstream;
  const user = findUser(claimed.user, claim.bodyUserId);
  if (!user.ok) return user;

  return granted({
    workspace: workspace.value.id,
    workflow: workflow.value,
    key: key?.id ?? null,
    user: user.value,
    session: claimed.session,
    action: claimed.action,
    tags: claimed.tags,
    priority: claimed.priority ?? priorityOf(workspace.value, workflow.value),
    upstream: upstream.value,
  });
}

const isBad = (name: string | null): boolean => name !== null && !NAME_PATTERN.test(name);

/** The caller with the user that only the body names; the header wins over it. For when the body is read after the caller is known. */
export function withBodyUser(caller: Caller, bodyUserId: string | null): Verdict<Caller> {
  if (bodyUserId === null) return granted(caller);
  const user = findUser(caller.user, bodyUserId);
  return user.ok ? granted({ ...caller, user: user.value }) : user;
}

/** Null: an open gateway and no key of ours. */
async function findKey(credentials: Credentials, { directory, settings, at }: { directory: Directory; settings: Settings; at: EpochMs }): Promise<Verdict<VirtualKey | null>> {
  const first = credentials.apiKey || null;
  const second = credentials.bearer === credentials.apiKey ? null : credentials.bearer || null;
  let key = first === null ? null : await directory.find(hashSecret(first), at);
  if (second !== null) key ??= await directory.find(hashSecret(second), at);
  // Two credentials that differ cannot both be meant; with one of ours among them there is no telling who pays.
  if (key !== null) return first === null || second === null ? granted(key) : UNAUTHENTICATED;
  if (settings.access === 'keys' || isOurs(first, directory) || isOurs(second, directory)) return UNAUTHENTICATED;
  return granted(null);
}

/** By its looks, or because it was in force once: a secret of the config looks as whoever wrote it liked. */
const isOurs = (secret: string | null, directory: Directory): boolean => secret !== null && (secret.startsWith(OWN_PREFIX) || directory.knows(hashSecret(secret)));

const UNAUTHENTICATED = refused('unauthenticated', 'this gateway needs a valid key of its own, in x-api-key or as a bearer token');

type Place = Pick<Workspace, 'id' | 'upstreamKey' | 'workflows' | 'openWorkflows' | 'priority'>;

/** Of calls that do not say it: their workflow's, else their workspace's. */
function priorityOf({ workflows, priority = 'interactive' }: Place, id: WorkflowId): Caller['priority'] {
  for (const workflow of workflows) if (workflow.id === id) return workflow.priority ?? priority;
  return priority;
}

function findWorkspace(key: VirtualKey | null, named: string | null, settings: Settings): Verdict<Place> {
  if (key !== null && named !== null && named !== key.workspace) {
    return refused('workspace_forbidden', `this key belongs to workspace ${key.workspace}; the path names ${named}`);
  }
  const id = key?.workspace ?? ((named ?? DEFAULT_WORKSPACE) as WorkspaceId);
  const declared = settings.workspaces.get(id);
  if (declared !== undefined) return granted(declared);
  if (key !== null) return refused('workspace_forbidden', `the workspace of this key, ${id}, is not in the config any more`);
  if (declaresNothing(settings)) return granted({ id, upstreamKey: DEFAULT_UPSTREAM_KEY, workflows: [], openWorkflows: true });
  const hint = named === null ? 'the call names no workspace; put one in the path: /w/{workspace}' : `workspace ${named} is not declared`;
  return refused('workspace_forbidden', `${hint}. Declared: ${list([...settings.workspaces.keys()])}`);
}

/** True on a first run: no workspace but, at most, the implicit one, and that one without a rule that another name could slip past. */
function declaresNothing(settings: Settings): boolean {
  if (settings.workspaces.size === 0) return true;
  const only = settings.workspaces.get(DEFAULT_WORKSPACE);
  return (
    settings.workspaces.size === 1 &&
    only !== undefined &&
    only.openWorkflows &&
    only.workflows.length === 0 &&
    only.models.allow === null &&
    only.models.deny.length === 0 &&
    only.maxOutputTokens === null &&
    only.features === undefined &&
    only.cheaper === undefined &&
    only.flatHold === undefined &&
    only.priority === undefined &&
    Object.values(only.limits).every((limit) => limit === null)
  );
}

function findWorkflow(key: VirtualKey | null, workspace: Place, claimed: ClaimedTags): Verdict<WorkflowId> {
  const { pathWorkflow, headerWorkflow } = claimed;
  if (pathWorkflow !== null && headerWorkflow !== null && pathWorkflow !== headerWorkflow) {
    return refused('workflow_forbidden', `the path names workflow ${pathWorkflow}, x-tollgate-workflow names ${headerWorkflow}; say one`);
  }
  const named = (pathWorkflow ?? headerWorkflow) as WorkflowId | null;
  if (named === null && key !== null && key.workflow !== null) return granted(key.workflow);
  const listed = allowedByKey(key);
  if (named === null) {
    if (listed === null) return granted(UNATTRIBUTED);
    return listed.length === 1 ? granted(listed[0]!) : refused('workflow_forbidden', `this key must name its workflow. Allowed: ${list(listed)}`);
  }
  if (listed !== null) {
    return listed.includes(named) ? granted(named) : refused('workflow_forbidden', `this key may not name workflow ${named}. Allowed: ${list(listed)}`);
  }
  const declared = workspace.workflows.map((workflow) => workflow.id);
  if (workspace.openWorkflows || declared.includes(named)) return granted(named);
  return refused('workflow_forbidden', `workflow ${named} is not declared in workspace ${workspace.id}. Declared: ${list(declared)}`);
}

/** The workflows that a key limits its calls to; null when it leaves the choice to them. */
function allowedByKey(key: VirtualKey | null): readonly WorkflowId[] | null {
  if (key === null || (key.workflow === null && key.workflows === null)) return null;
  return [...new Set([...(key.workflow === null ? [] : [key.workflow]), ...(key.workflows ?? [])])];
}

/** The provider key of the workspace where there is one; a caller's own only where no key of ours came in its place. */
function findUpstream(key: VirtualKey | null, workspace: Place, settings: Settings): Verdict<UpstreamCredential> {
  const secret = settings.upstream.keys.get(workspace.upstreamKey);
  if (secret !== undefined) return granted({ kind: 'configured', name: workspace.upstreamKey, secret });
  if (key === null) return granted({ kind: 'callers_own' });
  return refused('workspace_forbidden', `workspace ${workspace.id} has no provider key: upstream.keys.${workspace.upstreamKey} is empty`);
}

/** The header wins over the body. The body's field belongs to the API, which takes longer ones than we keep: it is cut, between characters. */
function findUser(header: string | null, bodyUserId: string | null): Verdict<string | null> {
  if (header !== null && header !== '') {
    const flaw = flawOf(header);
    return flaw === null ? granted(header) : refused('malformed', `x-tollgate-user ${flaw}`);
  }
  if (bodyUserId === null || bodyUserId === '') return granted(null);
  const user = cutAtBytes(bodyUserId, MAX_USER_BYTES);
  const flaw = flawOf(user);
  return flaw === null ? granted(user) : refused('malformed', `metadata.user_id ${flaw}`);
}

function cutAtBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

const list = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : names.slice(0, LISTED).join(', ') + (names.length > LISTED ? `, and ${names.length - LISTED} more` : '');
