// server/domain/ids.ts: the names that calls, keys and budgets go by.

import type { Branded } from './money.ts';

export type WorkspaceId = Branded<string, 'WorkspaceId'>;
export type WorkflowId = Branded<string, 'WorkflowId'>;
/** The public name of a virtual key; never the secret. */
export type KeyId = Branded<string, 'KeyId'>;
export type BudgetId = Branded<string, 'BudgetId'>;
/** `req_` and 26 characters of Crockford base 32, sortable by time (a ULID). Our id of a call, sent as `x-tollgate-request-id`. */
export type CallId = Branded<string, 'CallId'>;
/** Milliseconds since the Unix epoch, UTC. */
export type EpochMs = Branded<number, 'EpochMs'>;

export const epochMs = (value: number): EpochMs => value as EpochMs;

/** What a workspace, workflow, key or budget may be called: safe in a path, a label, a file name and a spreadsheet. */
export const NAME_PATTERN = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;

/** The workspace of calls that name none where access is open. */
export const DEFAULT_WORKSPACE = 'default' as WorkspaceId;
/** The workflow of calls that name none. */
export const UNATTRIBUTED = 'unattributed' as WorkflowId;

/** Time, handed in, so that a rule about time can be tested. */
export interface Clock {
  /** Wall clock; may step. */
  now(): EpochMs;
  /** Milliseconds on a clock that only runs forward; for durations. */
  monotonic(): number;
}
