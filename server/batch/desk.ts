// server/batch/desk.ts: what calls about batches, files, skills and containers pass on their way in and out: whose it is, what is noted, what is changed.

import type { BatchCare, OwnCredential, Provider } from '../domain/batch.ts';
import type { Caller, Route } from '../domain/call.ts';
import { DAY_MS } from '../domain/durations.ts';
import type { EpochMs } from '../domain/ids.ts';
import type { Refusal } from '../domain/refusal.ts';
import { kindOf, type Objects } from './objects.ts';
import { nextPageQuery, readReply, withOnly, withOwnResultsUrl } from './replies.ts';

/** A call, as far as it is about something at the provider. */
export interface Visit {
  readonly route: Route;
  /** Upstream, with its query. */
  readonly target: string;
  readonly caller: Caller;
  readonly at: EpochMs;
  /** The headers that its own upstream call is made with: credential, API version, betas. */
  readonly credential: OwnCredential;
  /** What the client reached us by, with its tag prefix. */
  readonly base: string;
}

/** A batch that the provider took. */
export interface CreatedBatch {
  readonly id: string;
  readonly expiresAt: EpochMs;
}

/** What a body names of things at the provider. */
export interface NamedObjects {
  readonly fileIds: readonly string[];
  readonly skillIds: readonly string[];
  /** Absent: none. */
  readonly containerIds?: readonly string[];
}

export interface Desk {
  /**
   * Null when the call may go on. Looks whose object the path and the body name, and books a batch before it is deleted: its results
   * go with it. @throws LedgerUnavailable when nobody can tell
   */
  enter(visit: Visit, named: NamedObjects): Promise<Refusal | null>;
  /** An answer named a container for code, which is the caller's from now on unless it is somebody's already. @throws LedgerUnavailable when that could not be made durable */
  containerNamed(id: string, caller: Caller, at: EpochMs): Promise<void>;
  /** What the answer to the call goes through before the client gets it; null: nothing. `onBatch` is told of a batch first. */
  editor(visit: Visit, head: { readonly status: number; readonly streamed: boolean }, onBatch: (batch: CreatedBatch) => Promise<void>): ((body: Buffer) => Promise<Buffer>) | null;
}

/** A list may begin with this many pages of other workspaces' objects before a page without any of one's own is given out. */
const PAGES_AT_MOST = 50;

export function createDesk({ objects, care, provider }: { objects: Objects; care: BatchCare; provider: Provider }): Desk {
  /** Turns pages until there is something to show: SDKs take an empty page for the last one. */
  async function list(first: Buffer, visit: Visit): Promise<Buffer> {
    const kind = kindOf(visit.route.endpoint)!;
    const [path = '', query = ''] = visit.target.split('?', 2);
    let body = first;
    for (let turned = 0, at = query; ; turned++) {
      const { list: ids, fields } = readReply(body);
      if (ids === null) throw new SyntaxError('the reply is no list');
      const seen = await objects.visible(kind, ids, visit.caller);
      const next = seen.size > 0 || ids.length === 0 || turned >= PAGES_AT_MOST ? null : nextPageQuery(at, fields);
      if (next === null) return withOnly(body, (id) => seen.has(id));
      const answer = await provider.get(path + next, visit.credential, AbortSignal.timeout(60_000));
      if (answer.status !== 200) throw new Error(`a further page: status ${answer.status}`);
      const chunks: Buffer[] = [];
      for await (const chunk of answer.body) chunks.push(chunk);
      body = Buffer.concat(chunks);
      at = next.slice(1);
    }
  }

  return {
    async enter(visit, { fileIds, skillIds, containerIds = [] }) {
      const { route, caller, credential } = visit;
      const unseen = (await objects.obstacle('file', fileIds, caller)) ?? (await objects.obstacle('skill', skillIds, caller)) ?? (await objects.obstacle('container', containerIds, caller));
      if (unseen !== null) return unseen;
      const kind = kindOf(route.endpoint);
      const id = kind === null ? null : idIn(visit);
      if (kind === null || id === null) return null;
      const hidden = await objects.obstacle(kind, [id], caller);
      if (hidden !== null || kind !== 'batch') return hidden;
      if (route.endpoint === 'batch_results') care.seen(id, credential);
      if (route.method !== 'DELETE') return null;
      const progress = await care.beforeDelete(id, credential);
      return progress === 'go' ? null : progress === 'busy' ? { ...BUSY, message: `Message batch ${id} cannot be deleted while it is being processed. Cancel it first.` } : NOT_BOOKED;
    },

    containerNamed: (id, caller, at) => objects.made('container', id, caller, at),

    editor(visit, { status, streamed }, onBatch) {
      const { route, caller } = visit;
      const kind = kindOf(route.endpoint);
      const { method, template } = route;
      if (kind === null || status >= 300 || streamed || route.endpoint === 'batch_results') return null;
      const withoutId = !template.includes('*');
      if (method === 'DELETE') {
        if (template.at(-1) !== '*' || template.indexOf('*') !== template.length - 1) return null;
        return async (body) => {
          await objects.deleted(idIn(visit)!);
          return body;
        };
      }
      if (withoutId && method === 'GET') return async (body) => ownUrls(await list(body, visit), kind, visit);
      if (withoutId) {
        return async (body) => {
          const { id, fields } = readReply(body);
          if (id === null) throw new SyntaxError('the reply names no id');
          if (kind === 'batch') await onBatch({ id, expiresAt: expiryOf(fields, visit.at) });
          else await objects.made(kind, id, caller, visit.at);
          return ownUrls(body, kind, visit);
        };
      }
      if (kind !== 'batch') return null;
      return async (body) => {
        if (readReply(body).fields['processing_status'] === 'ended') care.seen(idIn(visit)!, visit.credential);
        return ownUrls(body, kind, visit);
      };
    },
  };
}

const ownUrls = (body: Buffer, kind: string, { base }: Visit): Buffer => (kind === 'batch' ? withOwnResultsUrl(body, base) : body);

/** The id in the path: the first `*` of the route. */
function idIn({ route, target }: Visit): string | null {
  const at = route.template.indexOf('*');
  return at < 0 ? null : (target.split('?', 1)[0]!.split('/')[at + 1] ?? null);
}

/** `expires_at`; where it cannot be read, a day from now, as the API has it. */
function expiryOf(fields: Readonly<Record<string, unknown>>, at: EpochMs): EpochMs {
  const told = typeof fields['expires_at'] === 'string' ? Date.parse(fields['expires_at']) : Number.NaN;
  return (Number.isNaN(told) ? at + DAY_MS : told) as EpochMs;
}

const BUSY: Refusal = { reason: 'malformed', message: '', rule: null, retryAfterSeconds: null };
const NOT_BOOKED: Refusal = {
  reason: 'ledger_unavailable',
  message: 'The results of this batch are not accounted for yet, and deleting it would delete them. Try again.',
  rule: null,
  retryAfterSeconds: 5,
};
