// server/http/admin/routes-keys.ts: virtual keys: list, issue, rotate, revoke.

import { epochMs, NAME_PATTERN, type KeyId, type WorkflowId, type WorkspaceId } from '../../domain/ids.ts';
import { keyRow } from './encode.ts';
import { AdminError, badBody, badQuery } from './errors.ts';
import { isAsked, NO_SUBJECT } from './list.ts';
import { json, type Route } from './route.ts';
import * as wire from './wire.ts';

export const keyRoutes: readonly Route[] = [
  json({
    method: 'get',
    path: '/api/keys',
    role: 'read',
    summary: 'Virtual keys by name, never their secrets.',
    query: wire.KeysQuery,
    name: 'Keys',
    answer: wire.KeysAnswer,
    async handle({ services, query, now }) {
      const { cursor, limit = 1_000 } = query;
      if (cursor !== undefined && !NAME_PATTERN.test(cursor)) throw badQuery('cursor: expected the next_cursor of the page before');
      // A rotated key is listed twice while its old secret lives; a page never parts the two.
      const sorted = [...(await services.keys.list())].filter((key) => (cursor === undefined || key.id > cursor) && isAsked({ ...NO_SUBJECT, workspace: key.workspace, workflow: key.workflow, key: key.id }, query)).sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
      let end = Math.min(limit, sorted.length);
      while (end < sorted.length && sorted[end]?.id === sorted[end - 1]?.id) end++;
      const page = sorted.slice(0, end);
      return { rows: page.map((key) => keyRow(key, now)), next_cursor: end < sorted.length ? (page.at(-1)?.id ?? null) : null };
    },
  }),
  json({
    method: 'post',
    path: '/api/keys',
    role: 'write',
    summary: 'Issues a virtual key. The secret is in this answer and nowhere else.',
    query: wire.NoQuery,
    body: wire.CreateKeyBody,
    name: 'KeySecret',
    answer: wire.KeySecretAnswer,
    status: 201,
    async handle({ services, body, actor, now }) {
      const expiresAt = instant(body.expires_at);
      if (expiresAt !== null && expiresAt <= now) throw badBody('expires_at: expected a time to come');
      const { key, secret } = await services.keys.create({
        id: body.id as KeyId,
        workspace: body.workspace as WorkspaceId,
        workflow: (body.workflow ?? null) as WorkflowId | null,
        expiresAt,
        actor: actor?.name ?? 'nobody',
      });
      return { key: keyRow(key, now), secret };
    },
  }),
  json({
    method: 'post',
    path: '/api/keys/:id/rotate',
    role: 'write',
    summary: 'A new secret for an issued key. The old one ends at once, or when the body says.',
    query: wire.NoQuery,
    body: wire.RotateKeyBody,
    name: 'KeySecret',
    answer: wire.KeySecretAnswer,
    async handle({ services, body, params, actor, now }) {
      const { key, secret } = await services.keys.rotate({ id: keyId(params['id']), oldEndsAt: instant(body.old_ends_at), actor: actor?.name ?? 'nobody' });
      return { key: keyRow(key, now), secret };
    },
  }),
  json({
    method: 'delete',
    path: '/api/keys/:id',
    role: 'write',
    summary: 'Revokes an issued key, at once and for good.',
    query: wire.NoQuery,
    name: 'Key',
    answer: wire.KeyAnswer,
    async handle({ services, params, actor, now }) {
      return { key: keyRow(await services.keys.revoke({ id: keyId(params['id']), actor: actor?.name ?? 'nobody' }), now) };
    },
  }),
];

const instant = (text: string | null | undefined) => (text === null || text === undefined ? null : epochMs(Date.parse(text)));

function keyId(text: string | undefined): KeyId {
  if (text === undefined || !NAME_PATTERN.test(text)) throw new AdminError(404, 'unknown_key', 'No key of that name.');
  return text as KeyId;
}
