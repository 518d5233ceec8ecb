// test/standin/batches.ts: message batches: made now, in progress until the clock says otherwise, results as JSON lines.

import type { DeletedMessageBatch, MessageBatch, MessageBatchIndividualResponse, MessageBatchRequestCounts } from '@anthropic-ai/sdk/resources/messages/batches.js';
import { jsonAnswer, type Answer } from './answer.ts';
import { chanceOf } from './chance.ts';
import { ApiError, invalid } from './errors.ts';
import { composeMessage } from './messages.ts';
import { paged } from './paging.ts';
import { checkMessage, parseObject } from './validate.ts';
import type { StoredBatch, Visit, World } from './world.ts';

const DAY_MS = 86_400_000;

export function createBatch(visit: Visit, world: World): Answer {
  const requests = parseObject(visit.body)['requests'];
  if (!Array.isArray(requests) || requests.length === 0) throw invalid('requests: Field required');
  if (requests.length > 100_000) throw new ApiError('request_too_large', 'requests: at most 100000 requests are allowed');
  const seen = new Set<string>();
  const results = requests.map((item: unknown, at): MessageBatchIndividualResponse => {
    const { custom_id: customId, params } = (item ?? {}) as { custom_id?: unknown; params?: unknown };
    if (typeof customId !== 'string' || !/^[a-zA-Z0-9_-]{1,64}$/.test(customId)) throw invalid(`requests.${at}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'`);
    if (seen.has(customId)) throw invalid(`requests.${at}.custom_id: must be unique`);
    seen.add(customId);
    return { custom_id: customId, result: resultOf(params, customId, visit, world) };
  });
  const batch: StoredBatch = { id: visit.chance.id('msgbatch_01'), workspace: visit.workspace, createdAt: world.now(), results, cancelledAt: null };
  world.batches.set(batch.id, batch);
  return jsonAnswer(shown(batch, world));
}

/** Bodies are checked one by one: a bad item is an errored result, not a refusal of the batch. */
function resultOf(params: unknown, customId: string, visit: Visit, world: World): MessageBatchIndividualResponse['result'] {
  try {
    if (typeof params !== 'object' || params === null) throw invalid('params: Field required');
    const checked = checkMessage(params as Record<string, unknown>, visit.version, 'batch');
    // A plan or a fault is for the call that makes the batch, not for its items, but for what names an outcome of an item.
    const chance = chanceOf(visit.requestId, customId);
    if (checked.params.metadata?.user_id === 'standin-expire') return { type: 'expired' };
    const composed = composeMessage(checked.params, checked.model, { ...visit, chance }, world, 'batch');
    composed.commit();
    return { type: 'succeeded', message: composed.message };
  } catch (cause) {
    if (!(cause instanceof ApiError)) throw cause;
    return { type: 'errored', error: JSON.parse(cause.body(visit.requestId)) };
  }
}

export function getBatch(visit: Visit, world: World): Answer {
  return jsonAnswer(shown(find(visit, world), world));
}

export function listBatches(visit: Visit, world: World): Answer {
  const mine = [...world.batches.values()].filter((b) => b.workspace === visit.workspace).reverse();
  return jsonAnswer(paged(mine.map((b) => shown(b, world)), visit.query, 20));
}

export function cancelBatch(visit: Visit, world: World): Answer {
  const batch = find(visit, world);
  if (statusOf(batch, world) !== 'ended') batch.cancelledAt ??= world.now();
  return jsonAnswer(shown(batch, world));
}

export function deleteBatch(visit: Visit, world: World): Answer {
  const batch = find(visit, world);
  if (statusOf(batch, world) !== 'ended') throw invalid(`Message Batch ${batch.id} cannot be deleted while it is being processed. Cancel it first.`);
  world.batches.delete(batch.id);
  return jsonAnswer({ id: batch.id, type: 'message_batch_deleted' } satisfies DeletedMessageBatch);
}

export function batchResults(visit: Visit, world: World): Answer {
  const batch = find(visit, world);
  if (statusOf(batch, world) !== 'ended') throw new ApiError('not_found_error', `Message Batch ${batch.id} has no results yet.`);
  const results = outcomes(batch);
  const items = results.flatMap(({ custom_id, result }) => (result.type === 'succeeded' ? [{ customId: custom_id, model: result.message.model, usage: result.message.usage }] : []));
  const lines = results.map((result) => `${JSON.stringify(result)}\n`);
  return jsonAnswer(null, { headers: { 'content-type': 'application/x-jsonl' }, body: Buffer.from(lines.join('')), items });
}

function find(visit: Visit, world: World): StoredBatch {
  const id = visit.path.split('/')[4] ?? '';
  const batch = world.batches.get(id);
  if (!batch || batch.workspace !== visit.workspace) throw new ApiError('not_found_error', `Could not find message batch ${id}`);
  return batch;
}

const endOf = (batch: StoredBatch, world: World): number => Math.min(batch.createdAt + world.batchMs, batch.cancelledAt === null ? Infinity : batch.cancelledAt + world.batchMs / 2);

function statusOf(batch: StoredBatch, world: World): MessageBatch['processing_status'] {
  return world.now() >= endOf(batch, world) ? 'ended' : batch.cancelledAt === null ? 'in_progress' : 'canceling';
}

/** In an order of their own. A cancelled batch keeps its first half: those were done in time. */
function outcomes(batch: StoredBatch): readonly MessageBatchIndividualResponse[] {
  const done = batch.cancelledAt === null ? Infinity : Math.ceil(batch.results.length / 2);
  return batch.results.map((r, at): MessageBatchIndividualResponse => (at < done ? r : { custom_id: r.custom_id, result: { type: 'canceled' } })).reverse();
}

function shown(batch: StoredBatch, world: World): MessageBatch {
  const status = statusOf(batch, world);
  const ended = status === 'ended';
  const iso = (at: number): string => new Date(at).toISOString();
  return {
    id: batch.id,
    type: 'message_batch',
    processing_status: status,
    request_counts: ended ? counted(outcomes(batch)) : { processing: batch.results.length, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
    created_at: iso(batch.createdAt),
    expires_at: iso(batch.createdAt + DAY_MS),
    ended_at: ended ? iso(endOf(batch, world)) : null,
    cancel_initiated_at: batch.cancelledAt === null ? null : iso(batch.cancelledAt),
    archived_at: null,
    // Absolute, as the API has it: clients follow it with their credential.
    results_url: ended ? `${world.origin()}/v1/messages/batches/${batch.id}/results` : null,
  };
}

function counted(results: readonly MessageBatchIndividualResponse[]): MessageBatchRequestCounts {
  const of = (type: MessageBatchIndividualResponse['result']['type']): number => results.filter((r) => r.result.type === type).length;
  return { processing: 0, succeeded: of('succeeded'), errored: of('errored'), canceled: of('canceled'), expired: of('expired') };
}
