// test/store/told-calls.ts: random histories and filters for tests of the reading side, and which calls a filter means.

import fc from 'fast-check';
import { COUNTED_VERDICTS, OUTCOMES } from '../../server/domain/call.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Filter } from '../../server/domain/reports.ts';
import { errorOf, isEstimated, isRefused, modelOf, verdictsOf, type ToldCall } from './written-ledger.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A zone with an instant near which its clocks change. */
export interface Place {
  readonly zone: string;
  readonly change: number;
}

export const PLACES: readonly Place[] = [
  { zone: 'UTC', change: Date.UTC(2026, 11, 31, 23) },
  { zone: 'Europe/Berlin', change: Date.UTC(2026, 9, 25, 1) },
  { zone: 'Europe/Berlin', change: Date.UTC(2026, 2, 29, 1) },
  { zone: 'America/St_Johns', change: Date.UTC(2026, 10, 1, 4, 30) },
  { zone: 'Asia/Kathmandu', change: Date.UTC(2026, 5, 30, 18, 15) },
  { zone: 'Australia/Lord_Howe', change: Date.UTC(2026, 3, 4, 15) },
  { zone: 'Australia/Lord_Howe', change: Date.UTC(2026, 9, 3, 15, 30) },
  { zone: 'Africa/Cairo', change: Date.UTC(2026, 3, 23, 22) },
];

/** Instants close to the change, or within weeks of it; often whole quarters, hours or days from it. */
const instants = (change: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min: -3 * HOUR, max: 3 * HOUR }).map((ms) => change + ms),
    fc.integer({ min: -16, max: 16 }).map((quarters) => change + quarters * 15 * MINUTE),
    fc.integer({ min: -20 * 24, max: 20 * 24 }).map((hours) => change + hours * HOUR),
    fc.integer({ min: -20 * DAY, max: 20 * DAY }).map((ms) => change + ms),
  );

const WORKSPACES = ['support', 'research'];
const WORKFLOWS = ['triage', 'digest', 'support'];
const USERS = ['ada', 'bob'];
const KEYS = ['triage-prod', 'support'];
const MODELS = ['claude-haiku-4-5', 'claude-opus-4-6'];
const SESSIONS = ['s-1', 's-2'];
const TRACES = ['0af7651916cd43dd8448eb211c80319c', '4bf92f3577b34da6a3ce929d0e0e4736'];
const SAID = [['budget:month', 'would_refuse'], ['budget:day', 'would_refuse'], ['limit:support/requests', 'refuse'], ['cheaper_models:support', 'would_rewrite'], ['cheaper_models:support', 'rewrite'], ['models:support', 'rewrite']] as const;
const tokenCount = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000_000 }));

export const calls = (change: number): fc.Arbitrary<ToldCall[]> =>
  fc.array(
    fc.record<ToldCall>({
      at: instants(change),
      workspace: fc.constantFrom(...WORKSPACES),
      workflow: fc.constantFrom(...WORKFLOWS),
      user: fc.constantFrom(null, ...USERS),
      key: fc.constantFrom(null, ...KEYS),
      session: fc.constantFrom(null, ...SESSIONS),
      action: fc.constantFrom(null, 'a-1'),
      trace: fc.constantFrom(null, ...TRACES),
      modelSent: fc.constantFrom(null, ...MODELS),
      modelServed: fc.constantFrom(null, ...MODELS, 'claude-served'),
      outcome: fc.constantFrom(null, 'ok' as const, 'ok' as const, ...OUTCOMES),
      attempts: fc.integer({ min: 0, max: 3 }),
      tokens: fc.record({ input: tokenCount, cacheWrite5m: tokenCount, cacheWrite1h: tokenCount, cacheRead: tokenCount, output: tokenCount }),
      webSearches: fc.integer({ min: 0, max: 4 }),
      // Past 2^53 too: a sum that went through a float would lose nano-dollars.
      cost: fc.oneof(fc.constant(0n), fc.bigInt({ min: 1n, max: 10n ** 9n }), fc.bigInt({ min: 2n ** 53n, max: 2n ** 54n })),
      estimated: fc.boolean(),
      cacheSavings: fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }),
      durationMs: fc.double({ min: 0, max: 700_000, noNaN: true }).map((ms) => Math.round(ms * 1000) / 1000),
      said: fc.uniqueArray(fc.constantFrom(...SAID), { maxLength: 3, selector: ([rule]) => rule }),
      timeToFirstTokenMs: fc.option(fc.integer({ min: 1, max: 60_000_000 }).map((us) => us / 1000)),
    }),
    { maxLength: 60 },
  ).map((all) => all.map((call) => ({ ...call, said: call.said.filter(([, verdict]) => verdict !== 'refuse' || isRefused(call)) })));

const some = (values: readonly string[]): fc.Arbitrary<string[]> => fc.oneof({ weight: 3, arbitrary: fc.constant<string[]>([]) }, { weight: 1, arbitrary: fc.subarray([...values]) });

export const filters = (change: number): fc.Arbitrary<Filter> =>
  fc.record({
    from: instants(change).map((at) => epochMs(at - 10 * DAY)),
    to: instants(change).map((at) => epochMs(at + 10 * DAY)),
    workspace: some([...WORKSPACES, 'nobody']),
    workflow: some(WORKFLOWS),
    user: some([...USERS, '']),
    model: some([...MODELS, '']),
    key: some([...KEYS, '']),
    outcome: some(OUTCOMES),
    session: some(SESSIONS),
    action: some(['a-1', 'a-2']),
    trace: some(TRACES),
    refusal: some(['model_not_allowed', 'rate_limited']),
    error: some(['overloaded_error']),
    tag: some(['team=blue', 'team=red']),
    policy: some(['budget:month', 'budget:day', 'limit:support/requests', 'cheaper_models:support', 'models:support', '']),
    verdict: some(COUNTED_VERDICTS),
    estimated: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.boolean() }),
  }).map(({ estimated, ...rest }) => (estimated === undefined ? rest : { ...rest, estimated }));

export const everything: Filter = {
  from: epochMs(0), to: epochMs(8.64e15), workspace: [], workflow: [], user: [], model: [], key: [], outcome: [], session: [], action: [],
};

/** The meaning of a filter, in the plainest words. */
export function means(filter: Filter, call: ToldCall): boolean {
  const any = (wanted: readonly string[], value: string | null): boolean => wanted.length === 0 || wanted.includes(value ?? '');
  return (
    call.at >= filter.from && call.at < filter.to &&
    any(filter.workspace, call.workspace) && any(filter.workflow, call.workflow) && any(filter.user, call.user) && any(filter.key, call.key) &&
    any(filter.model, modelOf(call)) && any(filter.outcome, call.outcome) && any(filter.session, call.session) && any(filter.action, call.action) && any(filter.trace ?? [], call.trace ?? null) &&
    any(filter.refusal ?? [], isRefused(call) ? 'rate_limited' : null) && any(filter.error ?? [], errorOf(call)) && any(filter.tag ?? [], 'team=blue') && wasSaid(filter, call) &&
    (filter.estimated === undefined || filter.estimated === isEstimated(call))
  );
}

function wasSaid({ policy = [], verdict = [] }: Filter, call: ToldCall): boolean {
  if (policy.length === 0 && verdict.length === 0) return true;
  return verdictsOf(call).some(([rule, said]) => (policy.length === 0 || policy.includes(rule)) && (verdict.length === 0 || verdict.includes(said)));
}
