// server/store/sqlite/key-ring.ts: the directory of virtual keys in memory: those declared in the config and those issued here.

import { randomBytes } from 'node:crypto';
import { hashSecret, KeyRingError, type KeyRing, type VirtualKey } from '../../domain/directory.ts';
import { epochMs, type Clock, type EpochMs, type KeyId, type WorkflowId, type WorkspaceId } from '../../domain/ids.ts';
import type { Workspace } from '../../domain/settings.ts';
import type { StoredKey } from './keys-table.ts';
import { OP } from './operations.ts';
import { OperationFailed, type WriterClient } from './writer-client.ts';

/** What the config says that keys depend on; replaced whole when it is loaded again. */
export interface Declared {
  readonly keys: readonly VirtualKey[];
  readonly workspaces: ReadonlyMap<WorkspaceId, Pick<Workspace, 'workflows' | 'openWorkflows'>>;
}

/** How often uses are written down. A key's `lastUsedAt` on screen comes from memory and is never older than this on disk. */
const USES_EVERY_MS = 60_000;

interface Held {
  readonly key: StoredKey;
  readonly endsAt: number | null;
}

export class SqliteKeyRing implements KeyRing {
  private readonly writer: WriterClient;
  private readonly clock: Clock;
  private readonly issued = new Map<string, StoredKey>();
  private readonly bySecret = new Map<string, Held>();
  private declared: Declared = { keys: [], workspaces: new Map() };
  private declaredBySecret = new Map<string, VirtualKey>();
  private readonly lastUsed = new Map<string, number>();
  private readonly usedSince = new Map<string, number>();
  private readonly endedTried = new Map<string, EpochMs>();
  private readonly timer: NodeJS.Timeout;

  constructor(writer: WriterClient, stored: readonly StoredKey[], declared: Declared, clock: Clock) {
    this.writer = writer;
    this.clock = clock;
    this.take(stored);
    this.declare(declared);
    this.timer = setInterval(() => void this.writeUses(), USES_EVERY_MS);
    this.timer.unref();
  }

  /** Puts a newly loaded config in force, from the next `find` on. */
  declare(declared: Declared): void {
    this.declared = declared;
    this.declaredBySecret = new Map(declared.keys.map((key) => [key.secretHash, key]));
  }

  async find(secretHash: string, at: EpochMs): Promise<VirtualKey | null> {
    const declared = this.declaredBySecret.get(secretHash);
    if (declared !== undefined) {
      if (ended(declared, at)) {
        this.endedTried.set(declared.id, at);
        return null;
      }
      this.lastUsed.set(declared.id, at);
      return declared;
    }
    const held = this.bySecret.get(secretHash);
    if (held === undefined) return null;
    if (ended(held.key, at) || (held.endsAt !== null && held.endsAt <= at)) {
      this.endedTried.set(held.key.id, at);
      return null;
    }
    this.lastUsed.set(held.key.id, at);
    this.usedSince.set(held.key.id, at);
    return this.view(held.key);
  }

  knows(secretHash: string): boolean {
    return this.declaredBySecret.has(secretHash) || this.bySecret.has(secretHash);
  }

  async list(): Promise<readonly VirtualKey[]> {
    const declared = this.declared.keys.map((key) => ({ ...key, lastUsedAt: this.seen(key.id, key.lastUsedAt), endedSecretTriedAt: this.endedTried.get(key.id) ?? null }));
    return [...declared, ...[...this.issued.values()].map((key) => this.view(key))];
  }

  async create(request: { id: KeyId; workspace: WorkspaceId; workflow: WorkflowId | null; expiresAt: EpochMs | null; actor: string }): Promise<{ key: VirtualKey; secret: string }> {
    const { id, workspace, workflow, expiresAt, actor } = request;
    if (this.declared.keys.some((key) => key.id === id)) throw new KeyRingError('declared_in_config', `a key ${id} is declared in the config`);
    const known = this.declared.workspaces.get(workspace);
    if (known === undefined) throw new KeyRingError('unknown_workspace', `there is no workspace ${workspace} in the config; it has ${listed([...this.declared.workspaces.keys()])}`);
    if (workflow !== null && !known.openWorkflows && !known.workflows.some((w) => w.id === workflow)) {
      throw new KeyRingError('unknown_workflow', `workspace ${workspace} has no workflow ${workflow}; it has ${listed(known.workflows.map(({ id: name }) => name))}`);
    }
    const { secret, hash, hint } = newSecret();
    await this.change([OP.keyCreate, id, workspace, workflow, hash, hint, this.clock.now(), expiresAt, actor]);
    return { key: this.viewOf(id), secret };
  }

  async rotate({ id, oldEndsAt, actor }: { id: KeyId; oldEndsAt: EpochMs | null; actor: string }): Promise<{ key: VirtualKey; secret: string }> {
    this.mustBeIssued(id);
    const { secret, hash, hint } = newSecret();
    const now = this.clock.now();
    await this.change([OP.keyRotate, id, hash, hint, now, oldEndsAt ?? now, actor]);
    return { key: this.viewOf(id), secret };
  }

  async revoke({ id, actor }: { id: KeyId; actor: string }): Promise<VirtualKey> {
    this.mustBeIssued(id);
    await this.change([OP.keyRevoke, id, this.clock.now(), actor]);
    return this.viewOf(id);
  }

  /** Writes down the last uses and stops doing so. Call it before the ledger closes. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.writeUses();
  }

  private async writeUses(): Promise<void> {
    if (this.usedSince.size === 0) return;
    const used = [...this.usedSince];
    this.usedSince.clear();
    try {
      await this.writer.write([OP.keysUsed, used]);
    } catch {
      // The store is in trouble, which the ledger reports; these uses are written with the next ones.
      for (const [id, at] of used) if (!this.usedSince.has(id)) this.usedSince.set(id, at);
    }
  }

  private async change(op: Parameters<WriterClient['write']>[0]): Promise<void> {
    try {
      await this.writer.write(op);
    } catch (error) {
      throw error instanceof OperationFailed ? new KeyRingError(error.code, error.message) : error;
    }
    this.take(await this.writer.ask<readonly StoredKey[]>({ kind: 'keys' }));
  }

  private take(stored: readonly StoredKey[]): void {
    this.issued.clear();
    this.bySecret.clear();
    for (const key of stored) {
      this.issued.set(key.id, key);
      for (const { hash, endsAt } of key.secrets) this.bySecret.set(hash, { key, endsAt });
    }
  }

  private mustBeIssued(id: KeyId): void {
    if (this.issued.has(id)) return;
    if (this.declared.keys.some((key) => key.id === id)) throw new KeyRingError('declared_in_config', `key ${id} is declared in the config; change it there`);
    throw new KeyRingError('unknown_key', `there is no key ${id}; \`tollgate keys list\` shows those there are`);
  }

  private viewOf(id: KeyId): VirtualKey {
    return this.view(this.issued.get(id) as StoredKey);
  }

  private view(key: StoredKey): VirtualKey {
    const current = key.secrets.find((s) => s.endsAt === null);
    return {
      id: key.id as KeyId,
      workspace: key.workspace as WorkspaceId,
      workflow: key.workflow as WorkflowId | null,
      workflows: null,
      secretHash: current?.hash ?? '',
      origin: 'issued',
      createdAt: epochMs(key.createdAt),
      expiresAt: key.expiresAt as EpochMs | null,
      revokedAt: key.revokedAt as EpochMs | null,
      lastUsedAt: this.seen(key.id, key.lastUsedAt as EpochMs | null),
      endedSecretTriedAt: this.endedTried.get(key.id) ?? null,
      hint: current?.hint ?? null,
    };
  }

  private seen(id: string, stored: EpochMs | null): EpochMs | null {
    const used = this.lastUsed.get(id);
    return used === undefined ? stored : epochMs(Math.max(used, stored ?? 0));
  }
}

const ended = (key: { readonly expiresAt: number | null; readonly revokedAt: number | null }, at: number): boolean =>
  (key.expiresAt !== null && key.expiresAt <= at) || key.revokedAt !== null;

/** 256 random bits behind a prefix that secret scanners can look for. The hint shows six characters, which leave 220 bits. */
function newSecret(): { secret: string; hash: string; hint: string } {
  const secret = `tg_${randomBytes(32).toString('base64url')}`;
  return { secret, hash: hashSecret(secret), hint: secret.slice(0, 9) };
}

const MOST_LISTED = 10;

/** For whoever mistyped a name; a config may have hundreds. */
const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.length > MOST_LISTED ? `${names.slice(0, MOST_LISTED).join(', ')} and ${names.length - MOST_LISTED} more` : names.join(', '));
