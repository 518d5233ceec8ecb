// server/settings/build.ts: the parsed config as the complete, readonly value that everything else reads.

import { DateTime } from 'luxon';
import type { Budget } from '../domain/budget.ts';
import { hashSecret, type VirtualKey } from '../domain/directory.ts';
import { DEFAULT_WORKSPACE, epochMs, type BudgetId, type EpochMs, type KeyId, type WorkflowId, type WorkspaceId } from '../domain/ids.ts';
import { nanodollars, usdNumber, type Nanodollars } from '../domain/money.ts';
import type { Channel, HostPort, LimitRule, Limits, Policy, Settings, TelemetrySettings, Workspace, WrittenConfig } from '../domain/settings.ts';
import type { Config } from './schema.ts';

/** What is decided outside the file. */
export interface Surroundings {
  /** Absolute. */
  readonly file: string;
  readonly digest: string;
  readonly written: WrittenConfig;
  /** Absolute. */
  readonly dataDir: string;
  /** Absolute. */
  readonly pricesFile: string;
  /** Absolute; null where the file names none. */
  readonly contractFile: string | null;
  readonly pricesDigest: string;
  /** Null takes the file's. */
  readonly listen: HostPort | null;
  readonly adminListen: HostPort | null;
}

/** Pure. The config has passed every check: nothing is checked here. */
export function buildSettings(config: Config, around: Surroundings): Settings {
  const { upstream } = config;
  return {
    file: around.file,
    digest: around.digest,
    written: around.written,
    listen: around.listen ?? config.listen,
    admin: { listen: around.adminListen ?? config.admin.listen, token: config.admin.token === '' ? null : config.admin.token, hosts: config.admin.hosts },
    publicUrl: config.public_url ?? null,
    access: config.access,
    timezone: config.timezone,
    dataDir: around.dataDir,
    upstream: {
      origin: upstream.origin,
      keys: filled(upstream.keys),
      connectTimeoutMs: upstream.connect_timeout,
      streamHeadersTimeoutMs: upstream.stream_headers_timeout,
      headersTimeoutMs: upstream.headers_timeout,
      idleTimeoutMs: upstream.idle_timeout,
      connections: upstream.connections ?? config.max_in_flight,
      retry: { on: new Set(upstream.retry.on), most: upstream.retry.most, budget: upstream.retry.budget / 1_000_000, maxWaitMs: upstream.retry.max_wait },
      queue: { below: upstream.queue.below / 1_000_000, maxWaitMs: upstream.queue.max_wait, length: upstream.queue.length ?? Math.max(1, Math.floor(config.max_in_flight / 4)) },
      failover: upstream.failover.map(({ id, origin, keys }) => ({ id, origin: origin ?? upstream.origin, keys: filled(keys) })),
    },
    prices: { file: around.pricesFile, contract: around.contractFile, digest: around.pricesDigest, unknownModel: config.prices.unknown_model, assumeUsInference: config.prices.assume_us_inference },
    workspaces: workspacesOf(config),
    keys: config.keys.map((key) => virtualKey(key, config.timezone)),
    budgets: config.budgets.map(budgetOf),
    limitRules: config.limits.map(limitRuleOf),
    alerts: {
      channels: Object.entries(config.alerts.channels).map(([id, channel]) => channelOf(id, channel, config.timezone)),
      anomaly: {
        enabled: config.alerts.anomaly.enabled,
        floorUsdPerHour: usdNumber(config.alerts.anomaly.floor_usd_per_hour),
        mad: config.alerts.anomaly.deviations,
        weeks: config.alerts.anomaly.weeks,
        forMs: config.alerts.anomaly.for,
      },
      rules: alertRulesOf(config.alerts.rules),
      notify: config.alerts.notify ?? null,
      privateAddresses: config.alerts.private_addresses,
      dashboardUrl: config.alerts.dashboard_url ?? null,
      gatherMs: config.alerts.group,
    },
    reconciliation: { adminKey: config.reconciliation.admin_key === '' ? null : config.reconciliation.admin_key, workspaces: new Map(Object.entries(config.reconciliation.workspaces)) },
    retention: { requestsDays: config.retention.requests_days },
    telemetry: telemetryOf(config.telemetry),
    savings: { prefixHashes: config.savings.prefix_hashes },
    batches: { pollMs: config.batches.poll },
    onAbort: config.on_abort,
    drainAbort: { max: config.drain_abort.max, forMs: config.drain_abort.for },
    body: { messagesBytes: config.body.messages, batchesBytes: config.body.batches, filesBytes: config.body.files, heldBytes: config.body.held },
    clients: {
      headersTimeoutMs: config.clients.headers_timeout,
      bodyBytesPerSecond: config.clients.body_rate,
      writeStallMs: config.clients.write_stall,
      connections: config.clients.connections,
      connectionsPerAddress: config.clients.connections_per_address ?? null,
    },
    maxInFlight: config.max_in_flight,
    drainMs: config.drain,
    ledger: config.ledger,
    log: config.log,
  };
}

/** A name whose variable was empty is as if it were not there. */
const filled = (secrets: Readonly<Record<string, string>>): ReadonlyMap<string, string> => new Map(Object.entries(secrets).filter(([, secret]) => secret !== ''));

function telemetryOf(written: Config['telemetry']): TelemetrySettings | null {
  if (written === undefined || written.otlp.endpoint === '') return null;
  const { otlp, traces, metrics } = written;
  return {
    endpoint: otlp.endpoint,
    protocol: otlp.protocol,
    headers: filled(otlp.headers),
    timeoutMs: otlp.timeout,
    compression: otlp.compression,
    traces: traces.enabled ? { sample: traces.sample / 1_000_000 } : null,
    metrics: metrics.enabled ? { intervalMs: metrics.interval, temporality: metrics.temporality } : null,
    resource: new Map(Object.entries(written.resource_attributes)),
  };
}

function channelOf(id: string, { type, min_severity, quiet, repeat, fallback, ...fields }: Config['alerts']['channels'][string], zone: string): Channel {
  return {
    id,
    type,
    fields: new Map(Object.entries(fields)),
    minSeverity: min_severity,
    quiet: quiet === undefined ? null : { ...quiet, timezone: quiet.timezone ?? zone },
    repeatMs: repeat ?? null,
    fallback: fallback ?? null,
  };
}

function alertRulesOf(rules: Config['alerts']['rules']): Settings['alerts']['rules'] {
  const { errors, first_token, headroom } = rules;
  return {
    pace: { ...rules.pace, spent: rules.pace.spent / 1_000_000 },
    forecast: rules.forecast,
    budgetRefusing: rules.budget_refusing,
    errors: { enabled: errors.enabled, objective: errors.objective / 1_000_000, leastBad: errors.least },
    firstToken: { enabled: first_token.enabled, objective: first_token.objective / 1_000_000, slowerThanMs: first_token.slower_than, leastBad: first_token.least },
    headroom: { enabled: headroom.enabled, warnBelow: headroom.warn_below / 1_000_000, criticalBelow: headroom.critical_below / 1_000_000, limitedRatio: headroom.limited / 1_000_000 },
    providerCap: rules.provider_cap,
    keyUnused: { enabled: rules.key_unused.enabled, afterDays: [...rules.key_unused.after_days].sort((a, b) => a - b) },
    keyLeak: rules.key_leak,
    noTraffic: { enabled: rules.no_traffic.enabled, leastCalls: rules.no_traffic.least },
    unpriced: rules.unpriced,
    usageMissing: { enabled: rules.usage_missing.enabled, above: rules.usage_missing.above / 1_000_000, least: rules.usage_missing.least },
    ledger: rules.ledger,
    priceBook: { enabled: rules.price_book.enabled, afterDays: rules.price_book.after_days },
    reconciliation: { enabled: rules.reconciliation.enabled, above: rules.reconciliation.above / 1_000_000, floorUsd: usdNumber(rules.reconciliation.floor_usd) },
    delivery: rules.delivery,
  };
}

function workspacesOf(config: Config): ReadonlyMap<WorkspaceId, Workspace> {
  const workspaces = config.workspaces.map((written): Workspace => ({
    id: written.id as WorkspaceId,
    upstreamKey: written.upstream_key,
    ...policyOf(written),
    workflows: (written.workflows ?? []).map((workflow) => ({ id: workflow.id as WorkflowId, ...policyOf(workflow) })),
    openWorkflows: written.open_workflows ?? written.workflows === undefined,
  }));
  const byId = new Map(workspaces.map((workspace) => [workspace.id, workspace]));
  const needsDefault = config.access === 'open' || workspaces.length === 0;
  if (needsDefault && !byId.has(DEFAULT_WORKSPACE)) byId.set(DEFAULT_WORKSPACE, FIRST_WORKSPACE);
  return byId;
}

/** Where calls belong before anyone has declared a workspace. */
const FIRST_WORKSPACE: Workspace = {
  id: DEFAULT_WORKSPACE,
  upstreamKey: 'default',
  models: { allow: null, deny: [], alias: new Map() },
  limits: { requestsPerMinute: null, inputTokensPerMinute: null, outputTokensPerMinute: null, concurrent: null },
  maxOutputTokens: null,
  workflows: [],
  openWorkflows: true,
};

const policyOf = (written: Pick<Config['workspaces'][number], 'models' | 'limits' | 'features' | 'cheaper_models' | 'unbounded_hold_usd' | 'max_output_tokens' | 'priority'>): Policy => ({
  models: { allow: written.models.allow ?? null, deny: written.models.deny, alias: new Map(Object.entries(written.models.alias)), ...rehearsed(written.models) },
  limits: limitsOf(written.limits),
  ...(written.features === undefined ? {} : { features: { allow: written.features.allow, deny: written.features.deny, ...rehearsed(written.features) } }),
  ...(written.cheaper_models === undefined ? {} : { cheaper: { budget: written.cheaper_models.budget as BudgetId, at: written.cheaper_models.at, models: new Map(Object.entries(written.cheaper_models.models)), ...rehearsed(written.cheaper_models) } }),
  ...(written.unbounded_hold_usd === undefined ? {} : { flatHold: written.unbounded_hold_usd }),
  ...(written.priority === undefined ? {} : { priority: written.priority }),
  ...mostOutput(written.max_output_tokens),
});

const limitsOf = (written: Config['workspaces'][number]['limits']): Limits => ({
  requestsPerMinute: written.requests_per_minute ?? null,
  inputTokensPerMinute: written.input_tokens_per_minute ?? null,
  outputTokensPerMinute: written.output_tokens_per_minute ?? null,
  concurrent: written.concurrent ?? null,
  ...rehearsed(written),
});

const limitRuleOf = (written: Config['limits'][number]): LimitRule => ({
  id: written.id,
  scope: { workspace: written.scope.workspace ?? null, workflow: written.scope.workflow ?? null, key: written.scope.key ?? null, modelClass: written.scope.model_class ?? null },
  each: written.each ?? null,
  limits: limitsOf(written),
});

/** Absent where a rule is meant as it stands, so that it reads as such. */
const rehearsed = ({ dry_run }: { readonly dry_run: boolean }): { dryRun?: true } => (dry_run ? { dryRun: true } : {});

const mostOutput = (written: Config['workspaces'][number]['max_output_tokens']): Pick<Policy, 'maxOutputTokens' | 'maxOutputDryRun'> =>
  typeof written === 'object' ? { maxOutputTokens: written.most, ...(written.dry_run ? { maxOutputDryRun: true } : {}) } : { maxOutputTokens: written ?? null };

function virtualKey(written: Config['keys'][number], zone: string): VirtualKey {
  // A key that is bound to a workflow may name no other unless it says so; one that is not may name any.
  const others = written.workflow === undefined ? null : [];
  return {
    id: written.id as KeyId,
    workspace: written.workspace as WorkspaceId,
    workflow: (written.workflow ?? null) as WorkflowId | null,
    workflows: (written.workflows as WorkflowId[] | undefined) ?? others,
    secretHash: hashSecret(written.secret),
    origin: 'config',
    createdAt: null,
    expiresAt: written.expires === undefined ? null : expiryOf(written.expires, zone),
    revokedAt: null,
    lastUsedAt: null,
    hint: null,
  };
}

/** The instant of an ISO 8601 day or time, in `zone` where it names no offset; null when it is neither. */
export function expiryOf(text: string, zone: string): EpochMs | null {
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return null;
  const at = DateTime.fromISO(text, { zone });
  return at.isValid ? epochMs(at.toMillis()) : null;
}

/** A share in millionths. */
const shareOf = (amount: Nanodollars, millionths: number): Nanodollars => nanodollars((amount * BigInt(millionths)) / 1_000_000n);

/** A quarter. */
const DEFAULT_OVERSHOOT = 250_000;

function budgetOf(written: Config['budgets'][number]): Budget {
  const { scope } = written;
  return {
    id: written.id as BudgetId,
    scope: { workspace: scope.workspace ?? null, workflow: scope.workflow ?? null, key: scope.key ?? null, user: scope.user ?? null, model: scope.model ?? null },
    limit: written.limit_usd,
    period: written.period,
    mode: written.mode,
    tolerance: shareOf(written.limit_usd, written.tolerance),
    ...(written.hold === 'worst_case' ? {} : { expected: { overshoot: shareOf(written.limit_usd, written.overshoot ?? DEFAULT_OVERSHOOT) } }),
    alertAt: written.alert_at.map((millionths) => millionths / 1_000_000),
    alertForecast: written.alert_forecast,
    notify: written.notify ?? null,
    ...rehearsed(written),
  };
}
