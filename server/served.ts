// server/served.ts: what serving a call takes: the call as the data port hands it over, what was read of it, and the rooms that serve it.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Desk } from './batch/desk.ts';
import type { BatchQuote } from './batch/quote-batch.ts';
import type { Gate } from './domain/admission.ts';
import type { BatchCare } from './domain/batch.ts';
import type { Ask, BatchItemAsk, ClaimedTags, Credentials, Route } from './domain/call.ts';
import type { Directory } from './domain/directory.ts';
import type { CallId, Clock, EpochMs, KeyId } from './domain/ids.ts';
import type { Ledger } from './domain/ledger.ts';
import type { OpenMeter } from './domain/meter.ts';
import type { Headroom, Log, Observer } from './domain/observer.ts';
import type { Pricing } from './domain/price.ts';
import type { ProviderQueue } from './domain/provider-queue.ts';
import type { Refusal, Verdict } from './domain/refusal.ts';
import type { Roster } from './domain/roster.ts';
import type { Settings } from './domain/settings.ts';
import type { CallTrace, Tracing } from './domain/trace.ts';
import type { Drains } from './forward/drains.ts';
import type { OnTheWire } from './forward/exchange.ts';
import type { Upstream } from './forward/upstream.ts';
import type { PromptLayout } from './identify/prompt-layout.ts';

/** One request, as the data port hands it over: routed, and nothing more. */
export interface Call {
  readonly id: CallId;
  readonly admittedAt: EpochMs;
  /** Milliseconds on the monotonic clock. */
  readonly receivedAt: number;
  readonly route: Route;
  /** The path upstream, with its query string. */
  readonly target: string;
  readonly credentials: Credentials;
  readonly claimed: ClaimedTags;
  readonly clientRetry: number | null;
  /** Null where traces are off: what the client sent of one passes as it came. */
  readonly trace: CallTrace | null;
  readonly request: IncomingMessage;
  readonly reply: ServerResponse;
  /** Fires when the client leaves. */
  readonly gone: AbortSignal;
  /** The most bytes of a body that its route takes. */
  readonly bodyLimit: number;
  /** Reads the body whole; called at most once, only where the route inspects it. */
  readBody(): Promise<Verdict<{ readonly bytes: Buffer; release(): void }>>;
  /** Answers with our own no, which names the call by itself. `tags`: further headers, name, value, name, value… */
  refuse(refusal: Refusal, tags: readonly string[]): void;
}

export interface Services {
  readonly settings: () => Settings;
  readonly clock: Clock;
  readonly directory: Directory;
  readonly gate: Gate;
  readonly pricing: () => Pricing;
  readonly ledger: Ledger;
  readonly upstream: Upstream;
  readonly openMeter: OpenMeter;
  readonly headroom: Headroom;
  readonly queue: ProviderQueue;
  readonly desk: Desk;
  readonly batches: BatchCare;
  readonly observer: Observer;
  /** Hears of every request that came with a key of ours. */
  readonly keyUsed: (key: KeyId, from: IncomingMessage, at: EpochMs) => void;
  readonly telemetry: { readonly tracing: Tracing | null };
  readonly log: Log;
  /** The key that prefixes of prompts are hashed with, 43 characters of base64url. */
  readonly prefixKey: string;
  /** Answers that are read on after their client left. */
  readonly drains: Drains;
  /** Calls on the wire, for draining. */
  readonly onTheWire: Roster<OnTheWire>;
}

/** A body that was read for its governed fields. */
export interface InspectedBody {
  /** Null for a batch, whose items each have their own. */
  readonly ask: Ask | null;
  /** Null but for a batch. */
  readonly items: readonly BatchItemAsk[] | null;
  /** As received; what goes upstream unless the model is an alias. */
  readonly bytes: Buffer;
  /** Without its content-encoding; the same buffer where there is none. */
  readonly decoded: Buffer;
  /** Where the parts of the prompt stand in `decoded`; null where nobody wants to know. */
  readonly layout: PromptLayout | null;
  /** Milliseconds on the monotonic clock. */
  readonly readAt: number;
  release(): void;
}

/** A batch that is being created. */
export interface BatchCall {
  readonly quote: BatchQuote;
  /** True once the provider said that it has it, and it is cared for from there on. */
  taken: boolean;
}
