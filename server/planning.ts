// server/planning.ts: what a call asks for, whether its caller may have it, and the most that it can cost.

import { quoteBatch, type BatchQuote } from './batch/quote-batch.ts';
import type { Clearance } from './domain/admission.ts';
import type { Ask, Caller, Intent } from './domain/call.ts';
import type { Quote } from './domain/price.ts';
import { granted, type Verdict } from './domain/refusal.ts';
import { traceIdOf } from './identify/trace-id.ts';
import type { Call, InspectedBody, Services } from './served.ts';

/** What a call may use and what it may cost at most; `batch` is null but where it creates one. */
export interface Plan {
  readonly clearance: Clearance;
  readonly quote: Quote;
  readonly batch: BatchQuote | null;
}

/** Node joins repeated headers with a comma, as the header itself does. */
const betasOf = (header: string | readonly string[] | undefined): readonly string[] =>
  header === undefined ? NOTHING : String(header).split(',').map((name) => name.trim()).filter((name) => name !== '');

/** At once, but for a batch and for a session that must be recalled first. */
export function plan(call: Call, caller: Caller, body: InspectedBody | null, services: Services): Verdict<Plan> | Promise<Verdict<Plan>> {
  const betas = betasOf(call.request.headers['anthropic-beta']);
  if (body !== null && body.items !== null) return planBatch(call, caller, body.items, betas, services);
  const recalled = services.gate.recall(caller, body?.ask ?? null);
  return recalled === null ? planCall(call, caller, body, betas, services) : recalled.then(() => planCall(call, caller, body, betas, services));
}

async function planBatch({ route: { endpoint }, admittedAt: at }: Call, caller: Caller, items: NonNullable<InspectedBody['items']>, betas: readonly string[], { gate, pricing }: Services): Promise<Verdict<Plan>> {
  const book = pricing();
  const batch = await quoteBatch(items, { at, clear: (ask) => gate.clear(caller, endpoint, ask, betas), quote: (ask, model, flatHold) => book.quote({ endpoint, ask, model, at, flatHold: flatHold ?? null }) });
  return batch.ok ? granted({ clearance: batch.value.clearance, quote: batch.value.quote, batch: batch.value }) : batch;
}

function planCall({ route: { endpoint }, admittedAt: at }: Call, caller: Caller, body: InspectedBody | null, betas: readonly string[], { gate, pricing }: Services): Verdict<Plan> {
  const cleared = gate.clear(caller, endpoint, body?.ask ?? null, betas);
  if (!cleared.ok) return cleared;
  const quoted = pricing().quote({ endpoint, ask: body?.ask ?? null, model: cleared.value.model, at, flatHold: cleared.value.flatHold ?? null });
  return quoted.ok ? granted({ clearance: cleared.value, quote: quoted.value, batch: null }) : quoted;
}

/** @param ask null where nobody reads the body, or no model speaks for all of it */
export const intentOf = (call: Call, caller: Caller, ask: Ask | null): Intent => ({
  id: call.id,
  admittedAt: call.admittedAt,
  caller,
  endpoint: call.route.endpoint,
  stream: ask?.stream ?? false,
  modelRequested: ask?.model ?? null,
  clientRetry: call.clientRetry,
  decisions: [],
  traceId: traceIdOf(call.request.headers['traceparent']),
  trace: call.trace,
});

/** What a batch's row shows as its model: the one that all of its items ask for. */
export function onlyModel(body: InspectedBody | null): Ask | null {
  const first = body?.items?.[0]?.ask ?? null;
  return first !== null && body!.items!.every(({ ask }) => ask.model === first.model) ? first : null;
}

const NOTHING: readonly string[] = [];
