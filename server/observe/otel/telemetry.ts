// server/observe/otel/telemetry.ts: OpenTelemetry, where the config asks for it. Off, it costs a look at a null.

import type { Clock } from '../../domain/ids.ts';
import type { Log, Observer } from '../../domain/observer.ts';
import type { Settings } from '../../domain/settings.ts';
import type { TelemetryCounts, Tracing } from '../../domain/trace.ts';
import { createLabels } from '../labels.ts';
import { serverOf, type Server, type ServerOf } from './call-span.ts';
import type { Otlp } from './otlp.ts';
import { Sending } from './sending.ts';

export interface Telemetry {
  /** Null while traces are off. */
  readonly tracing: Tracing | null;
  /** To be joined with the other observers. */
  readonly observer: Observer;
  readonly counts: TelemetryCounts;
  /** To be called with the first config and with every one after it: makes ready, and returns what puts it in force. Rejects with `TelemetryMissing`. */
  prepare(settings: Settings): Promise<() => void>;
  /** Sends what waits, for at most `withinMs`. */
  close(withinMs: number): Promise<void>;
}

export class TelemetryMissing extends Error {
  override readonly name = 'TelemetryMissing';
}

/** How long what waited for an older collector is still sent there after a reload. */
const FAREWELL_MS = 10_000;

/** @param bookName see `createLabels` */
export function createTelemetry({ log, clock, version, bookName }: { readonly log: Log; readonly clock: Clock; readonly version: string; bookName(model: string): string | null }): Telemetry {
  const sending = new Sending(log, () => clock.monotonic());
  const labels = createLabels(bookName);
  let running: { readonly otlp: Otlp; readonly key: string } | null = null;
  let servers: ReadonlyMap<string | null, Server> = new Map();
  // A call may end after a reload that took the place away that it went to.
  const serverNow: ServerOf = (failover) => servers.get(failover) ?? servers.get(null)!;

  /** Whatever a library may do: a call is settled and its money let go of on the same path. */
  const guarded = (tell: () => void): void => {
    try {
      tell();
    } catch (error) {
      sending.broke(error);
    }
  };

  const telemetry: { tracing: Tracing | null } & Omit<Telemetry, 'tracing'> = {
    tracing: null,
    observer: {
      started() {},
      settled(entry) {
        if (running !== null) guarded(() => running!.otlp.settled(entry));
      },
      refused(entry) {
        if (running !== null) guarded(() => running!.otlp.refused(entry));
      },
      turnedAway() {},
    },
    counts: sending.counts,
    async prepare(settings) {
      const { telemetry: wanted, upstream } = settings;
      const sdk = wanted === null ? null : await load();
      return () => {
        labels.configured(settings);
        servers = new Map([[null, serverOf(upstream.origin)], ...upstream.failover.map(({ id, origin }) => [id, serverOf(origin)] as const)]);
        const key = wanted === null ? null : keyOf(wanted);
        if (key === (running?.key ?? null)) return;
        const before = running;
        running = wanted === null || sdk === null ? null : { key: keyOf(wanted), otlp: sdk.startOtlp({ settings: wanted, version, labels, sending, serverOf: serverNow }) };
        telemetry.tracing = running?.otlp.tracing ?? null;
        if (before !== null) void within(before.otlp.close(), FAREWELL_MS);
      };
    },
    async close(withinMs) {
      const last = running;
      running = telemetry.tracing = null;
      if (last !== null) await within(last.otlp.close(), withinMs);
    },
  };
  return telemetry;
}

/** Everything that a change of would need another exporter. */
const keyOf = (wanted: NonNullable<Settings['telemetry']>): string => JSON.stringify({ ...wanted, headers: [...wanted.headers], resource: [...wanted.resource] });

async function load(): Promise<typeof import('./otlp.ts')> {
  try {
    return await import('./otlp.ts');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new TelemetryMissing('`telemetry` is configured, but the packages of OpenTelemetry are not installed: run `npm ci --include=optional`, or take `telemetry` out of the config.');
  }
}

async function within(done: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([done, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
