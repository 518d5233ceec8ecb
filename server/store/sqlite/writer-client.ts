// server/store/sqlite/writer-client.ts: the main thread's side of the writer: groups operations into batches and tells their callers what came of them.

import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { LedgerUnavailable, type LedgerHealth } from '../../domain/ledger.ts';
import type { Log } from '../../domain/observer.ts';
import { CommitPace } from './commit-pace.ts';
import type { Ask, FromWriter, OpFailure, Opened, WriterSettings } from './messages.ts';
import { OP, type Op, type PriceRef } from './operations.ts';
import { LedgerRefused } from './refusal.ts';

/** More waiting than this and the caller hears that the ledger cannot keep up. Settlements are always taken: calls in flight bound them. */
const QUEUE_LIMIT = 10_000;
/** Keeps one transaction well under what a caller would notice. */
const BATCH_LIMIT = 512;
const RETRY_MS = 500;
/** Nobody waits for these, so they wait for the next call to share its commit, but not longer than this. */
const PATIENT: readonly Op[0][] = [OP.settle, OP.refuse, OP.keysUsed];
const PATIENCE_MS = 5;
/** What happened at the provider already: never given up for want of a disk, but kept and tried again. */
const KEPT: readonly Op[0][] = [OP.settle, OP.batchOpen, OP.batchWithdraw, OP.own];
/** What nobody waits for is kept too, while there is room. */
const KEPT_WITH_ROOM: readonly Op[0][] = [OP.refuse];

/** What an operation is made of; made into one when its batch goes, as many in a row cost less than one between two other things. */
interface Draft<T> {
  readonly make: (from: T) => Op;
  readonly from: T;
}

interface Pending {
  /** Null while it is only a draft. */
  op: Op | null;
  readonly draft: Draft<never> | null;
  /** No operation but a question, put once all before it is committed and before anything after it is. */
  readonly ask?: Ask['what'];
  /** Waits while the store cannot be written, instead of being given up. */
  readonly kept: boolean;
  /** True once a try of it failed: it may have been written all the same. */
  again: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Makes an operation of what is only a draft. False where that fails: its caller hears of it, and the others go on. */
function isMade(pending: Pending): boolean {
  if (pending.op !== null) return true;
  try {
    pending.op = pending.draft!.make(pending.draft!.from);
    return true;
  } catch (error) {
    pending.reject(error as Error);
    return false;
  }
}

/** An operation that the writer refused; the rest of its batch was written. */
export class OperationFailed extends Error {
  readonly code: string;
  constructor(failure: OpFailure) {
    super(failure.message);
    this.name = 'OperationFailed';
    this.code = failure.code;
  }
}

export class WriterClient {
  private readonly worker: Worker;
  private readonly log: Log;
  private readonly onDeath: (trouble: string) => void;
  private queue: Pending[] = [];
  private underWay: Pending[] | null = null;
  /** Of those in the queue, how many callers wait for. */
  private urgent = 0;
  /** Of those in the queue, how many are questions. */
  private questions = 0;
  private readonly pace = new CommitPace();
  private gathering: NodeJS.Timeout | null = null;
  private scheduled = false;
  private retry: NodeJS.Timeout | null = null;
  private patience: NodeJS.Timeout | null = null;
  private trouble: string | null = null;
  private lastCommitMs: number | null = null;
  /** Told how long every commit took, in milliseconds. */
  onCommit: ((ms: number) => void) | null = null;
  private dead = false;
  private closing = false;
  private idle: (() => void)[] = [];
  private readonly asked = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private lastAsk = 0;
  /** Versions of price rows that the writer has committed, so their content need not be sent again. */
  private readonly knownPrices = new Set<string>();

  private constructor(worker: Worker, log: Log, onDeath: (trouble: string) => void) {
    this.worker = worker;
    this.log = log;
    this.onDeath = onDeath;
  }

  /**
   * @param onDeath told once when the writing thread ended although nobody closed it: nothing will be written any more
   * @throws LedgerRefused when the ledger cannot be opened
   */
  static async start(entry: URL, settings: WriterSettings, log: Log, onDeath: (trouble: string) => void = () => {}): Promise<{ client: WriterClient; opened: Opened }> {
    const worker = new Worker(entry, { workerData: settings, name: 'ledger', resourceLimits: { maxYoungGenerationSizeMb: 64 } });
    const client = new WriterClient(worker, log, onDeath);
    const opened = await new Promise<Opened>((resolve, reject) => {
      worker.on('message', (message: FromWriter) => {
        if (typeof message === 'object' && 'opened' in message) resolve(message.opened);
        else if (typeof message === 'object' && 'refused' in message) {
          const { code, message: text } = message.refused;
          client.dead = true; // The thread ends by itself; there is nothing to lose.
          reject(code === 'failed' ? new Error(text) : new LedgerRefused(code, text));
        } else client.receive(message);
      });
      worker.on('error', (error) => {
        client.die(`the writing thread failed: ${error.message}`);
        reject(error);
      });
      worker.on('exit', () => {
        if (!client.closing) client.die('the writing thread ended');
        reject(new Error('the writing thread ended'));
      });
    });
    return { client, opened };
  }

  /**
   * Resolves when the operation is committed.
   * Rejects with `LedgerUnavailable` when it was not and will not be, with `OperationFailed` when the writer said no to it alone.
   */
  write(op: Op): Promise<void> {
    return this.enqueue(op[0], op, null);
  }

  /** As `write`, of an operation of a kind that is made from something when its batch goes. `make` is pure. */
  writeOf<T>(kind: Op[0], make: (from: T) => Op, from: T): Promise<void> {
    return this.enqueue(kind, null, { make, from } as unknown as Draft<never>);
  }

  private enqueue(kind: Op[0], op: Op | null, draft: Draft<never> | null): Promise<void> {
    const always = KEPT.includes(kind);
    const kept = always || KEPT_WITH_ROOM.includes(kind);
    if (this.dead || this.closing || (!kept && this.trouble !== null) || (!always && this.queue.length >= QUEUE_LIMIT)) {
      return Promise.reject(new LedgerUnavailable(this.trouble ?? (this.closing ? 'the ledger is closing' : 'too many changes wait for the disk')));
    }
    return new Promise((resolve, reject) => {
      this.queue.push({ op, draft, kept, again: false, resolve, reject });
      if (PATIENT.includes(kind)) return this.scheduleLater();
      this.urgent += 1;
      this.schedule();
    });
  }

  /**
   * Takes an operation without a promise that it is on disk: it waits in memory until the store can be written again.
   * False when there is no room, or no store any more.
   */
  journal(op: Op): boolean {
    if (this.dead || this.closing || this.queue.length >= QUEUE_LIMIT) return false;
    this.queue.push({ op, draft: null, kept: true, again: false, resolve: () => {}, reject: (error) => this.log.error('journaled_change_lost', { code: error.name }) });
    this.scheduleLater();
    return true;
  }

  /** Whether the writer still needs a price row's content. */
  knowsPrice(version: string): boolean {
    return this.knownPrices.has(version);
  }

  /** Asks for something other than a write; answered between two batches. */
  ask<T>(what: Ask['what']): Promise<T> {
    if (this.dead) return Promise.reject(new LedgerUnavailable(this.trouble ?? 'the ledger is closed'));
    this.lastAsk += 1;
    const message: Ask = { ask: this.lastAsk, what };
    return new Promise<T>((resolve, reject) => {
      this.asked.set(message.ask, { resolve, reject });
      this.worker.postMessage(message);
    });
  }

  /**
   * The same, in its place among the writes: answered with all that was handed over before it, and nothing that was after.
   * Rejects with `LedgerUnavailable` when what was before it cannot be written.
   */
  askInOrder<T>(what: Ask['what']): Promise<T> {
    if (this.trouble === null && this.queue.length === 0 && this.underWay === null) return this.ask<T>(what);
    if (this.dead || this.closing || this.trouble !== null) return Promise.reject(new LedgerUnavailable(this.trouble ?? 'the ledger is closing'));
    return new Promise<T>((resolve, reject) => {
      this.queue.push({ op: null, draft: null, ask: what, kept: false, again: false, resolve: () => this.ask<T>(what).then(resolve, reject), reject });
      this.questions += 1;
      this.urgent += 1;
      this.schedule();
    });
  }

  health(): LedgerHealth {
    return {
      writable: this.trouble === null && !this.dead,
      queued: this.queue.length + (this.underWay?.length ?? 0),
      lastCommitMs: this.lastCommitMs,
      trouble: this.trouble,
    };
  }

  /** Writes what waits, then ends the thread. What still cannot be written is given up, and a start will find those calls open. */
  async close(): Promise<void> {
    if (this.closing || this.dead) return;
    this.closing = true;
    if (this.trouble !== null) this.retryNow();
    else this.schedule();
    if (this.queue.length > 0 || this.underWay !== null) await new Promise<void>((resolve) => this.idle.push(resolve));
    if (this.dead) return;
    const exited = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    await this.ask({ kind: 'close' });
    await exited;
    this.dead = true;
  }

  /** Once per turn of the event loop: calls that came in together share a commit, and a lone one waits for nothing. */
  private schedule(): void {
    if (this.scheduled || this.underWay !== null || this.trouble !== null) return;
    this.scheduled = true;
    setImmediate(this.onTurn);
  }

  private readonly onTurn = (): void => {
    this.scheduled = false;
    if (this.underWay !== null || this.trouble !== null || this.queue.length === 0) return;
    const waits = this.closing ? 0 : this.pace.waitMs(this.urgent, performance.now());
    if (waits <= 0) this.send();
    else this.gathering ??= setTimeout(this.onGathered, waits);
  };

  private readonly onGathered = (): void => {
    this.gathering = null;
    if (this.underWay === null && this.trouble === null && this.queue.length > 0) this.send();
  };

  private scheduleLater(): void {
    if (this.patience === null) this.patience = setTimeout(() => this.patienceEnded(), PATIENCE_MS);
  }

  private patienceEnded(): void {
    this.patience = null;
    if (this.queue.length > 0) this.schedule();
  }

  private send(): void {
    if (this.patience !== null) {
      clearTimeout(this.patience);
      this.patience = null;
    }
    const most = this.questions === 0 ? BATCH_LIMIT : Math.min(BATCH_LIMIT, this.putQuestions());
    if (this.queue.length === 0) {
      this.urgent = 0;
      return this.nowIdle();
    }
    const taken = this.queue.length <= most ? this.queue : this.queue.slice(0, most);
    this.queue = this.queue.length <= most ? [] : this.queue.slice(most);
    const batch = taken.every(isMade) ? taken : taken.filter(isMade);
    this.underWay = batch;
    if (this.gathering !== null) {
      clearTimeout(this.gathering);
      this.gathering = null;
    }
    this.pace.started(this.urgent, performance.now());
    this.urgent = this.queue.length;
    // What is tried again stands at the front of the queue.
    const fresh = batch.findIndex((p) => !p.again);
    this.worker.postMessage({ again: fresh === -1 ? batch.length : fresh, ops: JSON.stringify(batch.map((p) => p.op)) });
  }

  /** Puts the questions at the front of the queue: all that was before them is committed. @returns how many operations stand before the next */
  private putQuestions(): number {
    while (this.queue[0]?.ask !== undefined) {
      this.questions -= 1;
      (this.queue.shift() as Pending).resolve();
    }
    const next = this.questions === 0 ? -1 : this.queue.findIndex((pending) => pending.ask !== undefined);
    return next === -1 ? Infinity : next;
  }

  private receive(message: FromWriter): void {
    if (typeof message === 'number') this.committed(message, []);
    else if ('committedMs' in message) this.committed(message.committedMs, message.failed);
    else if ('trouble' in message) this.failed(message.trouble);
    else if ('answer' in message) {
      const asked = this.asked.get(message.answer);
      this.asked.delete(message.answer);
      if ('error' in message) asked?.reject(new Error(message.error));
      else asked?.resolve(message.value as never);
    } else if ('log' in message) {
      const { level, event, ...fields } = message.log;
      this.log[level](event, fields);
    }
  }

  private committed(ms: number, failed: readonly OpFailure[]): void {
    const batch = this.underWay ?? [];
    this.underWay = null;
    this.lastCommitMs = ms;
    this.onCommit?.(ms);
    if (this.trouble !== null) {
      this.trouble = null;
      this.log.info('ledger_writable_again', { count: batch.length });
    }
    // The next commit starts before this one's callers run.
    if (this.queue.length > 0) this.onTurn();
    const failures = failed.length === 0 ? null : new Map(failed.map((f) => [f.index, f]));
    for (let i = 0; i < batch.length; i++) {
      const pending = batch[i] as Pending;
      const failure = failures?.get(i);
      if (failure !== undefined) {
        pending.reject(new OperationFailed(failure));
        continue;
      }
      this.learnPrices(pending.op!);
      pending.resolve();
    }
    if (this.queue.length === 0 && this.underWay === null) this.nowIdle();
  }

  private learnPrices(op: Op): void {
    const learn = (ref: PriceRef): void => {
      if (ref[1] !== null) this.knownPrices.add(ref[0]);
    };
    if (op[0] === OP.open) {
      const price = op[op.length - 1] as PriceRef | null;
      if (price !== null) learn(price);
    } else if (op[0] === OP.settle) (op[op.length - 2] as PriceRef[]).forEach(learn);
    else if (op[0] === OP.batchPromise) op[5].forEach(([, , , , , price]) => price !== null && learn(price));
    else if (op[0] === OP.correct) (op[op.length - 1] as PriceRef[]).forEach(learn);
  }

  /** Nothing of the batch under way was written. Settlements and their like stay and are tried again; all else hears of it. */
  private failed(trouble: string): void {
    if (this.trouble === null) this.log.error('ledger_unwritable', { detail: trouble });
    this.trouble = trouble;
    const all = [...(this.underWay ?? []).map((p) => Object.assign(p, { again: true })), ...this.queue];
    this.underWay = null;
    this.queue = all.filter((p) => p.kept);
    this.questions = 0;
    for (const p of all) if (!p.kept) p.reject(new LedgerUnavailable(trouble));
    if (this.closing) {
      this.die(trouble);
      return;
    }
    this.retry = setTimeout(() => this.retryNow(), RETRY_MS);
  }

  private retryNow(): void {
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    if (this.underWay !== null) return;
    // With nothing to write there would be nothing to find out by.
    if (this.queue.length === 0) this.queue.push({ op: [OP.probe, Date.now()], draft: null, kept: false, again: false, resolve: () => {}, reject: () => {} });
    this.send();
  }

  /** The end of all writing. */
  private die(trouble: string): void {
    if (this.dead) return;
    this.dead = true;
    this.trouble = trouble;
    if (this.retry !== null) clearTimeout(this.retry);
    const lost = [...(this.underWay ?? []), ...this.queue];
    this.log.error('ledger_stopped', { count: lost.length, detail: trouble });
    this.queue = [];
    this.underWay = null;
    for (const p of lost) p.reject(new LedgerUnavailable(trouble));
    for (const { reject } of this.asked.values()) reject(new LedgerUnavailable(trouble));
    this.asked.clear();
    this.nowIdle();
    void this.worker.terminate();
    if (!this.closing) this.onDeath(trouble);
  }

  private nowIdle(): void {
    for (const resolve of this.idle.splice(0)) resolve();
  }
}
