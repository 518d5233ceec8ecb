// web/server.ts: the one place that talks to the server: asks, cancels, keeps what was last known, and says in words what went wrong.

import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { ErrorAnswer, LoginBody } from '../server/http/admin/wire.ts';
import { filters, FILTER_FIELDS } from './state/location.ts';
import type { Range } from './state/buckets.ts';
import { now } from './state/period.ts';

/** True while the server wants to know who we are. */
export const signedOut = signal(false);
/** Grows when figures should be asked for anew: something happened, or enough time went by. */
const beat = signal(0);
/** When an answer last came. */
export const lastAnswerAt = signal<number | null>(null);

export class Failure extends Error {
  /** 0 when there was no answer at all. */
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @throws Failure, or the browser's AbortError when `signal` fired */
export async function ask<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: 'same-origin', ...init, headers: { accept: 'application/json', ...(init.body ? { 'content-type': 'application/json' } : {}) } });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new Failure(0, 'unreachable', 'The gateway cannot be reached. It may be stopped, or the network is down.');
  }
  if (response.status === 204) return undefined as Answer;
  if (!response.ok) {
    if (response.status === 401) signedOut.value = true;
    const body = (await response.json().catch(() => null)) as ErrorAnswer | null;
    throw new Failure(response.status, body?.error?.code ?? 'unknown', body?.error?.message ?? `The gateway answered ${response.status}.`);
  }
  lastAnswerAt.value = Date.now();
  return (await response.json()) as Answer;
}

/** Trades the admin token for the session cookie. @throws Failure when it is not the token */
export async function signIn(token: string): Promise<void> {
  const body: LoginBody = { token };
  await ask('/api/session', { method: 'POST', body: JSON.stringify(body) });
  signedOut.value = false;
  beat.value += 1;
}

/** Ends the session; what is on screen goes with it. */
export async function signOut(): Promise<void> {
  await ask('/api/session', { method: 'DELETE' });
  signedOut.value = true;
}

export interface Asked<Answer> {
  /** What was last answered to this question or, while `stale`, to the one before. */
  readonly data: Answer | null;
  readonly stale: boolean;
  readonly failure: Failure | null;
  readonly retry: () => void;
}

/** True when the very question in force is answered, or will not be. */
export const settled = ({ data, stale, failure }: Asked<unknown>): boolean => !stale && (data !== null || failure !== null);

type Question = Readonly<Record<string, string | number | readonly string[]>>;

/** The address of a question. Times are appended by `useAsk`, so that a moving present is not a new question. */
export function address(path: string, question: Question, range?: Range): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(question)) for (const one of Array.isArray(value) ? (value as readonly string[]) : [String(value)]) query.append(name, one);
  if (range) {
    query.set('from', new Date(range.from).toISOString());
    query.set('to', new Date(range.to).toISOString());
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** The filters in force, as the admin API takes them. */
export const filterQuestion = (): Question => Object.fromEntries(FILTER_FIELDS.filter((field) => filters.value[field].length).map((field) => [field, filters.value[field]]));

/**
 * Asks while a component is on screen, and again with every beat. A new question dims the old answer, a beat replaces it silently.
 * @param path null asks nothing
 * @param key names the question apart from its times; a change of key is a new question
 * @param how `once` leaves an answer stand until the question changes: for big answers that need not follow every call
 */
export function useAsk<Answer>(path: string | null, key: string = path ?? '', how: 'current' | 'once' = 'current'): Asked<Answer> {
  const [state, setState] = useState<{ key: string; data: Answer | null; failure: Failure | null }>({ key: '', data: null, failure: null });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    ask<Answer>(path, { signal: abort.signal }).then(
      (data) => setState({ key, data, failure: null }),
      (cause: unknown) => {
        if (abort.signal.aborted) return;
        const failure = cause instanceof Failure ? cause : new Failure(0, 'unexpected', String(cause));
        setState((before) => ({ key: before.key === key || before.data === null ? key : before.key, data: before.data, failure }));
      },
    );
    return () => abort.abort();
  }, [how === 'once' ? path === null : path, key, tries, how === 'once' ? 0 : beat.value]);
  return { data: state.data, stale: state.key !== key, failure: state.failure, retry: () => setTries((n) => n + 1) };
}

/** Moves the present on; everything on screen is asked for anew. */
export function refresh(): void {
  now.value = Date.now();
  beat.value += 1;
}
