// server/http/admin/wire/steps.ts: what the steps of a workflow's traced actions cost.

import { z } from 'zod';
import { Count, Instant, Milliseconds, Money } from './atoms.ts';
import { range } from './queries.ts';

const spread = <Value extends z.ZodType>(value: Value) => z.object({ p50: value, p95: value });

export const StepsQuery = z.strictObject({ ...range, workspace: z.string().max(256).describe('one, by its id'), workflow: z.string().max(256).describe('one of its workflows') });
export type StepsQuery = z.input<typeof StepsQuery>;

export const StepsAnswer = z.object({
  from: Instant,
  to: Instant,
  most_traces: Count.describe('so many of the newest are looked at'),
  most_calls: Count.describe('fewer traces are, once they have so many calls together'),
  traces: Count.describe('with an answered call; `traceparent` of the request says which it belongs to'),
  calls: Count,
  counted_from: Instant.describe('later than `from` where there are more traces than are looked at'),
  rows: z.array(z.object({
    step: Count.nullable().describe('1 is the first answered call of its trace in the workflow; null: all later ones together'),
    calls: Count,
    traces: Count.describe('that have such a step'),
    model: z.string().nullable().describe('that most of them were served by'),
    model_calls: Count.describe('how many of them'),
    tool_use_calls: Count.describe('that ended with the wish to use a tool'),
    cost_usd: spread(Money).describe('by nearest rank, as are the next two; corrections left out'),
    tokens: spread(Count).describe('of all kinds'),
    duration_ms: spread(Milliseconds),
    dearest_trace: z.string().describe('the one with the dearest call of this step'),
  })),
});
export type StepsAnswer = z.infer<typeof StepsAnswer>;
