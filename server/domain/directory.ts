// server/domain/directory.ts: the contract of the directory of virtual keys, those in the config and those issued.

import { hash } from 'node:crypto';
import type { EpochMs, KeyId, WorkflowId, WorkspaceId } from './ids.ts';

/** A virtual key as the gateway knows it: never the secret, only its SHA-256. */
export interface VirtualKey {
  readonly id: KeyId;
  readonly workspace: WorkspaceId;
  /** The key's own workflow; null when calls name theirs. */
  readonly workflow: WorkflowId | null;
  /** Workflows that calls with this key may name besides its own. Null: none where it has its own, else every one that the workspace lets calls name. */
  readonly workflows: readonly WorkflowId[] | null;
  /** Lower-case hex. */
  readonly secretHash: string;
  readonly origin: 'config' | 'issued';
  readonly createdAt: EpochMs | null;
  /** Null never ends. */
  readonly expiresAt: EpochMs | null;
  readonly revokedAt: EpochMs | null;
  /** To the minute or so; null when not seen. */
  readonly lastUsedAt: EpochMs | null;
  /** When a secret of it that a rotation, a revocation or its end has put out of force was last tried, since the start. Null or absent: never. */
  readonly endedSecretTriedAt?: EpochMs | null;
  /** `tg_` and the first characters, to tell keys apart on a screen; null for keys from the config. */
  readonly hint: string | null;
}

/** Finds who a secret belongs to. An unknown, revoked or expired secret is null alike: the caller must not learn which. */
export interface Directory {
  find(secretHash: string, at: EpochMs): Promise<VirtualKey | null>;
  /** Whether a secret is or was one of ours: what `find` does not find of these has ended, and is nobody's key for the provider. */
  knows(secretHash: string): boolean;
}

/** Issues and ends keys; changes are in force for the next `find`, and durable when the promise resolves. */
export interface KeyRing extends Directory {
  list(): Promise<readonly VirtualKey[]>;
  /** The secret is returned here once and stored nowhere. @throws KeyRingError on a taken id or an unknown workspace */
  create(request: { id: KeyId; workspace: WorkspaceId; workflow: WorkflowId | null; expiresAt: EpochMs | null; actor: string }): Promise<{ key: VirtualKey; secret: string }>;
  /** A new secret for an issued key; the old one ends at `oldEndsAt` (now, unless told). */
  rotate(request: { id: KeyId; oldEndsAt: EpochMs | null; actor: string }): Promise<{ key: VirtualKey; secret: string }>;
  revoke(request: { id: KeyId; actor: string }): Promise<VirtualKey>;
}

/** `unknown_key`, `taken`, `declared_in_config`, `unknown_workspace`, `unknown_workflow`; the message is for a person. */
export class KeyRingError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'KeyRingError';
    this.code = code;
  }
}

/** What a secret is looked up by. Keys are 256 random bits, so a fast hash is enough; the hash is taken before any other use. */
export const hashSecret = (secret: string): string => hash('sha256', secret, 'hex');
