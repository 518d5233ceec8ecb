// server/http/admin/wire/keys.ts: virtual keys. A secret is in the answer that issues it and nowhere else.

import { z } from 'zod';
import { Instant, Name, When } from './atoms.ts';
import { LIMITS, cursor, limit, scopes } from './queries.ts';

const { workspace, workflow, key } = scopes;
export const KeysQuery = z.strictObject({ workspace, workflow, key: key.describe('id of a key; may be repeated, any of them matches'), limit: limit(LIMITS.keys, 1_000), cursor });
export type KeysQuery = z.input<typeof KeysQuery>;
export const KeyRow = z.object({
  id: z.string(),
  workspace: z.string(),
  workflow: z.string().nullable().describe("the key's own; null when calls name theirs"),
  workflows: z.array(z.string()).nullable().describe('others that calls may name; null allows every one of the workspace'),
  origin: z.enum(['config', 'issued']),
  state: z.enum(['active', 'expired', 'revoked']),
  created_at: Instant.nullable(),
  expires_at: Instant.nullable(),
  revoked_at: Instant.nullable(),
  last_used_at: Instant.nullable(),
  hint: z.string().nullable().describe('the first characters of the secret; null for keys from the config'),
});
export type KeyRow = z.infer<typeof KeyRow>;
export const KeysAnswer = z.object({ rows: z.array(KeyRow), next_cursor: z.string().nullable() });
export type KeysAnswer = z.infer<typeof KeysAnswer>;

export const CreateKeyBody = z.strictObject({ id: Name, workspace: Name, workflow: Name.nullable().optional(), expires_at: When.nullable().optional() });
export type CreateKeyBody = z.input<typeof CreateKeyBody>;
export const RotateKeyBody = z.strictObject({ old_ends_at: When.nullable().optional().describe('when the old secret ends; at once unless told') });
export type RotateKeyBody = z.input<typeof RotateKeyBody>;
/** The secret is in this answer and nowhere else, ever. */
export const KeySecretAnswer = z.object({ key: KeyRow, secret: z.string() });
export type KeySecretAnswer = z.infer<typeof KeySecretAnswer>;
export const KeyAnswer = z.object({ key: KeyRow });
export type KeyAnswer = z.infer<typeof KeyAnswer>;
