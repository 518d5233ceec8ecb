// test/admit/scene.ts: a gate with a clock that the test moves, and what it needs to be asked.

import { createGate, type CallsOf, type PastOf, type ReloadableGate } from '../../server/admit/gate.ts';
import type { Admission } from '../../server/domain/admission.ts';
import type { Budget, Scope, Standing } from '../../server/domain/budget.ts';
import type { PeriodKind } from '../../server/domain/calendar.ts';
import type { Ask, Caller, Endpoint } from '../../server/domain/call.ts';
import type { BudgetId, Clock, EpochMs, KeyId, WorkflowId, WorkspaceId } from '../../server/domain/ids.ts';
import { nanoFromUsd, type Nanodollars } from '../../server/domain/money.ts';
import type { Quote } from '../../server/domain/price.ts';
import type { Verdict } from '../../server/domain/refusal.ts';
import type { CheaperModels, FeatureRules, LimitRule, Limits, ModelRules, Policy, Settings, Workspace } from '../../server/domain/settings.ts';
import type { Tokens } from '../../server/domain/usage.ts';

export const usd = (text: string): Nanodollars => nanoFromUsd(text);

export class MovableClock implements Clock {
  wall: number;
  steady = 0;
  constructor(at: string) {
    this.wall = Date.parse(at);
  }
  now = (): EpochMs => this.wall as EpochMs;
  monotonic = (): number => this.steady;
  pass(ms: number): void {
    this.wall += ms;
    this.steady += ms;
  }
}

export const noLimits: Limits = { requestsPerMinute: null, inputTokensPerMinute: null, outputTokensPerMinute: null, concurrent: null };
export const anyModel: ModelRules = { allow: null, deny: [], alias: new Map() };

type Rules = { limits?: Partial<Limits>; models?: Partial<ModelRules>; maxOutputTokens?: number; maxOutputDryRun?: boolean; features?: FeatureRules; cheaper?: CheaperModels; flatHold?: Nanodollars };
const policy = (rules: Rules): Policy => ({ models: { ...anyModel, ...rules.models }, limits: { ...noLimits, ...rules.limits }, maxOutputTokens: rules.maxOutputTokens ?? null, ...(rules.maxOutputDryRun ? { maxOutputDryRun: true } : {}), ...(rules.features ? { features: rules.features } : {}), ...(rules.cheaper ? { cheaper: rules.cheaper } : {}), ...(rules.flatHold === undefined ? {} : { flatHold: rules.flatHold }) });

export function workspace(id: string, rules: Rules = {}, workflows: Record<string, Rules> = {}): Workspace {
  return {
    ...policy(rules),
    id: id as WorkspaceId,
    upstreamKey: 'default',
    openWorkflows: true,
    workflows: Object.entries(workflows).map(([name, own]) => ({ ...policy(own), id: name as WorkflowId })),
  };
}

export function budget(id: string, limit: string, more: { scope?: Partial<Scope>; period?: PeriodKind; mode?: 'hard' | 'soft'; tolerance?: string; overshoot?: string } = {}): Budget {
  return {
    id: id as BudgetId,
    scope: { workspace: null, workflow: null, key: null, user: null, model: null, ...more.scope },
    limit: usd(limit),
    period: more.period ?? 'day',
    mode: more.mode ?? 'hard',
    tolerance: usd(more.tolerance ?? '0'),
    ...(more.overshoot === undefined ? {} : { expected: { overshoot: usd(more.overshoot) } }),
    alertAt: [],
    alertForecast: false,
    notify: [],
  };
}

/** What this room reads of the settings. */
export function settings(parts: { workspaces?: Workspace[]; budgets?: Budget[]; limitRules?: LimitRule[]; timezone?: string }): Settings {
  const read: Partial<Settings> = { workspaces: new Map((parts.workspaces ?? []).map((w) => [w.id, w])), budgets: parts.budgets ?? [], limitRules: parts.limitRules ?? [], timezone: parts.timezone ?? 'UTC' };
  return read as Settings;
}

export const limitRule = (id: string, limits: Partial<Limits>, more: { scope?: Partial<LimitRule['scope']>; each?: LimitRule['each'] } = {}): LimitRule => ({
  id, scope: { workspace: null, workflow: null, key: null, modelClass: null, ...more.scope }, each: more.each ?? null, limits: { ...noLimits, ...limits },
});

export function openGate(parts: Parameters<typeof settings>[0] & { standings?: Standing[]; clock?: MovableClock; callsOf?: CallsOf; pastOf?: PastOf }): { gate: ReloadableGate; clock: MovableClock } {
  const clock = parts.clock ?? new MovableClock('2025-06-15T12:00:00Z');
  return { gate: createGate({ settings: settings(parts), clock, standingsAtStart: parts.standings ?? [], ...(parts.callsOf === undefined ? {} : { callsOf: parts.callsOf }), ...(parts.pastOf === undefined ? {} : { pastOf: parts.pastOf }) }), clock };
}

export function caller(place = 'w/f', more: { key?: string; user?: string; session?: string } = {}): Caller {
  const [workspaceId, workflowId] = place.split('/') as [WorkspaceId, WorkflowId];
  return {
    workspace: workspaceId, workflow: workflowId, key: (more.key ?? null) as KeyId | null, user: more.user ?? null, session: more.session ?? null, action: null,
    tags: new Map(), priority: 'interactive', upstream: { kind: 'callers_own' },
  };
}

export function ask(model: string, more: Partial<Ask> = {}): Ask {
  return {
    model, modelSpan: [0, 0], stream: false, maxTokens: 100, includeUsage: false, userId: null, speed: null, serviceTier: null, inferenceGeo: null, cacheTtl: null,
    fallbackModels: [], serverTools: [], maxSearches: 0, samplings: 1, compactions: 0, continues: false, inlineImages: 0, unboundedInput: false, fileIds: [], skillIds: [], billedElsewhere: false, bodyBytes: 0, ...more,
  };
}

export function quote(ceiling: string | Nanodollars, likelyInputTokens = 0): Quote {
  const most = typeof ceiling === 'string' ? usd(ceiling) : ceiling;
  return { endpoint: 'messages', model: 'm', row: null, basis: most === 0n ? 'free' : 'listed', ceiling: most, maxInputTokens: 0, maxOutputTokens: 0, likelyInputTokens, ask: null, quotedAt: 0 as EpochMs };
}

export const tokens = (input: number, output = 0, more: Partial<Tokens> = {}): Tokens => ({ input, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0, output, ...more });

export interface Wish {
  place?: string;
  ceiling?: string | Nanodollars;
  input?: number;
  model?: string | null;
  user?: string;
  key?: string;
  endpoint?: Endpoint;
  signal?: AbortSignal;
}

export function admit(gate: ReloadableGate, wish: Wish = {}): Promise<Verdict<Admission>> {
  const by = caller(wish.place, { ...(wish.user === undefined ? {} : { user: wish.user }), ...(wish.key === undefined ? {} : { key: wish.key }) });
  return gate.admit({
    caller: by,
    endpoint: wish.endpoint ?? 'messages',
    clearance: { model: wish.model === undefined ? 'm' : wish.model, decisions: [] },
    quote: quote(wish.ceiling ?? '0.01', wish.input ?? 0),
    signal: wish.signal ?? new AbortController().signal,
  });
}

export async function admitted(verdict: Promise<Verdict<Admission>>): Promise<Admission> {
  const settled = await verdict;
  if (!settled.ok) throw new Error(`${settled.refusal.reason}: ${settled.refusal.message}`);
  return settled.value;
}
