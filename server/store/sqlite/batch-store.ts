// server/store/sqlite/batch-store.ts: the main thread's side of batches and objects: their contract, in the writer's words and back.

import type { Batch, BatchStore } from '../../domain/batch.ts';
import { epochMs, type CallId, type KeyId, type WorkflowId, type WorkspaceId } from '../../domain/ids.ts';
import { nanodollars } from '../../domain/money.ts';
import type { ContainerUse, Quote } from '../../domain/price.ts';
import type { StoredBatch } from './batches.ts';
import { bookItem, OP, type PriceRefOf } from './operations.ts';
import { revivePrice, type StoredPrice } from './stored-price.ts';
import type { WriterClient } from './writer-client.ts';

export function batchStoreOf(client: WriterClient, priceRef: PriceRefOf): BatchStore {
  return {
    promise: (batch) =>
      client.write([
        OP.batchPromise, batch.call, batch.createdAt, batch.expiresAt, batch.credential,
        batch.models.map(({ model, items, held, basis, likelyInputTokens, row, container }) => [model, items, String(held), basis, likelyInputTokens, row === null ? null : priceRef(row), container]),
      ]),
    open: ({ id, call, createdAt, expiresAt, credential, caller }) => client.write([OP.batchOpen, id, call, createdAt, expiresAt, credential, caller.workspace]),
    withdraw: (call) => client.write([OP.batchWithdraw, call]),
    book: (batch, items, end) => client.ask<readonly boolean[]>({ kind: 'book', batch: batch.id, items: items.map((item) => bookItem(item, priceRef)), end }),
    unfinished: async () => (await client.ask<readonly StoredBatch[]>({ kind: 'batches' })).map(batchOf),
    own: ({ id, kind, workspace, credential, createdAt }) => client.write([OP.own, id, kind, workspace, credential, createdAt]),
    disown: (id) => client.write([OP.disown, id]),
    owners: async (ids) => new Map(await client.ask<readonly (readonly [string, WorkspaceId])[]>({ kind: 'owners', ids })),
  };
}

const batchOf = (stored: StoredBatch): Batch => ({
  id: stored.id,
  call: stored.call as CallId,
  createdAt: epochMs(stored.createdAt),
  expiresAt: epochMs(stored.expiresAt),
  credential: stored.credential,
  caller: {
    workspace: stored.workspace as WorkspaceId,
    workflow: stored.workflow as WorkflowId,
    key: stored.key === '' ? null : (stored.key as KeyId),
    user: stored.user === '' ? null : stored.user,
    session: stored.session,
    action: stored.action,
    tags: new Map(Object.entries(JSON.parse(stored.tags ?? '{}') as Record<string, string>)),
    priority: stored.background === 1 ? 'background' : 'interactive',
  },
  models: stored.models.map(({ model, items, held, basis, likely, price, container }) => ({
    model,
    items,
    held: nanodollars(held),
    basis: basis as Quote['basis'],
    likelyInputTokens: likely,
    container: (container ?? null) as ContainerUse,
    row: price === null ? null : revivePrice(JSON.parse(price) as StoredPrice),
  })),
  booked: new Map(stored.booked.map(([model, cost]) => [model, nanodollars(cost)])),
});
