// server/store/sqlite/reports-holds.ts: what the newest calls held at first and cost in the end, so that a restart knows what calls probably cost.

import type { HeldAndCost } from '../../domain/reports.ts';
import type { Source } from './reports-source.ts';

/**
 * Of the newest `most` rows those that tell what a call costs, by key and model. Left out: what cost nothing, what a crash booked at its hold, and
 * batches, whose hold is for many calls. The walk goes backward over the rows as they lie, so it costs the same whatever the ledger has.
 */
export function heldAndCost(source: Source, { most }: { most: number }): HeldAndCost[] {
  const kinds = new Map<string, { ids: readonly [workspace: bigint, workflow: bigint, key: bigint, model: bigint]; held: bigint[]; cost: bigint[] }>();
  const sql = "SELECT workspace, workflow, key, model_sent, held, cost, outcome <> 'crashed' AND cost > 0 AND held > 0 AND batch IS NULL FROM call ORDER BY n DESC LIMIT ?";
  for (const [workspace, workflow, key, model, held, cost, tells] of source.each(sql, [most])) {
    // Null where the call is still open.
    if (tells !== 1n) continue;
    const name = `${workspace} ${workflow} ${key} ${model}`;
    let kind = kinds.get(name);
    if (kind === undefined) kinds.set(name, (kind = { ids: [workspace, workflow, key, model] as [bigint, bigint, bigint, bigint], held: [], cost: [] }));
    kind.held.push(held as bigint);
    kind.cost.push(cost as bigint);
  }
  return [...kinds.values()].map(({ ids: [workspace, workflow, key, model], held, cost }) => ({
    workspace: source.nameOf(workspace)!, workflow: source.nameOf(workflow)!, key: source.nameOf(key), modelSent: source.nameOf(model),
    held: BigInt64Array.from(held.reverse()), cost: BigInt64Array.from(cost.reverse()),
  }));
}
