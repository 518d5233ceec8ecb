// server/store/sqlite/calls.ts: writes the rows of calls: opened, tried again, settled, refused. Runs inside the writer's transactions.

import type { Database } from 'better-sqlite3';
import type { Names } from './names.ts';
import type { AttemptOp, OpenOp, PriceRef, RefuseOp, SettleOp } from './operations.ts';
import type { Rollups } from './rollups.ts';
import { verdictsTableOf } from './verdicts-table.ts';

/** An operation that was refused before it wrote anything; the others of its transaction go on. */
export class OpRefused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a settlement needs of its open row. */
interface OpenCall {
  readonly n: number;
  readonly admittedAt: number;
  readonly workspace: number;
  readonly workflow: number;
  readonly key: number;
  readonly user: number;
  readonly modelSent: number;
  readonly endpoint: string;
}

export interface Calls {
  /** @param again as for `settle` */
  open(op: OpenOp, again: boolean): void;
  attempt(op: AttemptOp): void;
  /** @param again true when it was tried before: then a row that is settled already is no error */
  settle(op: SettleOp, again: boolean): void;
  /** @param again as for `settle` */
  refuse(op: RefuseOp, again: boolean): void;
  /** The id of a price row, which is written if it is new. */
  priceId(ref: PriceRef): number;
  committed(): void;
  forget(): void;
}

const INTENT = 'id, admitted_at, workspace, workflow, key, user, model, model_sent, model_requested, endpoint, stream, background, client_retry, session, action, tags, decisions, trace, held';
const marks = (list: string): string => list.split(',').map(() => '?').join(', ');

export function callsOf(db: Database, names: Names, rollups: Rollups): Calls {
  const insertOpen = db.prepare(`INSERT INTO call (${INTENT}, price) VALUES (${marks(INTENT)}, ?) ON CONFLICT (id) DO NOTHING`);
  const REFUSED = `${INTENT}, attempts, outcome, ended_at, refusal, status, duration_us`;
  const insertRefused = db.prepare(`INSERT INTO call (${REFUSED}) VALUES (${marks(REFUSED)}) ON CONFLICT (id) DO NOTHING`);
  const insertAttempt = db.prepare('INSERT INTO attempt (call, number, started_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
  const settleAttempt = db.prepare(`
    INSERT INTO attempt (call, number, started_at, outcome, status, headers_us, duration_us, upstream_request_id, error_type, failover, limits, client_wait_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET started_at = excluded.started_at, outcome = excluded.outcome, status = excluded.status, headers_us = excluded.headers_us,
      duration_us = excluded.duration_us, upstream_request_id = excluded.upstream_request_id, error_type = excluded.error_type,
      failover = excluded.failover, limits = excluded.limits, client_wait_us = excluded.client_wait_us`);
  const selectOpen = db.prepare<[string], OpenCall & { outcome: string | null }>(
    'SELECT n, admitted_at AS admittedAt, workspace, workflow, key, user, model_sent AS modelSent, endpoint, outcome FROM call WHERE id = ?',
  );
  const SETTLED = [
    'ended_at', 'outcome', 'status', 'input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search', 'web_fetch', 'code_execution',
    'cost', 'cache_savings', 'estimated', 'duration_us', 'ttft_us', 'overhead_us', 'request_bytes', 'response_bytes', 'basis', 'stop_reason', 'error_type',
    'estimate_method', 'speed', 'service_tier', 'inference_geo', 'upstream_request_id', 'model_served', 'model', 'parts', 'more_prices', 'attempts', 'prompt',
  ];
  const updateSettled = db.prepare(`UPDATE call SET ${SETTLED.map((c) => `${c} = ?`).join(', ')}, price = coalesce(?, price) WHERE n = ? AND outcome IS NULL`);
  const selectPrice = db.prepare<[string], number>('SELECT id FROM price_version WHERE version = ?').pluck();
  const insertPrice = db.prepare<[string, string]>('INSERT INTO price_version (version, content) VALUES (?, ?)');

  const verdicts = verdictsTableOf(db, names);

  /** Calls in flight, so that a settlement need not look its row up. */
  const inFlight = new Map<string, OpenCall>();
  const openedNow: string[] = [];
  const endedNow: string[] = [];
  let prices = new Map<string, number>();

  const priceId = ([version, content]: PriceRef): number => {
    let id = prices.get(version) ?? selectPrice.get(version);
    if (id === undefined) {
      if (content === null) throw new Error(`price version ${version} was never told`);
      id = Number(insertPrice.run(version, content).lastInsertRowid);
    }
    prices.set(version, id);
    return id;
  };

  const findOpen = (id: string): OpenCall & { outcome?: string | null } => {
    const call = inFlight.get(id) ?? selectOpen.get(id);
    if (call === undefined) throw new OpRefused('unknown_call', `no call ${id} is open`);
    return call;
  };

  return {
    priceId,
    open([, id, admittedAt, workspace, workflow, key, user, modelRequested, endpoint, stream, background, clientRetry, session, action, tags, decisions, trace, modelSent, held, price], again) {
      // Written out where it is built, here and below: a spread makes V8 look for a new shape for every call.
      const call = {
        n: 0, admittedAt, endpoint, workspace: names.id(workspace), workflow: names.id(workflow), key: names.id(key), user: names.id(user), modelSent: names.model(modelSent),
      };
      const { changes, lastInsertRowid } = insertOpen.run(
        id, admittedAt, call.workspace, call.workflow, call.key, call.user, call.modelSent, call.modelSent, modelRequested === modelSent ? null : modelRequested,
        endpoint, stream, background, clientRetry, session, action, tags, decisions, bytesOf(trace), BigInt(held), price === null ? null : priceId(price),
      );
      if (changes === 0) {
        if (again) return;
        throw new OpRefused('duplicate_call', `call ${id} is in the ledger already`);
      }
      call.n = Number(lastInsertRowid);
      if (decisions !== null) verdicts.opened(call.n, admittedAt, decisions);
      inFlight.set(id, call);
      openedNow.push(id);
    },

    attempt([, id, number, startedAt]) {
      const call = findOpen(id);
      if (call.outcome) throw new OpRefused('ended_call', `call ${id} has ended`);
      if (number <= 1 || insertAttempt.run(call.n, number, startedAt).changes === 0) throw new OpRefused('duplicate_attempt', `call ${id} has an attempt ${number} already`);
    },

    settle(op, again) {
      const [, id, endedAt, outcome, status, input, cacheWrite5m, cacheWrite1h, cacheRead, output, webSearch, webFetch, codeExecution, cost, cacheSavings, estimated,
        durationUs, ttftUs, overheadUs, requestBytes, responseBytes, basis, stopReason, errorType, estimateMethod, speed, serviceTier, inferenceGeo,
        upstreamRequestId, modelServed, parts, prompt, priceRefs, attempts] = op;
      const money = BigInt(cost);
      const savings = BigInt(cacheSavings);
      const call = findOpen(id);
      const [price, ...morePrices] = priceRefs.map(priceId);
      const served = names.model(modelServed);
      const model = served === 0 ? call.modelSent : served;
      const { changes } = updateSettled.run(
        endedAt, outcome, status, input, cacheWrite5m, cacheWrite1h, cacheRead, output, webSearch, webFetch, codeExecution,
        money, savings, estimated, durationUs, ttftUs, overheadUs, requestBytes, responseBytes, basis, stopReason, errorType,
        estimateMethod, speed, serviceTier, inferenceGeo, upstreamRequestId, served, model, parts,
        morePrices.length === 0 ? null : JSON.stringify(morePrices), attempts.length, prompt, price ?? null, call.n,
      );
      if (changes === 0) {
        if (again) return;
        throw new OpRefused('ended_call', `call ${id} is settled already`);
      }
      for (const attempt of attempts) settleAttempt.run(call.n, ...attempt);
      endedNow.push(id);
      rollups.add({
        admittedAt: call.admittedAt, workspace: call.workspace, workflow: call.workflow, key: call.key, user: call.user, model, modelSent: call.modelSent, endpoint: call.endpoint,
        outcome, attempts: attempts.length, input, cacheWrite5m, cacheWrite1h, cacheRead, output, webSearch, cost: money, estimated: estimated === 1, cacheSavings: savings, durationUs, ttftUs,
      });
    },

    refuse([, id, admittedAt, workspace, workflow, key, user, modelRequested, endpoint, stream, background, clientRetry, session, action, tags, decisions, trace, endedAt, refusal, status, durationUs], again) {
      const dimensions = { workspace: names.id(workspace), workflow: names.id(workflow), key: names.id(key), user: names.id(user), model: names.refusedModel(modelRequested) };
      const { changes, lastInsertRowid } = insertRefused.run(
        id, admittedAt, dimensions.workspace, dimensions.workflow, dimensions.key, dimensions.user, dimensions.model, 0, modelRequested,
        endpoint, stream, background, clientRetry, session, action, tags, decisions, bytesOf(trace), 0, 0, 'refused', endedAt, refusal, status, durationUs,
      );
      if (changes === 0) {
        if (again) return;
        throw new OpRefused('duplicate_call', `call ${id} is in the ledger already`);
      }
      verdicts.refused(Number(lastInsertRowid), admittedAt, decisions);
      rollups.add({
        admittedAt, workspace: dimensions.workspace, workflow: dimensions.workflow, key: dimensions.key, user: dimensions.user, model: dimensions.model, modelSent: 0, endpoint,
        outcome: 'refused', attempts: 0, input: 0, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0, output: 0,
        webSearch: 0, cost: 0n, estimated: false, cacheSavings: 0n, durationUs, ttftUs: null,
      });
    },

    committed() {
      for (const id of endedNow) inFlight.delete(id);
      openedNow.length = 0;
      endedNow.length = 0;
    },

    forget() {
      for (const id of openedNow) inFlight.delete(id);
      openedNow.length = 0;
      endedNow.length = 0;
      prices = new Map();
    },
  };
}

/** Half the room of its digits, in the row as in the indexes. */
const bytesOf = (trace: string | null): Buffer | null => (trace === null ? null : Buffer.from(trace, 'hex'));
