// server/domain/batch.ts: the contracts of batches under the gateway's care, and of who made what at the provider.

import type { StandingHold } from './admission.ts';
import type { Caller, Outcome } from './call.ts';
import type { CallId, EpochMs, WorkspaceId } from './ids.ts';
import type { Nanodollars } from './money.ts';
import type { ContainerUse, Cost, PriceRow, Quote } from './price.ts';

/** One model's part of a batch, with the price frozen at the creation. */
export interface BatchModel {
  /** As it was sent, aliases resolved. */
  readonly model: string;
  readonly items: number;
  /** The most that its items can cost together. */
  readonly held: Nanodollars;
  /** Null where another organization pays. */
  readonly row: PriceRow | null;
  readonly basis: Quote['basis'];
  /** A middling guess at the prompt of one item, for a result that tells no usage. */
  readonly likelyInputTokens: number;
  /** `charged` where any of its items pays for a container, as the results do not say which item is which; else `free` where one of them need not. */
  readonly container: ContainerUse;
}

/** A batch that the provider took, or was asked to take, and whose results are not booked yet. */
export interface Batch {
  /** The provider's id; while its creation is not answered, the id of that call. */
  readonly id: string;
  /** The call that created it. */
  readonly call: CallId;
  /** When that call was admitted: its items count in that instant's periods, at that instant's prices. */
  readonly createdAt: EpochMs;
  /** When the provider ends it at the latest. */
  readonly expiresAt: EpochMs;
  /** Its creator, whom the results are attributed to. */
  readonly caller: Omit<Caller, 'upstream'>;
  /** The name of the provider key that it was made with; null: the caller's own, which the gateway does not keep. */
  readonly credential: string | null;
  readonly models: readonly BatchModel[];
  /** What its results booked so far came to, by model; not empty only after a crash in the midst of booking. */
  readonly booked: ReadonlyMap<string, Nanodollars>;
}

/** One row to be booked from a batch: a succeeded item, or an estimate where results were never seen (`customId` null). */
export interface BatchItem {
  readonly id: CallId;
  readonly customId: string | null;
  /** Of the batch's models, the one that the item asked for. */
  readonly modelSent: string;
  readonly outcome: Outcome;
  readonly stopReason: string | null;
  readonly endedAt: EpochMs;
  readonly cost: Cost;
  /** The container for code that its answer names. Absent: none. It is no part of the row. */
  readonly containerId?: string;
}

/** `booked`: from its results. `estimated`: they could not be had, so that what was held is taken for the cost. */
export type BatchEnd = 'booked' | 'estimated';

/** What a workspace made at the provider, and with which of the provider keys (null: the caller's own). */
export interface ProviderObject {
  readonly id: string;
  readonly kind: 'batch' | 'file' | 'skill' | 'container';
  readonly workspace: WorkspaceId;
  readonly credential: string | null;
  readonly createdAt: EpochMs;
}

/** The batches and objects of the ledger. Every method rejects with `LedgerUnavailable` when the store cannot be written or asked. */
export interface BatchStore {
  /** Makes a batch durable that is about to be asked for, under its call's id: whatever becomes of the answer, its models are known. Call it after the call's own `open`. */
  promise(batch: Batch): Promise<void>;
  /** Gives a promised batch the name and the end that the provider told, and makes its owner durable. Kept in memory and tried again while the store is unwritable, as settlements are. */
  open(batch: Batch): Promise<void>;
  /** Takes a promise back: the provider did not take the batch. */
  withdraw(call: CallId): Promise<void>;
  /**
   * Writes the rows of items that were not booked before, their roll-ups and the batch's end (null: more will come), all in one
   * transaction. An item is known by the batch and its custom id. Writes nothing once the batch has ended.
   * @returns per item, whether it is new
   */
  book(batch: Batch, items: readonly BatchItem[], end: BatchEnd | null): Promise<readonly boolean[]>;
  /** Batches that are not booked yet, oldest first. */
  unfinished(): Promise<readonly Batch[]>;
  /** Notes who made an object. Kept and tried again like `open`. */
  own(object: ProviderObject): Promise<void>;
  disown(id: string): Promise<void>;
  /** The workspace of each object that the gateway knows; others are absent. */
  owners(ids: readonly string[]): Promise<ReadonlyMap<string, WorkspaceId>>;
}

/** A credential for one of the gateway's own calls: header name and value. */
export type OwnCredential = readonly (readonly [name: string, value: string])[];

/** The gateway's own calls to the provider, all of them free ones. */
export interface Provider {
  /** GET of a path at the configured origin. Rejects when no answer came; a body that breaks off throws while it is read. */
  get(path: string, credential: OwnCredential, signal: AbortSignal): Promise<{ readonly status: number; readonly body: AsyncIterable<Buffer> }>;
}

/** What the pipeline asks of those who look after batches. */
export interface BatchCare {
  /** Before a batch is asked for; see `BatchStore.promise`. Rejects with `LedgerUnavailable`. */
  promised(batch: Batch): Promise<void>;
  /** The provider did not take a promised batch. */
  refused(batch: Batch): void;
  /** Takes a batch into care. Resolves when it is durable, or after a few seconds all the same: the answer must not wait for ever. */
  opened(batch: Batch, hold: StandingHold): Promise<void>;
  /** An answer never came, or could not be read: the batch may run or not, and nothing tells it from others'. All that is held is taken for its cost, by model. */
  lost(batch: Batch, hold: StandingHold): void;
  /** A client with a credential of its own reads or downloads a batch: the one chance to book what the gateway has no key for. */
  seen(id: string, credential: OwnCredential): void;
  /** Books a batch before it is deleted. `busy`: it has not ended, so the provider will not delete it; `failed`: its results could not be booked now. */
  beforeDelete(id: string, credential: OwnCredential): Promise<'go' | 'busy' | 'failed'>;
  /** Batches in care now. */
  readonly open: number;
}
