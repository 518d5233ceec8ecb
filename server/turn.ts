// server/turn.ts: a background call waits for room at the provider, and is asked everything again after its wait.

import type { Caller, Decision, Intent } from './domain/call.ts';
import type { OpenEntry } from './domain/ledger.ts';
import { NO_MONEY } from './domain/money.ts';
import type { Turn } from './domain/provider-queue.ts';
import { granted } from './domain/refusal.ts';
import type { Settings } from './domain/settings.ts';
import type { Reading } from './domain/usage.ts';
import { refuse, settle, turnAway, type Wait } from './ending.ts';
import type { Answer } from './forward/forward.ts';
import { identify } from './identify/caller.ts';
import { intentOf, plan, type Plan } from './planning.ts';
import type { Call, InspectedBody, Services } from './served.ts';

/** A turn to go upstream; `anew` is what the call is after its wait, null when it did not wait. */
export interface TurnTaken extends Wait {
  readonly anew: { readonly settings: Settings; readonly caller: Caller; readonly intent: Intent; readonly planned: { readonly ok: true; readonly value: Plan } } | null;
}

/**
 * Waits, where it must, until the provider has room for a background call. It waits before anything is held for it and before it has a
 * row: a wait must keep no money from others. So whatever may have changed meanwhile (key, config, prices, budgets) is asked again
 * after it. Null: the call has its answer, or nobody to give one to.
 */
export async function takeTurn(call: Call, caller: Caller, body: InspectedBody, intent: Intent, plan: Plan, services: Services): Promise<TurnTaken | null> {
  const { upstream } = caller;
  const { clearance: { model }, quote } = plan;
  // Two callers' own keys look the same here. Fast mode has pools of its own, which these figures say nothing of.
  if (upstream.kind !== 'configured' || model === null || body.ask?.speed === 'fast') return NO_WAIT;
  // Nobody waits for room only to hear that there is no money.
  const hopeless = services.gate.exhausted({ caller, clearance: plan.clearance, quote });
  if (hopeless !== null) {
    refuse(call, intent, hopeless, services);
    return null;
  }
  const need = { inputTokens: quote.likelyInputTokens, maxOutputTokens: body.ask?.maxTokens ?? null };
  const turn = await services.queue.enter({ workspace: caller.workspace, credential: upstream.name, model, need, bodyBytes: body.bytes.length, get signal() { return call.gone; } });
  if (turn.result !== 'passed' || turn.waitedMs > 0) services.observer.queued?.(caller.workspace, turn.result, turn.waitedMs);
  if (turn.result === 'left') {
    await leftWaiting(call, body, intent, plan, turn, services);
    return null;
  }
  if (turn.result !== 'passed') {
    refuse(call, intent, turn.refusal, services);
    return null;
  }
  const { passage, waitedMs, detail, rule } = turn;
  if (detail === null) return passage === null ? NO_WAIT : { passage, waitedMs, anew: null };
  const anew = await askAgain(call, body, { rule, verdict: 'allow', detail }, services);
  if (anew !== null) return { passage, waitedMs, anew };
  passage?.unused();
  return null;
}

const NO_WAIT: TurnTaken = { passage: null, waitedMs: 0, anew: null };

/** All that `serve` found out before a wait, found out after it. Null: the call has its refusal. */
async function askAgain(call: Call, body: InspectedBody, waited: Decision, services: Services): Promise<TurnTaken['anew']> {
  const settings = services.settings();
  const identified = await identify({ credentials: call.credentials, claimed: call.claimed, bodyUserId: body.ask?.userId ?? null }, { directory: services.directory, settings, at: services.clock.now() });
  if (!identified.ok) {
    const { refusal, caller: owner } = identified;
    if (owner === null) turnAway(call, refusal, services);
    else refuse(call, intentOf(call, owner, null), refusal, services);
    return null;
  }
  const caller = identified.value;
  const intent = intentOf(call, caller, body.ask);
  const planned = await plan(call, caller, body, services);
  if (!planned.ok) {
    refuse(call, intent, planned.refusal, services);
    return null;
  }
  const { clearance } = planned.value;
  return { settings, caller, intent, planned: granted({ ...planned.value, clearance: { ...clearance, decisions: [...clearance.decisions, waited] } }) as { ok: true; value: Plan } };
}

/** A row for a call whose client left while it waited: nothing was held for it and nothing sent. */
async function leftWaiting(call: Call, body: InspectedBody, intent: Intent, { clearance, quote }: Plan, { rule, detail, waitedMs }: Extract<Turn, { result: 'left' }>, services: Services): Promise<void> {
  const opened: OpenEntry = { ...intent, decisions: [...clearance.decisions, { rule, verdict: 'allow', detail }], modelSent: clearance.model, held: NO_MONEY, price: quote.row };
  try {
    await services.ledger.open(opened);
  } catch (error) {
    services.log.error('ledger_unavailable', { call: opened.id, workspace: opened.caller.workspace, code: error instanceof Error ? error.name : 'unknown' });
    return;
  }
  services.observer.started(opened.caller.workspace, call.route.endpoint);
  const now = services.clock.monotonic();
  const reading: Reading = { usage: null, complete: false, contentBytes: 0, stopReason: null, errorType: null, errorCode: null, firstContentAt: null, obstacle: null };
  const result: Answer['result'] = { stop: 'cut', head: null, reading, sent: false, answered: false, clientGone: true, clientMissed: false, errorCode: null, responseBytes: 0, clientWaitMs: 0, headersAt: null, lastByteAt: now };
  const pricing = services.pricing();
  settle(call, body, null, opened, { cost: (ending) => pricing.cost(quote, ending) }, null, { outcome: 'client_abort', result, reading, attempts: [], startedAt: now }, { ...NO_WAIT, waitedMs }, services);
}
