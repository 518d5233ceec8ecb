// server/store/sqlite/keys-table.ts: the rows of issued keys and their secrets' hashes. Runs inside the writer's transactions.

import type { Database } from 'better-sqlite3';
import type { AuditLine } from './audit-log.ts';
import { OpRefused } from './calls.ts';
import type { KeyCreateOp, KeyRevokeOp, KeyRotateOp, KeysUsedOp } from './operations.ts';

/** A key as it is stored, with every secret that it still has or had; times in milliseconds. */
export interface StoredKey {
  readonly id: string;
  readonly workspace: string;
  readonly workflow: string | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
  readonly secrets: readonly StoredSecret[];
}

export interface StoredSecret {
  readonly hash: string;
  readonly hint: string;
  /** Null for the secret in force. */
  readonly endsAt: number | null;
}

export interface KeysTable {
  all(): StoredKey[];
  create(op: KeyCreateOp): void;
  rotate(op: KeyRotateOp): void;
  revoke(op: KeyRevokeOp): void;
  used(op: KeysUsedOp): void;
}

export function keysTableOf(db: Database, audit: (line: AuditLine) => void): KeysTable {
  const selectKeys = db.prepare<[], Omit<StoredKey, 'secrets'>>(
    'SELECT id, workspace, workflow, created_at AS createdAt, expires_at AS expiresAt, revoked_at AS revokedAt, last_used_at AS lastUsedAt FROM virtual_key ORDER BY id',
  );
  const selectSecrets = db.prepare<[string], StoredSecret>('SELECT hash, hint, ends_at AS endsAt FROM key_secret WHERE key = ? ORDER BY created_at');
  const selectKey = db.prepare<[string], { revokedAt: number | null }>('SELECT revoked_at AS revokedAt FROM virtual_key WHERE id = ?');
  const insertKey = db.prepare('INSERT INTO virtual_key (id, workspace, workflow, created_at, expires_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const insertSecret = db.prepare('INSERT INTO key_secret (hash, key, hint, created_at) VALUES (?, ?, ?, ?)');
  // An earlier rotation's overlap may still run; it must not be made longer.
  const endSecrets = db.prepare('UPDATE key_secret SET ends_at = min(coalesce(ends_at, ?), ?) WHERE key = ?');
  const revokeKey = db.prepare('UPDATE virtual_key SET revoked_at = ? WHERE id = ?');
  const noteUse = db.prepare('UPDATE virtual_key SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?');

  const existing = (id: string): { revokedAt: number | null } => {
    const key = selectKey.get(id);
    if (key === undefined) throw new OpRefused('unknown_key', `there is no key ${id}`);
    return key;
  };

  return {
    all: () => selectKeys.all().map((key) => ({ ...key, secrets: selectSecrets.all(key.id) })),
    create([, id, workspace, workflow, hash, hint, at, expiresAt, actor]) {
      if (insertKey.run(id, workspace, workflow, at, expiresAt).changes === 0) throw new OpRefused('taken', existing(id).revokedAt === null ? `a key ${id} exists already` : `key ${id} was revoked; its name stays taken in the ledger, choose another`);
      insertSecret.run(hash, id, hint, at);
      audit({ at, actor, action: 'key.create', subject: id, detail: JSON.stringify({ workspace, workflow, expiresAt, hint }) });
    },
    rotate([, id, hash, hint, at, oldEndsAt, actor]) {
      if (existing(id).revokedAt !== null) throw new OpRefused('unknown_key', `key ${id} is revoked`);
      endSecrets.run(oldEndsAt, oldEndsAt, id);
      insertSecret.run(hash, id, hint, at);
      audit({ at, actor, action: 'key.rotate', subject: id, detail: JSON.stringify({ hint, oldEndsAt }) });
    },
    revoke([, id, at, actor]) {
      // Revoking twice is no error, and keeps the first time.
      if (existing(id).revokedAt !== null) return;
      revokeKey.run(at, id);
      audit({ at, actor, action: 'key.revoke', subject: id, detail: '{}' });
    },
    used([, used]) {
      for (const [id, at] of used) noteUse.run(at, id);
    },
  };
}
