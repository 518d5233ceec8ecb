// server/store/sqlite/batches.ts: batches until they are booked, the rows of their items, and who made what. Runs inside the writer's transactions.

import type { Database } from 'better-sqlite3';
import type { Calls } from './calls.ts';
import type { BatchOpenOp, BatchPromiseOp, BookItem, OwnOp, PriceRef } from './operations.ts';
import type { Names } from './names.ts';
import type { Rollups } from './rollups.ts';

/** A batch as the main thread gets it back. */
export interface StoredBatch {
  readonly id: string;
  readonly call: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly credential: string | null;
  readonly workspace: string;
  readonly workflow: string;
  readonly key: string;
  readonly user: string;
  readonly session: string | null;
  readonly action: string | null;
  readonly tags: string | null;
  readonly background: number;
  readonly models: readonly { readonly model: string; readonly items: number; readonly held: bigint; readonly basis: string; readonly likely: number; /** As stored in `price_version`. */ readonly price: string | null; /** Absent in older rows. */ readonly container?: string | null }[];
  readonly booked: readonly (readonly [model: string, cost: bigint])[];
}

export interface Batches {
  promise(op: BatchPromiseOp): void;
  open(op: BatchOpenOp): void;
  withdraw(call: string): void;
  own(op: OwnOp): void;
  disown(id: string): void;
  /** Per item, whether it is new. The caller flushes the roll-ups in the same transaction. */
  book(id: string, items: readonly BookItem[], end: string | null): boolean[];
  unfinished(): StoredBatch[];
  owners(ids: readonly string[]): (readonly [id: string, workspace: string])[];
}

/** What a batch's items take over from the call that created it. */
interface Creator {
  readonly n: number;
  readonly admittedAt: number;
  readonly workspace: number;
  readonly workflow: number;
  readonly key: number;
  readonly user: number;
  readonly session: string | null;
  readonly action: string | null;
  readonly tags: string | null;
  readonly background: number;
}

interface StoredModel {
  readonly model: string;
  readonly items: number;
  /** Nano-dollars, as a decimal string. */
  readonly held: string;
  readonly basis: string;
  readonly likely: number;
  readonly price: number | null;
  readonly container?: string | null;
}

const ITEM = [
  'id', 'admitted_at', 'workspace', 'workflow', 'key', 'user', 'model', 'model_sent', 'model_served', 'endpoint', 'stream', 'background', 'session', 'action', 'tags', 'held',
  'price', 'more_prices', 'outcome', 'ended_at', 'status', 'input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search', 'web_fetch', 'code_execution',
  'cost', 'cache_savings', 'estimated', 'attempts', 'basis', 'stop_reason', 'estimate_method', 'speed', 'service_tier', 'inference_geo', 'parts', 'batch', 'custom_id',
];

export function batchesOf(db: Database, names: Names, rollups: Rollups, priceId: Calls['priceId']): Batches {
  const insertBatch = db.prepare("INSERT INTO batch (id, call, created_at, expires_at, credential, models, state) SELECT ?, n, ?, ?, ?, ?, 'open' FROM call WHERE id = ? ON CONFLICT DO NOTHING");
  const markCreation = db.prepare('UPDATE call SET batch = (SELECT n FROM batch WHERE id = ?) WHERE id = ?');
  const nameBatch = db.prepare('UPDATE batch SET id = ?, expires_at = ? WHERE id = ?');
  const unmarkCreation = db.prepare('UPDATE call SET batch = NULL WHERE id = ?');
  const deleteBatch = db.prepare('DELETE FROM batch WHERE id = ?');
  const insertObject = db.prepare('INSERT INTO object (id, kind, workspace, credential, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const deleteObject = db.prepare('DELETE FROM object WHERE id = ?');
  const selectOwner = db.prepare<[string], string>('SELECT workspace FROM object WHERE id = ?').pluck();
  const selectCreator = db.prepare<[string], Creator>(`
    SELECT b.n, b.created_at AS admittedAt, c.workspace, c.workflow, c.key, c.user, c.session, c.action, c.tags, c.background
    FROM batch b JOIN call c ON c.n = b.call WHERE b.id = ? AND b.state = 'open'`);
  const insertItem = db.prepare(`INSERT INTO call (${ITEM.join(', ')}) VALUES (${ITEM.map(() => '?').join(', ')}) ON CONFLICT DO NOTHING`);
  const endBatch = db.prepare('UPDATE batch SET state = ? WHERE n = ?');
  const selectOpen = db.prepare<[], Omit<StoredBatch, 'models' | 'booked'> & { n: number; models: string }>(`
    SELECT b.n, b.id, c.id AS call, b.created_at AS createdAt, b.expires_at AS expiresAt, b.credential, b.models, c.session, c.action, c.tags, c.background,
      (SELECT text FROM name WHERE id = c.workspace) AS workspace, (SELECT text FROM name WHERE id = c.workflow) AS workflow,
      (SELECT text FROM name WHERE id = c.key) AS key, (SELECT text FROM name WHERE id = c.user) AS user
    FROM batch b JOIN call c ON c.n = b.call WHERE b.state = 'open' ORDER BY b.n`);
  const selectBooked = db.prepare<[number], { model: string; cost: bigint }>(
    "SELECT (SELECT text FROM name WHERE id = model_sent) AS model, sum(cost) AS cost FROM call WHERE batch = ? AND endpoint = 'batch_results' GROUP BY model_sent",
  ).safeIntegers();
  const selectPrice = db.prepare<[number], string>('SELECT content FROM price_version WHERE id = ?').pluck();

  const priceIdOrNull = (ref: PriceRef | null): number | null => (ref === null ? null : priceId(ref));

  return {
    promise([, call, createdAt, expiresAt, credential, models]) {
      const stored = models.map(([model, items, held, basis, likely, price, container]): StoredModel => ({ model, items, held, basis, likely, price: priceIdOrNull(price), container }));
      insertBatch.run(call, createdAt, expiresAt, credential, JSON.stringify(stored), call);
      markCreation.run(call, call);
    },

    open([, id, call, createdAt, expiresAt, credential, workspace]) {
      nameBatch.run(id, expiresAt, call);
      insertObject.run(id, 'batch', workspace, credential, createdAt);
    },

    withdraw(call) {
      unmarkCreation.run(call);
      deleteBatch.run(call);
    },

    own: ([, id, kind, workspace, credential, createdAt]) => void insertObject.run(id, kind, workspace, credential, createdAt),
    disown: (id) => void deleteObject.run(id),

    book(id, items, end) {
      const creator = selectCreator.get(id);
      if (creator === undefined) return items.map(() => false);
      const fresh = items.map(([itemId, customId, modelSent, settle]) => {
        const [, , endedAt, outcome, , input, cacheWrite5m, cacheWrite1h, cacheRead, output, webSearch, webFetch, codeExecution, costText, savingsText, estimated,
          , , , , , basis, stopReason, , estimateMethod, speed, serviceTier, inferenceGeo, , modelServed, parts, , priceRefs] = settle;
        const cost = BigInt(costText);
        const cacheSavings = BigInt(savingsText);
        const [price, ...morePrices] = priceRefs.map(priceId);
        const sent = names.model(modelSent);
        const served = names.model(modelServed);
        const model = served === 0 ? sent : served;
        const { workspace, workflow, key, user, admittedAt, background, session, action, tags } = creator;
        const { changes } = insertItem.run(
          itemId, admittedAt, workspace, workflow, key, user, model, sent, served, 'batch_results', 0, background, session, action, tags, 0,
          price ?? null, morePrices.length === 0 ? null : JSON.stringify(morePrices), outcome, endedAt, 200, input, cacheWrite5m, cacheWrite1h, cacheRead, output, webSearch, webFetch, codeExecution,
          cost, cacheSavings, estimated, 0, basis, stopReason, estimateMethod, speed, serviceTier, inferenceGeo, parts, creator.n, customId,
        );
        if (changes === 0) return false;
        rollups.add({
          admittedAt, workspace, workflow, key, user, model, modelSent: sent, endpoint: 'batch_results', outcome, attempts: 0, input, cacheWrite5m, cacheWrite1h, cacheRead, output,
          webSearch, cost, estimated: estimated === 1, cacheSavings, durationUs: null, ttftUs: null,
        });
        return true;
      });
      if (end !== null) endBatch.run(end, creator.n);
      return fresh;
    },

    unfinished: () =>
      selectOpen.all().map(({ n, models, ...batch }) => ({
        ...batch,
        models: (JSON.parse(models) as StoredModel[]).map(({ held, price, ...model }) => ({ ...model, held: BigInt(held), price: price === null ? null : (selectPrice.get(price) ?? null) })),
        booked: selectBooked.all(n).map(({ model, cost }) => [model, cost] as const),
      })),

    owners: (ids) =>
      ids.flatMap((id) => {
        const workspace = selectOwner.get(id);
        return workspace === undefined ? [] : [[id, workspace] as const];
      }),
  };
}
