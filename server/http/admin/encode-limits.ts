// server/http/admin/encode-limits.ts: what room there is at the provider, and how calls are shared out over it, in the words of the wire.

import type { z } from 'zod';
import { modelClassOf } from '../../admit/headroom.ts';
import type { Bucket } from '../../domain/admission.ts';
import { matchesGlob } from '../../domain/glob.ts';
import type { EpochMs } from '../../domain/ids.ts';
import type { HeadroomRow } from '../../domain/observer.ts';
import type { Course } from './course.ts';
import { iso, isoOrNull } from './encode.ts';
import { isAsked, NO_SUBJECT, pageOf } from './list.ts';
import type { AdminServices } from './services.ts';
import type { LimitsAnswer, LimitsQuery } from './wire.ts';

/** @throws AdminError 400 for a cursor that is not of this list */
export function limitsAnswer({ headroom, gate, queue, settings, retriesLeft }: AdminServices, course: Course, query: z.output<typeof LimitsQuery>, now: EpochMs): LimitsAnswer {
  const asked: readonly (HeadroomRow | Bucket)[] = [
    ...headroom.rows(now).filter(({ modelClass }) => isAsked({ ...NO_SUBJECT, model: modelClass }, query, isOfClass)),
    ...gate.buckets(now).filter(({ of }) => isAsked({ ...NO_SUBJECT, ...of, model: of.modelClass }, query, isOfClass)),
  ];
  const { rows, nextCursor } = pageOf('limits', asked, (row) => ('scope' in row ? `own ${row.scope} ${row.dimension}` : `provider ${row.credential} ${row.modelClass} ${row.dimension}`), query);
  return {
    at: iso(now),
    course: courseOf(course),
    provider: rows.flatMap((row) => ('scope' in row ? [] : [{
      credential: row.credential,
      model_class: row.modelClass,
      dimension: row.dimension,
      limit: row.limit,
      remaining: row.remaining,
      reset_at: isoOrNull(row.resetAt),
      seen_at: iso(row.seenAt),
    }])),
    own: rows.flatMap((row) => ('scope' in row ? [{ scope: row.scope, dimension: row.dimension, limit: row.limit, remaining: row.remaining }] : [])),
    queue: queueOf(settings().upstream, queue.rows()),
    retries: retriesOf(settings().upstream, retriesLeft()),
    next_cursor: nextCursor,
  };
}

/** Whether a model, or a class of models by its name, is of a class that a row names, perhaps with a pattern. */
export const isOfClass = (named: string, asked: string): boolean => named === asked || matchesGlob(named, asked.startsWith('claude-') ? modelClassOf(asked) : asked);

const queueOf = ({ queue }: ReturnType<AdminServices['settings']>['upstream'], rows: ReturnType<AdminServices['queue']['rows']>): LimitsAnswer['queue'] => ({
  below: queue.below,
  max_wait_ms: queue.maxWaitMs,
  length: queue.length,
  waiting: rows.reduce((sum, { waiting }) => sum + waiting, 0),
  oldest_wait_ms: rows.reduce((most, { oldestWaitMs }) => Math.max(most, oldestWaitMs), 0),
  rows: rows.map(({ credential, modelClass, waiting, oldestWaitMs, workspaces }) => ({ credential, model_class: modelClass, waiting, oldest_wait_ms: oldestWaitMs, workspaces: workspaces.map((one) => ({ ...one })) })),
});

const retriesOf = ({ retry, failover }: ReturnType<AdminServices['settings']>['upstream'], left: ReturnType<AdminServices['retriesLeft']>): LimitsAnswer['retries'] => ({
  on: [...retry.on].sort((a, b) => a - b),
  most: retry.most,
  max_wait_ms: retry.maxWaitMs,
  budget: retry.budget,
  failover: failover.map(({ id }) => id),
  rows: left.map(({ credential, tries }) => ({ credential, left: tries })),
});

function courseOf(course: Course): LimitsAnswer['course'] {
  const { at, inFlight, throttled, series } = course.points();
  return {
    at: at.map(iso), in_flight: [...inFlight],
    throttled: { rate_limited: [...throttled.rateLimited], overloaded: [...throttled.overloaded], retry_after_s: [...throttled.retryAfterSeconds] },
    series: series.map(({ credential, modelClass, dimension, lowest }) => ({ credential, model_class: modelClass, dimension, lowest: [...lowest] })),
  };
}
