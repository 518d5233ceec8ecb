// server/store/sqlite/fold-views.ts: which folds there are: stretches of closed time, each summed by a few sets of dimensions.

import { OUTCOMES } from '../../domain/call.ts';

/**
 * A fold holds the sums of a stretch of time that is over. All of them are worked out from rows and roll-ups, off the hot path, and say the
 * same to the nano-dollar; one that a late settlement or a correction makes untrue is taken out of `fold_done` in the transaction that does
 * so, and reports read roll-ups in its place until it is made anew. A block is eight local days.
 */
export const FOLD_GRAIN = { hour: 1, day: 2, block: 3 } as const;
export type FoldGrain = keyof typeof FOLD_GRAIN;
export const BLOCK_DAYS = 8;

/**
 * Values are ids of `name`; an hour is a number of quarters of an hour since the epoch. Of an action: its number (0 for calls that name
 * none), whether it was named, and `call.n` of its first call. Of a failure:
 * the HTTP status, 0 for none, and the name of its error or refusal. A verdict is its code in `verdict`, a policy the name of its rule, and
 * what was said the sum of 2^(code - 1) of all verdicts on the call.
 */
export type FoldDimension = 'workspace' | 'workflow' | 'key' | 'user' | 'model' | 'model_sent' | 'outcome' | 'hour' | 'action' | 'named' | 'first' | 'status' | 'reason' | 'policy' | 'verdict' | 'said';

interface View {
  /** How it is stored. */
  readonly id: number;
  readonly dimensions: readonly FoldDimension[];
}

export const FOLD_VIEWS = {
  narrow: { id: 1, dimensions: ['workspace', 'workflow', 'key', 'model', 'model_sent'] },
  wide: { id: 2, dimensions: ['workspace', 'workflow', 'key', 'model', 'model_sent', 'outcome'] },
  users: { id: 3, dimensions: ['user', 'workspace'] },
  /** In parts, by user, so that the course of one user is read without those of all others. */
  usersWide: { id: 4, dimensions: ['user', 'workspace', 'workflow', 'key', 'model', 'outcome'] },
  hours: { id: 5, dimensions: ['hour', 'workspace'] },
  /** Every action of an hour, with its calls and its cost; those of calls that name none together, their costs in the first sketch. */
  actions: { id: 6, dimensions: ['action', 'first', 'workspace', 'workflow'] },
  /** Actions as of whole days: `attempts` counts them, the first sketch holds what each cost, in nano-dollars. */
  actionCosts: { id: 7, dimensions: ['named', 'workspace', 'workflow'] },
  /** Of each workflow the named actions that cost the most. */
  dearest: { id: 8, dimensions: ['first', 'workspace', 'workflow'] },
  /** Calls that were served: output tokens of those that have any in the first sketch, how fast they were written in the second, in tokens per 1,000 s. */
  outputs: { id: 9, dimensions: ['workspace', 'workflow', 'key', 'model'] },
  /** What the gateway itself took of them, in the first sketch, in microseconds. */
  overheads: { id: 10, dimensions: ['workspace', 'workflow', 'key', 'model'] },
  /** Calls that did not come whole, refused ones included. */
  reasons: { id: 11, dimensions: ['outcome', 'status', 'reason', 'workspace', 'workflow', 'key', 'model'] },
  /** Ended calls by what rules said of them: one that several rules spoke of is in it once for each. */
  verdicts: { id: 15, dimensions: ['policy', 'verdict', 'workspace', 'workflow', 'key', 'model', 'outcome'] },
  /** The same calls, each once. */
  spokenOf: { id: 16, dimensions: ['said', 'workspace', 'workflow', 'key', 'model', 'outcome'] },
  /** For users of a model, without what `usersWide` holds besides. */
  usersModel: { id: 12, dimensions: ['user', 'workspace', 'model'] },
  /** For hours of a model, and of a workflow, over months. */
  hoursModel: { id: 13, dimensions: ['hour', 'model'] },
  hoursWorkflow: { id: 14, dimensions: ['hour', 'workspace', 'workflow'] },
} as const satisfies Record<string, View>;
export type FoldView = keyof typeof FOLD_VIEWS;

/** What each grain holds. Parts of a day by user need rows of roll-ups that hours do not have. */
export const VIEWS_OF = {
  hour: ['wide', 'users', 'actions', 'outputs', 'overheads', 'reasons', 'verdicts', 'spokenOf'],
  day: ['narrow', 'wide', 'users', 'usersModel', 'usersWide', 'hours', 'hoursModel', 'hoursWorkflow', 'actionCosts', 'dearest', 'outputs', 'overheads', 'reasons', 'verdicts', 'spokenOf'],
  block: ['narrow', 'wide', 'users', 'usersModel', 'usersWide', 'actionCosts', 'dearest', 'outputs', 'overheads', 'reasons', 'verdicts', 'spokenOf'],
} as const satisfies Record<FoldGrain, readonly FoldView[]>;

/** Users per part of `usersWide`: neighbours by id. */
const PART_USERS = 16;
export const partOf = (user: number): number => Math.floor(user / PART_USERS);

/** Outcomes that are nobody's error, or not the provider's: see `UsageFigures.errors`. */
export const NO_ERROR = `('ok', 'truncated', 'client_abort', 'refused')`;

type Sum = (term: string) => string;
const asItIs: Sum = (term) => term;
const summed: Sum = (term) => `SUM(${term})`;
export const money = (amount: string, sum: Sum = summed): string => `${sum(`(${amount}) & 4294967295`)}, ${sum(`(${amount}) >> 32`)}`;

const rollupAs = (sum: Sum): string => `${['calls', 'attempts', "iif(outcome = 'refused', calls, 0)", `iif(outcome IN ${NO_ERROR}, 0, calls)`, 'input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search'].map(sum).join(', ')},
  ${money('cost', sum)}, ${money('estimated_cost', sum)}, ${money('cache_savings', sum)}`;

/** A row of `rollup` as `FOLD_SUMS` and its sketches. */
export const ROLLUP_AS_SUMS = `${rollupAs(asItIs)}, duration, ttft`;
/** The same of a group of rows; the sketches stand in a row with a pair of zeros between them. */
export const ROLLUP_GROUP_AS_SUMS = `${rollupAs(summed)}, CAST(group_concat(duration, x'0000') AS BLOB), CAST(group_concat(ttft, x'0000') AS BLOB)`;

/** A group of rows of `call` as `FOLD_SUMS` and its durations in microseconds, between commas; what a row costs by now is told. */
export const callsAsSums = (cost: string, estimated: string, savings: string): string => `COUNT(*), ${['attempts', "outcome = 'refused'", `outcome NOT IN ${NO_ERROR}`, 'input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output', 'web_search'].map(summed).join(', ')},
  ${money(cost, summed)}, ${money(`iif(${estimated} = 1, ${cost}, 0)`, summed)}, ${money(savings, summed)},
  group_concat(iif(outcome = 'refused', NULL, duration_us)), group_concat(iif(outcome = 'refused', NULL, ttft_us))`;

/** Fewer tokens than this say nothing of how fast they were written. */
const SPEED_TOKENS = 20;
/** Rows of `call` that were served, as what `outputs` and `overheads` sum: calls, output tokens, speeds, overheads; lists are between commas. */
export const SHAPES = `COUNT(*), group_concat(iif(output > 0, output, NULL)),
  group_concat(iif(ttft_us IS NOT NULL AND duration_us > ttft_us AND output >= ${SPEED_TOKENS}, CAST(output * 1e9 / (duration_us - ttft_us) AS INTEGER), NULL)), group_concat(overhead_us)`;
export const SERVED = "outcome IS NOT NULL AND +outcome <> 'refused'";

/** Outcomes that are not an answer that came as it should; the index of those that are not `ok` leads to them. */
export const FAILED = `outcome IN (${OUTCOMES.filter((outcome) => outcome !== 'ok' && outcome !== 'truncated').map((outcome) => `'${outcome}'`).join(', ')}) AND outcome <> 'ok'`;
export const REASON = "coalesce(error_type, refusal, '')";
