// server/reconcile/reconciler.ts: asks for the provider's reports once an hour, and sets the ledger's days beside them.

import type { Provider } from '../domain/batch.ts';
import { DAY_MS, HOUR_MS } from '../domain/durations.ts';
import { epochMs, type Clock, type EpochMs } from '../domain/ids.ts';
import type { Log } from '../domain/observer.ts';
import type { Billed, ReconciledDay, Reconciler, Reconciliation } from '../domain/reconciliation.ts';
import type { Filter, Reports } from '../domain/reports.ts';
import type { Settings } from '../domain/settings.ts';
import { NOTHING_BILLED, plus, readReports, ReportUnreadable, utcDay, type BilledByDay } from './provider-reports.ts';

/** Reports run some minutes to some hours late; a day that changes afterwards is read again with every look. */
const SETTLED_AFTER_MS = 3 * HOUR_MS;
const DAYS = 14;
/** The reports may be asked for once a minute. */
const PAUSE_MS = 60_000;
/** The start belongs to calls. */
const FIRST_LOOK_MS = 5_000;

export interface ReconcilerOptions {
  readonly settings: () => Settings;
  readonly provider: Provider;
  readonly reports: Pick<Reports, 'usage'>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RunningReconciler extends Reconciler {
  start(): void;
  /** After a reload of the config. */
  configured(): void;
  close(): void;
}

export function createReconciler(options: ReconcilerOptions): RunningReconciler {
  const { settings, clock, log } = options;
  let latest: Reconciliation = { at: null, trouble: null, days: [] };
  let looking: Promise<Reconciliation> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let first: NodeJS.Timeout | null = null;
  let asked = '';
  let triedAt = -Infinity;

  const lookOnce = async (): Promise<Reconciliation> => {
    const { adminKey } = settings().reconciliation;
    if (adminKey === null) return (latest = { at: null, trouble: null, days: [] });
    const now = clock.now();
    const to = utcDay(now - SETTLED_AFTER_MS);
    const from = epochMs(to - DAYS * DAY_MS);
    try {
      const bills = await readReports({ provider: options.provider, adminKey, from, to });
      latest = { at: now, trouble: null, days: await compared(bills, from, to, options) };
    } catch (error) {
      const trouble = error instanceof ReportUnreadable ? error.message : error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown';
      log.warn('reconciliation_failed', { detail: trouble });
      latest = { ...latest, trouble };
    }
    return latest;
  };
  const look = (): Promise<Reconciliation> => {
    if (looking !== null) return looking;
    if (clock.monotonic() - triedAt < PAUSE_MS) return Promise.resolve(latest);
    triedAt = clock.monotonic();
    return (looking = lookOnce().finally(() => (looking = null)));
  };
  const wanted = (): string => JSON.stringify([settings().reconciliation.adminKey, ...settings().reconciliation.workspaces]);

  return {
    get enabled() {
      return settings().reconciliation.adminKey !== null;
    },
    latest: () => latest,
    look,
    start() {
      asked = wanted();
      first = setTimeout(() => void look(), FIRST_LOOK_MS).unref();
      timer = setInterval(() => void look(), HOUR_MS).unref();
    },
    configured() {
      if (wanted() === asked) return;
      asked = wanted();
      triedAt = -Infinity;
      void look();
    },
    close() {
      for (const each of [first, timer]) if (each !== null) clearTimeout(each);
    },
  };
}

/** The latest day first; a day on which neither side has anything is left out. */
async function compared(bills: BilledByDay, from: EpochMs, to: EpochMs, { settings, reports }: ReconcilerOptions): Promise<readonly ReconciledDay[]> {
  const groups = groupsOf(settings().reconciliation.workspaces);
  const rows: ReconciledDay[] = [];
  for (let day = to - DAY_MS; day >= from; day -= DAY_MS) {
    const ours = await ledgerOf(epochMs(day), reports);
    for (const { providerWorkspace, workspaces } of groups) {
      const billed = [...(bills.get(day) ?? [])].filter(([name]) => providerWorkspace === null || name === providerWorkspace).map(([, bill]) => bill);
      const own = [...ours].filter(([name]) => providerWorkspace === null || workspaces.includes(name)).map(([, bill]) => bill);
      if (billed.length === 0 && own.length === 0) continue;
      rows.push({ day: epochMs(day), providerWorkspace, workspaces, ledger: own.reduce<Billed>(plus, NOTHING_BILLED), estimated: own.reduce((sum, { estimated }) => sum + estimated, 0n) as ReconciledDay['estimated'], provider: billed.reduce<Billed>(plus, NOTHING_BILLED) });
    }
  }
  return rows;
}

interface Group {
  readonly providerWorkspace: string | null;
  readonly workspaces: readonly string[];
}

/** Several of our workspaces may share one of the provider's, and are compared with it together. */
function groupsOf(workspaces: Settings['reconciliation']['workspaces']): readonly Group[] {
  if (workspaces.size === 0) return [{ providerWorkspace: null, workspaces: [] }];
  const theirs = [...new Set(workspaces.values())];
  return theirs.map((providerWorkspace) => ({ providerWorkspace, workspaces: [...workspaces].filter(([, to]) => to === providerWorkspace).map(([name]) => name) }));
}

async function ledgerOf(day: EpochMs, reports: Pick<Reports, 'usage'>): Promise<ReadonlyMap<string, Billed & { readonly estimated: bigint }>> {
  const { rows } = await reports.usage({ filter: dayFilter(day), groupBy: ['workspace'], limit: 10_000 });
  return new Map(rows.filter(({ requests, refused, cost }) => requests > refused || cost > 0n).map(({ group, cost, tokens, webSearches, estimatedCost }) => [String(group.workspace), { cost, tokens, webSearches, estimated: estimatedCost }]));
}

const dayFilter = (day: EpochMs): Filter => ({ from: day, to: epochMs(day + DAY_MS), workspace: [], workflow: [], user: [], model: [], key: [], outcome: [], session: [], action: [] });
