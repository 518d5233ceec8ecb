// server/forward/tries.ts: the further tries of calls where the config allows for more than one after a failed connection.

import type { UpstreamCredential } from '../domain/call.ts';
import type { Settings } from '../domain/settings.ts';
import type { ResponseHead } from './response-head.ts';
import { adviceOf, againAfterMs, soonest } from './retry-policy.ts';
import { RetryBudget } from './retry-budget.ts';
import { Rests } from './rests.ts';

type UpstreamSettings = Settings['upstream'];

/** How long a place that could not be reached is passed over, where there is another. */
const UNREACHABLE_REST_MS = 5_000;
/** The same for one that is overloaded and does not say for how long. */
const OVERLOADED_REST_MS = 1_000;
const LONGEST_REST_MS = 60_000;

/** An origin and the key that belongs to it. */
export interface Place {
  /** Null: the upstream's own origin. */
  readonly id: string | null;
  readonly origin: string;
  readonly credential: UpstreamCredential;
}

export interface TriedCall {
  /** The settings that the call was identified by, so that its key goes to the origin that it was written for. */
  readonly settings: UpstreamSettings;
  readonly credential: UpstreamCredential;
  /** As sent; null where there is none. */
  readonly model: string | null;
  /** Whether another key would serve it as well: it names nothing that belongs to the workspace of one key, as files and batches do. */
  readonly movable: boolean;
  /** The `x-stainless-retry-count` of the client. */
  readonly clientRetry: number | null;
}

/** False where nothing is configured: then a connection that failed is tried once more, and that is all. */
export const allowsTries = ({ retry, failover }: UpstreamSettings): boolean => retry.on.size > 0 || failover.length > 0;

/** What all calls share. `now` is milliseconds on the monotonic clock throughout, `wall` since the epoch. */
export class Retries {
  readonly rests = new Rests();
  readonly chance: () => number;
  readonly #budgets = new Map<string, RetryBudget>();

  /** @param chance from 0 up to 1 */
  constructor(chance: () => number) {
    this.chance = chance;
  }

  begin(call: TriedCall, now: number): Tries {
    const budget = this.#budgetOf(call.credential, now);
    budget.earn(call.settings.retry.budget);
    return new Tries(call, this, budget, now);
  }

  /** What is left of each provider key's budget, in whole tries. */
  left(now: number): readonly { readonly credential: string; readonly tries: number }[] {
    return [...this.#budgets].map(([credential, budget]) => ({ credential, tries: budget.left(now) }));
  }

  #budgetOf(credential: UpstreamCredential, now: number): RetryBudget {
    const name = nameOf(credential);
    let budget = this.#budgets.get(name);
    if (budget === undefined) this.#budgets.set(name, (budget = new RetryBudget(Math.floor(now))));
    return budget;
  }
}

export interface NextTry {
  /** Null: where the call just was. */
  readonly place: Place | null;
  readonly waitMs: number;
}

/** Of one call. */
export class Tries {
  readonly #call: TriedCall;
  readonly #shared: Retries;
  readonly #budget: RetryBudget;
  readonly #places: readonly Place[];
  /** By place: when it can be asked, again or for the first time. */
  readonly #readyAt: number[];
  readonly #unreached: number[];
  #at: number;
  #made = 1;
  #next: NextTry | null = null;

  constructor(call: TriedCall, shared: Retries, budget: RetryBudget, now: number) {
    this.#call = call;
    this.#shared = shared;
    this.#budget = budget;
    this.#places = placesOf(call);
    this.#readyAt = this.#places.map(({ origin, credential }) => (this.#places.length === 1 ? 0 : Math.max(shared.rests.until(origin, null), shared.rests.until(nameOf(credential), call.model))));
    this.#unreached = this.#places.map(() => 0);
    // A first try never waits: where all rest, the first place is asked.
    this.#at = soonest(this.#readyAt, now, 0)?.place ?? 0;
  }

  /** Where the current try goes. */
  get place(): Place {
    return this.#places[this.#at]!;
  }

  /** Asked at the head of an answer: true keeps it from the client, as another try will follow, which `next` then tells. */
  keepsBack(head: ResponseHead, now: number, wall: number): boolean {
    const { retry } = this.#call.settings;
    if (!retry.on.has(head.status)) return false;
    const advice = adviceOf(head.status, head.raw, wall);
    const after = againAfterMs(advice, this.#made, this.#shared.chance());
    this.#readyAt[this.#at] = now + after;
    const restMs = Math.min(LONGEST_REST_MS, advice.retryAfterMs ?? (head.status === 429 ? LONGEST_REST_MS : OVERLOADED_REST_MS));
    if (this.#places.length > 1) this.#shared.rests.rest(nameOf(this.place.credential), this.#call.model, now + restMs, now);
    // A client that is trying again itself needs no help, and would be helped twice.
    if ((this.#call.clientRetry ?? 0) > 0) return false;
    const next = this.#plan(now);
    if (next === null || retry.budget === 0 || !this.#budget.take(now)) return false;
    this.#next = next;
    return true;
  }

  /** What follows an answer that was kept back. */
  next(): NextTry | null {
    return this.#next;
  }

  /** What follows a connection that failed: another place at once, or the same one once more. Costs nothing of the budget, as nobody was asked. */
  afterUnreachable(now: number): NextTry | null {
    const times = ++this.#unreached[this.#at]!;
    this.#readyAt[this.#at] = times > 1 ? Infinity : now;
    if (this.#places.length > 1) this.#shared.rests.rest(this.place.origin, null, now + UNREACHABLE_REST_MS, now);
    // Another origin first: what was just refused will hardly be granted in the next millisecond.
    const { origin } = this.place;
    const others = this.#readyAt.map((at, i) => (this.#places[i]!.origin === origin || this.#unreached[i]! > 0 ? Infinity : at));
    return (this.#next = this.#plan(now, others) ?? this.#plan(now));
  }

  /** The next try is made. */
  begin(next: NextTry): void {
    if (next.place !== null) this.#at = this.#places.indexOf(next.place);
    this.#made++;
    this.#next = null;
  }

  #plan(now: number, readyAt: readonly number[] = this.#readyAt): NextTry | null {
    const { most, maxWaitMs } = this.#call.settings.retry;
    const found = this.#made > most ? null : soonest(readyAt, now, maxWaitMs);
    return found === null ? null : { place: this.#places[found.place]!, waitMs: found.waitMs };
  }
}

/** A key of another place is taken by the name of the one that it stands in for; a caller's own key goes nowhere else. */
function placesOf({ settings, credential, movable }: TriedCall): readonly Place[] {
  const own: Place = { id: null, origin: settings.origin, credential };
  if (!movable || credential.kind !== 'configured') return [own];
  const { name } = credential;
  return [own, ...settings.failover.flatMap(({ id, origin, keys }): Place[] => {
    const secret = keys.get(name);
    return secret === undefined ? [] : [{ id, origin, credential: { kind: 'configured', name: `${id}/${name}`, secret } }];
  })];
}

/** What a credential is called; never the key. */
export const nameOf = (credential: UpstreamCredential): string => (credential.kind === 'configured' ? credential.name : 'caller');
