// server/http/admin/services.ts: what the admin port needs from the rest of the gateway, as contracts.

import type { Gate } from '../../domain/admission.ts';
import type { Advisor } from '../../domain/advice.ts';
import type { AlertDesk } from '../../domain/alert.ts';
import type { Standing } from '../../domain/budget.ts';
import type { KeyRing } from '../../domain/directory.ts';
import type { GrantBook } from '../../domain/grant.ts';
import type { Clock, EpochMs } from '../../domain/ids.ts';
import type { Ledger, Recovery } from '../../domain/ledger.ts';
import type { Nanodollars } from '../../domain/money.ts';
import type { Headroom, Log } from '../../domain/observer.ts';
import type { Planned, PlanTask } from '../../domain/plan.ts';
import type { CostLine, PriceRow, PriceWarning } from '../../domain/price.ts';
import type { ProviderQueue } from '../../domain/provider-queue.ts';
import type { Reconciler } from '../../domain/reconciliation.ts';
import type { BilledCall, Reports } from '../../domain/reports.ts';
import type { Reprice } from '../../domain/reprice.ts';
import type { Settings } from '../../domain/settings.ts';
import type { Verification } from '../../domain/verify.ts';

export interface AdminServices {
  /** The settings in force at this moment. */
  settings(): Settings;
  readonly clock: Clock;
  readonly reports: Reports;
  readonly ledger: Pick<Ledger, 'health' | 'audit'>;
  readonly keys: KeyRing;
  readonly gate: Pick<Gate, 'standings' | 'buckets'>;
  readonly grants: GrantBook;
  readonly headroom: Pick<Headroom, 'rows'>;
  readonly queue: Pick<ProviderQueue, 'rows'>;
  /** What is left of the budget of further tries, by provider key; none where none are configured. */
  retriesLeft(): readonly { readonly credential: string; readonly tries: number }[];
  readonly alerts: AlertDesk;
  readonly advisor: Advisor;
  /** Every row of the price book in force, past and coming dates included. */
  priceRows(): readonly PriceRow[];
  /** The bill of a stored call, line by line, from its parts and the prices stored with it. */
  explain(detail: BilledCall): readonly CostLine[];
  /** What a task will cost at the prices of an instant. */
  plan(task: PlanTask, at: EpochMs): Planned;
  /** What the price book lacks for the models that calls of a time used. */
  pricesCheck(used: readonly { readonly model: string; readonly calls: number }[], at: EpochMs, maxAgeDays: number): readonly PriceWarning[];
  /** Prices the settled calls of a time again; null while a run is under way. */
  reprice(options: { readonly from: EpochMs; readonly to: EpochMs; readonly dryRun: boolean; readonly actor: string }): { now(): Reprice; readonly ended: Promise<Reprice> } | null;
  /** The latest run, or the one under way; null when there was none since the start. */
  lastReprice(): Reprice | null;
  /** Works the ledger out anew and says what differs; null while a check is under way. @param range null: everything that is kept */
  verify(range: { readonly from: EpochMs; readonly to: EpochMs } | null): { now(): Verification; readonly ended: Promise<Verification> } | null;
  lastVerification(): Verification | null;
  readonly reconciler: Reconciler;
  /** Null while there is too little to go by. */
  forecast(standing: Standing): Promise<{ readonly p50: Nanodollars; readonly p90: Nanodollars } | null>;
  /** The text of a scrape; `accept` is the header of whoever asks. */
  metrics(accept: string | undefined): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Writes a consistent copy of the database and says where. @throws when the copy could not be made */
  backup(): Promise<{ readonly file: string; readonly bytes: number }>;
  gateway(): GatewayState;
  readonly log: Log;
  readonly version: string;
  /** Where the built dashboard lies; the folder need not exist. */
  readonly webDir: string;
}

/** How the gateway is doing, as only the one who put it together knows. */
export interface GatewayState {
  readonly startedAt: EpochMs;
  /** What an app sets as its base URL, e.g. `http://127.0.0.1:4100`. */
  readonly baseUrl: string;
  readonly draining: boolean;
  readonly inFlight: number;
  readonly openHolds: number;
  /** Null when it cannot be told. */
  readonly databaseBytes: number | null;
  readonly recovery: Recovery;
  readonly configLoadedAt: EpochMs;
  /** Null before the first reload. `error` null: it went well. */
  readonly lastReload: { readonly at: EpochMs; readonly error: string | null } | null;
  /** Calls of models that the price book does not know, since the start. */
  readonly ceilingPriced: number;
}
