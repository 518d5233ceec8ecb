// server/batch/care.ts: looks after batches from their creation to their last booked item, whether a client ever asks again or not.

import type { Share, StandingHold } from '../domain/admission.ts';
import type { Batch, BatchCare, OwnCredential, Provider } from '../domain/batch.ts';
import { DAY_MS, MINUTE_MS } from '../domain/durations.ts';
import { nanodollars } from '../domain/money.ts';
import type { Log } from '../domain/observer.ts';
import type { Settings } from '../domain/settings.ts';
import { bookEstimate, bookResults, type Bookkeeping, type CaredFor } from './booking.ts';

const ANSWER_LOST = 'all that was held for the batch, because the answer to its creation was lost';
/** The provider keeps results for 29 days. */
const RESULTS_KEPT_MS = 29 * DAY_MS;
/** Batches that are asked for, or read, at once. */
const AT_ONCE = 4;
const LONGEST_PAUSE_MS = 10 * MINUTE_MS;
/** An answer waits this long for its batch to be on disk. */
const DURABLE_WITHIN_MS = 5_000;
/** A client that reads its batch over and over does not make the gateway do the same. */
const SEEN_PAUSE_MS = 1_000;
const LARGEST_STATUS_BYTES = 1024 * 1024;

export interface CareOptions extends Bookkeeping {
  readonly settings: () => Settings;
  readonly provider: Provider;
  /** Takes up the hold of a batch of an earlier run. */
  readonly adopt: (batch: Batch, shares: readonly Share[]) => StandingHold;
  readonly log: Log;
  /** 0 to 1, e.g. `Math.random`. */
  readonly chance: () => number;
}

export interface RunningCare extends BatchCare {
  /** Takes up the batches of earlier runs: their holds count when it resolves. Call it before the first call is served. */
  takeUp(): Promise<void>;
  /** Stops asking. What is not booked is taken up by the next start. */
  close(): Promise<void>;
}

interface Entry extends CaredFor {
  timer: NodeJS.Timeout | null;
  failures: number;
  /** Under way; null when not. */
  asking: Promise<Progress> | null;
  /** Milliseconds on the monotonic clock. */
  askedAt: number;
}

/** What a look at a batch came to. `failed`: nothing is known, it will be looked at again. */
type Progress = 'booked' | 'running' | 'unknown' | 'failed';

export function createBatchCare(options: CareOptions): RunningCare {
  const { settings, provider, adopt, log, chance, clock, store } = options;
  const entries = new Map<string, Entry>();
  const turns = new Turns(AT_ONCE);
  const closing = new AbortController();

  const take = (batch: Batch, hold: StandingHold): Entry => {
    const entry: Entry = { batch, hold, booked: new Map(batch.booked), timer: null, failures: 0, asking: null, askedAt: -Infinity };
    entries.set(batch.id, entry);
    schedule(entry);
    return entry;
  };

  function schedule(entry: Entry): void {
    if (closing.signal.aborted) return;
    if (entry.timer !== null) clearTimeout(entry.timer);
    const { pollMs } = settings().batches;
    const backOff = entry.failures === 0 ? pollMs : Math.max(pollMs, Math.min(pollMs * 2 ** entry.failures, LONGEST_PAUSE_MS));
    // Batches of one moment must not be asked for in one moment ever after.
    entry.timer = setTimeout(() => void due(entry), backOff * (0.75 + chance() / 2));
    entry.timer.unref();
  }

  async function due(entry: Entry): Promise<void> {
    entry.timer = null;
    const { batch } = entry;
    if (isNameless(batch)) {
      if (!(await giveUp(entry, ANSWER_LOST))) schedule(entry);
      return;
    }
    const credential = ownCredential(batch);
    const progress = credential === null ? 'running' : await look(entry, credential);
    if (progress === 'booked' || closing.signal.aborted) return;
    entry.failures = progress === 'failed' ? entry.failures + 1 : 0;
    const why = lost(batch, progress, clock.now());
    if (why === null || !(await giveUp(entry, why))) schedule(entry);
  }

  /** Null: there is none that the gateway may use by itself. */
  function ownCredential({ credential }: Batch): OwnCredential | null {
    const secret = credential === null ? undefined : settings().upstream.keys.get(credential);
    return secret === undefined ? null : [['x-api-key', secret], ['anthropic-version', '2023-06-01']];
  }

  /** Asks how the batch stands and, when it has ended, books it. Looks that come together are one. Never rejects. */
  function look(entry: Entry, credential: OwnCredential): Promise<Progress> {
    entry.asking ??= turns.take(() => ask(entry, credential)).catch((error: unknown): Progress => {
      if (!closing.signal.aborted) log.warn('batch_not_booked', { workspace: entry.batch.caller.workspace, detail: entry.batch.id, code: codeOf(error) });
      return 'failed';
    }).finally(() => {
      entry.asking = null;
    });
    return entry.asking;
  }

  async function ask(entry: Entry, credential: OwnCredential): Promise<Progress> {
    const { batch } = entry;
    if (!entries.has(batch.id)) return 'booked';
    entry.askedAt = clock.monotonic();
    const path = `/v1/messages/batches/${batch.id}`;
    const answer = await provider.get(path, credential, closing.signal);
    const status = JSON.parse((await whole(answer.body)).toString('utf8')) as { processing_status?: unknown; request_counts?: { succeeded?: unknown } };
    if (answer.status === 404) return 'unknown';
    if (answer.status !== 200) throw Object.assign(new Error('the provider did not tell'), { code: `status_${answer.status}` });
    if (status.processing_status !== 'ended') return 'running';
    const results = await provider.get(`${path}/results`, credential, closing.signal);
    if (results.status !== 200) throw Object.assign(new Error('the provider gave no results'), { code: `results_${results.status}` });
    const succeeded = status.request_counts?.succeeded;
    const count = await bookResults(entry, results.body, typeof succeeded === 'number' ? succeeded : null, options);
    done(entry);
    log.info('batch_booked', { workspace: batch.caller.workspace, detail: batch.id, count: count.succeeded });
    return 'booked';
  }

  function done(entry: Entry): void {
    entries.delete(entry.batch.id);
    if (entry.timer !== null) clearTimeout(entry.timer);
    entry.timer = null;
  }

  async function giveUp(entry: Entry, why: string): Promise<boolean> {
    try {
      await bookEstimate(entry, why, options);
      done(entry);
      log.warn('batch_estimated', { workspace: entry.batch.caller.workspace, detail: entry.batch.id });
      return true;
    } catch (error) {
      log.warn('batch_not_booked', { workspace: entry.batch.caller.workspace, detail: entry.batch.id, code: codeOf(error) });
      return false;
    }
  }

  return {
    get open() {
      return entries.size;
    },

    promised: (batch) => store.promise(batch),

    refused(batch) {
      store.withdraw(batch.call).catch((error: unknown) => log.error('batch_not_withdrawn', { workspace: batch.caller.workspace, call: batch.call, code: codeOf(error) }));
    },

    async opened(batch, hold) {
      take(batch, hold);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, DURABLE_WITHIN_MS)));
      const written = store.open(batch).catch((error: unknown) => log.error('batch_not_recorded', { workspace: batch.caller.workspace, detail: batch.id, code: codeOf(error) }));
      await Promise.race([written, late]);
      clearTimeout(timer);
    },

    lost(batch, hold) {
      void due(take(batch, hold));
    },

    seen(id, credential) {
      const entry = entries.get(id);
      if (entry === undefined || closing.signal.aborted || clock.monotonic() - entry.askedAt < SEEN_PAUSE_MS) return;
      void look(entry, ownCredential(entry.batch) ?? credential);
    },

    async beforeDelete(id, credential) {
      const entry = entries.get(id);
      if (entry === undefined) return 'go';
      const progress = await look(entry, ownCredential(entry.batch) ?? credential);
      if (progress === 'failed') return 'failed';
      // What the provider does not know, it says itself.
      return progress === 'running' ? 'busy' : 'go';
    },

    async takeUp() {
      for (const batch of await store.unfinished()) {
        const shares = batch.models.map(({ model, held }): Share => {
          const rest = held - (batch.booked.get(model) ?? 0n);
          return { model, amount: nanodollars(rest > 0n ? rest : 0n) };
        });
        const entry = take(batch, adopt(batch, shares));
        // The gateway ended before its creation was answered.
        if (isNameless(batch)) await due(entry);
      }
      if (entries.size > 0) log.info('batches_taken_up', { count: entries.size });
    },

    async close() {
      closing.abort();
      for (const { timer } of entries.values()) if (timer !== null) clearTimeout(timer);
      await Promise.all([...entries.values()].map(({ asking }) => asking));
    },
  };
}

/** Whether the provider never told the batch's name. */
const isNameless = ({ id, call }: Batch): boolean => id === call;

/** Why the results of a batch will not be had any more; null while they may. */
function lost({ credential, expiresAt }: Batch, progress: Progress, now: number): string | null {
  if (now < expiresAt) return null;
  if (credential === null) return 'all that was held for the batch, because its results were never read with the key that it was made with';
  if (progress === 'unknown') return 'all that was held for the batch, because the provider does not know it any more';
  return now < expiresAt + RESULTS_KEPT_MS ? null : 'all that was held for the batch, because its results could not be read while the provider kept them';
}

async function whole(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > LARGEST_STATUS_BYTES) throw new RangeError('the answer has no end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown';
}

/** So many at once; the others wait in line. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
