// test/settings/settings.test.ts: what a right config puts in force.

import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { hashSecret } from '../../server/domain/directory.ts';
import type { KeyId, WorkspaceId } from '../../server/domain/ids.ts';
import type { Settings } from '../../server/domain/settings.ts';
import { digestOfFiles, loadText, type Overrides } from '../../server/settings/load.ts';
import { mistakeText } from '../../server/settings/mistakes.ts';

function settingsOf(text: string, env: Record<string, string> = {}, overrides: Overrides = {}): Settings {
  const loaded = loadText({ file: 'config/tollgate.yaml', text, env, overrides, exists: () => true });
  if (!loaded.ok) throw new Error(loaded.mistakes.map(mistakeText).join('\n'));
  return loaded.settings;
}

const DOCUMENTED = `
listen: 127.0.0.1:4100
admin: { listen: 127.0.0.1:4101, token: "\${TOLLGATE_ADMIN_TOKEN:-}", hosts: [Tollgate.Example.com] }
access: open                      # open | keys
timezone: Europe/Berlin           # cuts days and months for budgets and reports
upstream:
  origin: https://api.anthropic.com
  keys: { default: "\${ANTHROPIC_API_KEY:-}" }     # a workspace may name its own
prices: { file: config/prices.yaml, unknown_model: ceiling }   # ceiling | refuse
workspaces:
  - id: support
    upstream_key: default
    models: { allow: ["claude-haiku-4-5*", "claude-sonnet-4-6"], deny: [], alias: { fast: claude-haiku-4-5 } }
    limits: { requests_per_minute: 600, input_tokens_per_minute: 400000, output_tokens_per_minute: 80000, concurrent: 50 }
    max_output_tokens: 8192
    workflows:
      - id: ticket-triage
        models: { allow: ["claude-haiku-4-5*"] }
keys:
  - { id: triage-prod, workspace: support, workflow: ticket-triage, secret: "\${TRIAGE_KEY}" }
budgets:
  - id: support-month
    scope: { workspace: support }
    limit_usd: 400
    period: month
    mode: hard
    tolerance: 0%
    alert_at: [50%, 80%, 100%]
    alert_forecast: true
    notify: [ops-slack]
alerts:
  channels:
    ops-slack: { type: slack, url: "\${SLACK_URL}" }
  anomaly: { enabled: true, floor_usd_per_hour: 5 }
retention: { requests_days: 90 }
`;
const ENV = { TRIAGE_KEY: 'a-secret-of-some-length', SLACK_URL: 'https://hooks.example/1', ANTHROPIC_API_KEY: 'sk-ant-1' };

const ALERT_DEFAULTS = {
  anomaly: { enabled: true, floorUsdPerHour: 5, mad: 4, weeks: 8, forMs: 1_200_000 },
  rules: {
    pace: { enabled: true, spent: 0.5, factor: 2 },
    forecast: { enabled: true },
    budgetRefusing: { enabled: true },
    errors: { enabled: true, objective: 0.99, leastBad: 10 },
    firstToken: { enabled: true, objective: 0.95, slowerThanMs: 10_000, leastBad: 20 },
    headroom: { enabled: true, warnBelow: 0.2, criticalBelow: 0.1, limitedRatio: 0.01 },
    providerCap: { enabled: true },
    keyUnused: { enabled: true, afterDays: [30, 90] },
    keyLeak: { enabled: true },
    noTraffic: { enabled: true, leastCalls: 50 },
    unpriced: { enabled: true },
    usageMissing: { enabled: true, above: 0.01, least: 5 },
    ledger: { enabled: true },
    priceBook: { enabled: true, afterDays: 30 },
    reconciliation: { enabled: true, above: 0.02, floorUsd: 1 },
    delivery: { enabled: true },
  },
  notify: null,
  privateAddresses: false,
  dashboardUrl: null,
  gatherMs: 30_000,
};

test('what a channel may say of when and how often it is told', () => {
  const quiet = 'quiet: { from: "20:00", to: "07:30", days: [mon, fri], bypass: critical }';
  const settings = settingsOf(`timezone: Europe/Berlin\nalerts:\n  channels:\n    a: { type: webhook, url: https://hooks.example/1, min_severity: warning, ${quiet}, repeat: 24h, fallback: b }\n    b: { type: pagerduty, routing_key: 0123456789abcdef0123456789abcdef }\n`);
  expect(settings.alerts.channels[0]).toMatchObject({
    minSeverity: 'warning', repeatMs: 86_400_000, fallback: 'b',
    quiet: { timezone: 'Europe/Berlin', days: ['mon', 'fri'], from: 1200, to: 450, bypass: 'critical' },
  });
  expect(settings.alerts.channels[1]?.fields.get('url')).toBe('https://events.pagerduty.com/v2/enqueue');
});

test('the documented example is in force as it is written', () => {
  const settings = settingsOf(DOCUMENTED, ENV);
  expect(settings).toMatchObject({
    listen: { host: '127.0.0.1', port: 4100 },
    admin: { listen: { host: '127.0.0.1', port: 4101 }, token: null, hosts: ['tollgate.example.com'] },
    access: 'open',
    timezone: 'Europe/Berlin',
    upstream: { origin: 'https://api.anthropic.com', keys: new Map([['default', 'sk-ant-1']]) },
    prices: { file: resolve('config/prices.yaml'), contract: null, digest: digestOfFiles([resolve('config/prices.yaml'), null]), unknownModel: 'ceiling', assumeUsInference: false },
    retention: { requestsDays: 90 },
    telemetry: null,
    savings: { prefixHashes: true },
  });
  const support = settings.workspaces.get('support' as WorkspaceId)!;
  expect(support).toEqual({
    id: 'support',
    upstreamKey: 'default',
    models: { allow: ['claude-haiku-4-5*', 'claude-sonnet-4-6'], deny: [], alias: new Map([['fast', 'claude-haiku-4-5']]) },
    limits: { requestsPerMinute: 600, inputTokensPerMinute: 400_000, outputTokensPerMinute: 80_000, concurrent: 50 },
    maxOutputTokens: 8192,
    workflows: [
      {
        id: 'ticket-triage',
        models: { allow: ['claude-haiku-4-5*'], deny: [], alias: new Map() },
        limits: { requestsPerMinute: null, inputTokensPerMinute: null, outputTokensPerMinute: null, concurrent: null },
        maxOutputTokens: null,
      },
    ],
    openWorkflows: false,
  });
  expect(settings.keys).toEqual([
    {
      id: 'triage-prod' as KeyId, workspace: 'support', workflow: 'ticket-triage', workflows: [], secretHash: hashSecret('a-secret-of-some-length'),
      origin: 'config', createdAt: null, expiresAt: null, revokedAt: null, lastUsedAt: null, hint: null,
    },
  ]);
  expect(settings.budgets).toEqual([
    {
      id: 'support-month', scope: { workspace: 'support', workflow: null, key: null, user: null, model: null }, limit: 400_000_000_000n, period: 'month',
      mode: 'hard', tolerance: 0n, alertAt: [0.5, 0.8, 1], alertForecast: true, notify: ['ops-slack'],
    },
  ]);
  expect(settings.alerts).toEqual({
    channels: [{ id: 'ops-slack', type: 'slack', fields: new Map([['url', 'https://hooks.example/1']]), minSeverity: 'info', quiet: null, repeatMs: null, fallback: null }],
    ...ALERT_DEFAULTS,
  });
});

test.each([
  { written: 'hold: worst_case', expected: undefined },
  { written: 'hold: expected', expected: { overshoot: 100_000_000_000n } },
  { written: 'hold: expected, overshoot: 12.5%', expected: { overshoot: 50_000_000_000n } },
  { written: 'hold: expected, overshoot: 0%', expected: { overshoot: 0n } },
])('a budget of 400 dollars with $written', ({ written, expected }) => {
  expect(settingsOf(`budgets: [{ id: b, scope: { organization: true }, limit_usd: 400, period: day, ${written} }]\n`).budgets[0]!.expected).toEqual(expected);
});

test('limits by key and by class of models are read with what they cover', () => {
  const { limitRules } = settingsOf(`limits:
  - { id: each-key, each: key, requests_per_minute: 60, concurrent: 4 }
  - { id: opus, scope: { workspace: default, model_class: "opus-*" }, output_tokens_per_minute: 20000, dry_run: true }
`);
  const none = { requestsPerMinute: null, inputTokensPerMinute: null, outputTokensPerMinute: null, concurrent: null };
  expect(limitRules).toEqual([
    { id: 'each-key', each: 'key', scope: { workspace: null, workflow: null, key: null, modelClass: null }, limits: { ...none, requestsPerMinute: 60, concurrent: 4 } },
    { id: 'opus', each: null, scope: { workspace: 'default', workflow: null, key: null, modelClass: 'opus-*' }, limits: { ...none, outputTokensPerMinute: 20_000, dryRun: true } },
  ]);
});

test('one line is enough: everything else has its default', () => {
  const { file, digest, written, dataDir, prices, workspaces, ...rest } = settingsOf('access: open\n');
  expect({ file, dataDir, prices }).toEqual({ file: resolve('config/tollgate.yaml'), dataDir: resolve('data'), prices: { file: resolve('config/prices.yaml'), contract: null, digest: prices.digest, unknownModel: 'ceiling', assumeUsInference: false } });
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
  expect([...written.keys()]).toEqual(['access']);
  expect([...workspaces.keys()]).toEqual(['default']);
  expect(workspaces.get('default' as WorkspaceId)).toMatchObject({ upstreamKey: 'default', models: { allow: null }, openWorkflows: true });
  expect(rest).toEqual({
    listen: { host: '127.0.0.1', port: 4100 },
    admin: { listen: { host: '127.0.0.1', port: 4101 }, token: null, hosts: [] },
    access: 'open',
    timezone: 'UTC',
    upstream: { origin: 'https://api.anthropic.com', keys: new Map(), connectTimeoutMs: 10_000, streamHeadersTimeoutMs: 120_000, headersTimeoutMs: 600_000, idleTimeoutMs: 300_000, connections: 2000, retry: { on: new Set(), most: 2, budget: 0.1, maxWaitMs: 10_000 }, queue: { below: 0.1, maxWaitMs: 30_000, length: 500 }, failover: [] },
    keys: [],
    budgets: [],
    limitRules: [],
    alerts: { channels: [], ...ALERT_DEFAULTS },
    reconciliation: { adminKey: null, workspaces: new Map() },
    retention: { requestsDays: 90 },
    savings: { prefixHashes: true },
    telemetry: null,
    onAbort: 'cut',
    drainAbort: { max: 100, forMs: 600_000 },
    body: { messagesBytes: 32 * 1024 ** 2, batchesBytes: 256 * 1024 ** 2, filesBytes: 500 * 1024 ** 2, heldBytes: 256 * 1024 ** 2 },
    clients: { headersTimeoutMs: 10_000, bodyBytesPerSecond: 1024, writeStallMs: 60_000, connections: 10_000, connectionsPerAddress: null },
    maxInFlight: 2000,
    drainMs: 30_000,
    ledger: { durability: 'full' },
    log: { level: 'info' },
    publicUrl: null,
    batches: { pollMs: 60_000 },
  });
});

test.each([
  { name: 'open access beside declared ones', text: 'workspaces: [{ id: a }]\n', ids: ['a', 'default'] },
  { name: 'keys, where nothing is declared', text: 'access: keys\n', ids: ['default'] },
  { name: 'keys, beside declared ones', text: 'access: keys\nworkspaces: [{ id: a }]\n', ids: ['a'] },
  { name: 'open access, declared itself', text: 'workspaces: [{ id: default, max_output_tokens: 5 }]\n', ids: ['default'] },
])('with $name, the workspaces are $ids', ({ text, ids }) => {
  expect([...settingsOf(text).workspaces.keys()]).toEqual(ids);
});

test.each([
  { written: '{ id: a }', open: true },
  { written: '{ id: a, workflows: [] }', open: false },
  { written: '{ id: a, workflows: [{ id: w }] }', open: false },
  { written: '{ id: a, workflows: [{ id: w }], open_workflows: true }', open: true },
  { written: '{ id: a, open_workflows: "false" }', open: false },
])('a workspace $written takes other workflows: $open', ({ written, open }) => {
  expect(settingsOf(`workspaces: [${written}]\n`).workspaces.get('a' as WorkspaceId)!.openWorkflows).toBe(open);
});

test.each([
  { written: '', workflow: null, workflows: null },
  { written: ', workflow: w', workflow: 'w', workflows: [] },
  { written: ', workflow: w, workflows: [v]', workflow: 'w', workflows: ['v'] },
  { written: ', workflows: [v]', workflow: null, workflows: ['v'] },
])('a key with "$written" has the workflow $workflow and may name $workflows', ({ written, workflow, workflows }) => {
  const text = `workspaces: [{ id: a, workflows: [{ id: w }, { id: v }] }]\nkeys: [{ id: k, workspace: a, secret: 0123456789abcdef${written} }]\n`;
  expect(settingsOf(text).keys[0]).toMatchObject({ workflow, workflows });
});

test.each([
  { expires: '2027-07-01', zone: 'Europe/Berlin', at: '2027-06-30T22:00:00.000Z' },
  { expires: '2027-07-01', zone: 'UTC', at: '2027-07-01T00:00:00.000Z' },
  { expires: '2027-07-01T12:00', zone: 'America/New_York', at: '2027-07-01T16:00:00.000Z' },
  { expires: '2027-07-01T12:00:00+02:00', zone: 'America/New_York', at: '2027-07-01T10:00:00.000Z' },
])('a key that expires $expires in $zone ends at $at', ({ expires, zone, at }) => {
  const { keys } = settingsOf(`timezone: ${zone}\nkeys: [{ id: k, workspace: default, secret: 0123456789abcdef, expires: "${expires}" }]\n`);
  expect(new Date(keys[0]!.expiresAt!).toISOString()).toBe(at);
});

test.each([
  { written: '400', limit: 400_000_000_000n },
  { written: '"400"', limit: 400_000_000_000n },
  { written: '0.1', limit: 100_000_000n },
  { written: '0.000000001', limit: 1n },
  { written: '9007199.254740993', limit: 9_007_199_254_740_993n },
  { written: '123456789012.123456789', limit: 123_456_789_012_123_456_789n },
  { written: '1.10', limit: 1_100_000_000n },
  { written: '"${LIMIT}"', limit: 12_500_000_000n },
])('a limit of $written dollars is exactly $limit nano-dollars', ({ written, limit }) => {
  expect(settingsOf(`budgets: [{ id: b, scope: { organization: true }, limit_usd: ${written}, period: day }]\n`, { LIMIT: '12.5' }).budgets[0]!.limit).toBe(limit);
});

test.each([
  { tolerance: '0%', held: 0n },
  { tolerance: '5%', held: 20_000_000_000n },
  { tolerance: '0.0001%', held: 400_000n },
  { tolerance: '100%', held: 400_000_000_000n },
])('a tolerance of $tolerance of 400 dollars is $held nano-dollars', ({ tolerance, held }) => {
  expect(settingsOf(`budgets: [{ id: b, scope: { organization: true }, limit_usd: 400, period: day, tolerance: ${tolerance} }]\n`).budgets[0]!.tolerance).toBe(held);
});

test.each([
  ['250ms', 250], ['30s', 30_000], ['10m', 600_000], ['2h', 7_200_000], ['24d', 2_073_600_000],
])('a drain of %s is %i ms', (written, ms) => {
  expect(settingsOf(`drain: ${written}\n`).drainMs).toBe(ms);
});

test('there are as many connections as calls in flight, unless it says otherwise', () => {
  expect(settingsOf('max_in_flight: 50\n').upstream.connections).toBe(50);
  expect(settingsOf('max_in_flight: 50\nupstream: { connections: 8 }\n').upstream.connections).toBe(8);
});

test('a provider key whose variable is empty is as if it were not there, and may be named all the same', () => {
  const settings = settingsOf('upstream: { keys: { default: sk-1, spare: "${SPARE:-}" } }\nworkspaces: [{ id: a, upstream_key: spare }]\n');
  expect([...settings.upstream.keys]).toEqual([['default', 'sk-1']]);
});

test('a budget may name a key that is not declared, because keys are issued too', () => {
  expect(settingsOf('budgets: [{ id: b, scope: { key: issued-later }, limit_usd: 1, period: day }]\n').budgets[0]!.scope.key).toBe('issued-later');
});

test('the command line wins over the environment, and that over the file', () => {
  const text = 'data_dir: ./from-file\nlisten: 127.0.0.1:1\nadmin: { listen: 127.0.0.1:2 }\n';
  expect(settingsOf(text).dataDir).toBe(resolve('from-file'));
  expect(settingsOf(text, { TOLLGATE_DATA_DIR: '/var/lib/tollgate' }).dataDir).toBe('/var/lib/tollgate');
  const moved = settingsOf(text, { TOLLGATE_DATA_DIR: '/var/lib/tollgate' }, { dataDir: 'mine', listen: '[::1]:0', adminListen: 'localhost:9' });
  expect(moved).toMatchObject({ dataDir: resolve('mine'), listen: { host: '::1', port: 0 }, admin: { listen: { host: 'localhost', port: 9 } } });
});

test.each<{ there: string[]; found: string | null }>([
  { there: ['/etc/tollgate/book.yaml'], found: '/etc/tollgate/book.yaml' },
  { there: ['/etc/book.yaml', '/etc/tollgate/book.yaml'], found: '/etc/tollgate/book.yaml' },
  { there: ['/etc/book.yaml'], found: '/etc/book.yaml' },
  { there: [resolve('book.yaml'), '/etc/tollgate/book.yaml', '/etc/book.yaml'], found: resolve('book.yaml') },
  { there: [], found: null },
])('of the price books $there, the config takes $found', ({ there, found }) => {
  const loaded = loadText({ file: '/etc/tollgate/tollgate.yaml', text: 'prices: { file: book.yaml }\n', env: {}, exists: (path) => there.includes(path) });
  expect(loaded.ok ? loaded.settings.prices.file : null).toBe(found);
  if (!loaded.ok) expect(loaded.mistakes.map(mistakeText)).toEqual(['/etc/tollgate/tollgate.yaml:1:17: there is no price book "book.yaml"; expected a file, from the working directory, the folder of this file or the folder above it']);
});

test('an anchor can be used again', () => {
  const settings = settingsOf('workspaces:\n  - { id: a, limits: &few { concurrent: 3 } }\n  - { id: b, limits: *few }\n');
  expect(settings.workspaces.get('b' as WorkspaceId)!.limits.concurrent).toBe(3);
});
