// test/flow/grants.test.ts: a grant lets the next call through, outlives kill -9, and ends; rules on features, real and rehearsed, through the whole gateway.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GrantAnswer, RequestAnswer, StatementAnswer } from '../../server/http/admin/wire.ts';
import { startStandin, type Standin } from '../standin/standin.ts';
import { startGateway, type RunningGateway } from './gateway.ts';
import { PROVIDER_KEY, SECRETS, apiHeaders, ask, baseConfig, budgetsOf, hello, ledgerRows, scrape, count, send, settled, type Sent } from './scene.ts';

let standin: Standin;
let dataDir: string;
let gateway: RunningGateway;

const start = (): Promise<RunningGateway> =>
  startGateway({
    config: {
      ...baseConfig(standin.url),
      workspaces: [
        { id: 'support', workflows: [{ id: 'ticket-triage', features: { deny: ['tool:bash', 'beta:files-api-*'] } }, { id: 'reply-draft', features: { deny: ['thinking'], dry_run: true } }] },
        { id: 'engineering', open_workflows: true },
      ],
      budgets: [{ id: 'tight', scope: { workspace: 'engineering' }, limit_usd: 0.000001, period: 'month' }],
    },
    dataDir,
  });

beforeAll(async () => {
  standin = await startStandin({ keys: { [PROVIDER_KEY]: 'wrkspc_01Provider' } });
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-grants-'));
  gateway = await start();
});
afterAll(async () => {
  await gateway.close();
  await standin.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const call = (secret: string, body = hello(), headers: Record<string, string> = {}): Promise<Sent> => send(`${gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(secret), ...headers }, body });
const admin = async (method: string, path: string, body?: object): Promise<GrantAnswer> => {
  const answer = await fetch(`${gateway.adminUrl}${path}`, { method, headers: { 'content-type': 'application/json' }, ...(body ? { body: JSON.stringify(body) } : {}) });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as GrantAnswer;
};

test('a grant is in force for the next call and after kill -9, leaves usage as it is, and is over when it is revoked', async () => {
  expect((await call(SECRETS.engineering)).headers['x-tollgate-refusal']).toBe('budget_exhausted');
  const { grant } = await admin('POST', '/api/budgets/tight/grants', { amount_usd: '5', until: new Date(Date.now() + 3_600_000).toISOString(), reason: 'launch week' });
  expect((await call(SECRETS.engineering)).status).toBe(200);
  await settled(gateway);
  const before = (await budgetsOf(gateway)).rows[0]!;
  expect(before).toMatchObject({ limit_usd: '0.000001000', granted_usd: '5.000000000', grants: [grant] });
  // The month's statement says the same of what is left.
  const { budgets } = await ask<StatementAnswer>(gateway, '/api/statement?workspace=engineering');
  expect(budgets).toEqual([{ id: 'tight', limit_usd: before.limit_usd, granted_usd: before.granted_usd, left_usd: before.remaining_usd }]);

  await gateway.stop('SIGKILL');
  gateway = await start();
  expect((await budgetsOf(gateway)).rows[0]).toMatchObject({ spent_usd: before.spent_usd, granted_usd: '5.000000000', grants: [grant] });
  expect((await call(SECRETS.engineering)).status).toBe(200);
  await settled(gateway);
  const spent = (await budgetsOf(gateway)).rows[0]!.spent_usd;

  await admin('DELETE', `/api/budgets/tight/grants/${grant.id}`);
  expect((await call(SECRETS.engineering)).headers['x-tollgate-refusal']).toBe('budget_exhausted');
  expect((await budgetsOf(gateway)).rows[0]).toMatchObject({ spent_usd: spent, granted_usd: '0.000000000', grants: [] });
});

test('a feature that is denied is refused by name, in the body and in the header', async () => {
  const tools = [{ name: 'bash', input_schema: { type: 'object' } }];
  const refused = await call(SECRETS.triage, hello({ tools }));
  expect([refused.status, refused.headers['x-tollgate-refusal'], (JSON.parse(refused.body.toString()) as { error: { message: string } }).error.message]).toEqual([403, 'feature_not_allowed', 'tool:bash is not allowed in support/ticket-triage. Allowed: every tool but tool:bash']);
  expect((await call(SECRETS.triage, hello(), { 'anthropic-beta': 'other-2025-01-01, files-api-2025-04-14' })).headers['x-tollgate-refusal']).toBe('feature_not_allowed');
  expect((await call(SECRETS.triage, hello({ tools: [{ ...tools[0], name: 'read' }] }))).status).toBe(200);
});

test('a rule that rehearses lets the call pass, and its row and the metrics say what it would have done', async () => {
  const answer = await call(SECRETS.support, hello({ max_tokens: 2_048, thinking: { type: 'enabled', budget_tokens: 1_024 } }), { 'x-tollgate-workflow': 'reply-draft' });
  expect(answer.status).toBe(200);
  await settled(gateway);
  const [row] = await ledgerRows(gateway, '&workflow=reply-draft');
  expect((await ask<RequestAnswer>(gateway, `/api/requests/${row!.id}`)).decisions).toContainEqual({ rule: 'features:support/reply-draft', verdict: 'would_refuse', detail: 'thinking is not allowed in support/reply-draft. thinking is denied' });
  expect(count(await scrape(gateway), 'tollgate_policy_decisions_total', { action: 'warn', workspace: 'support' })).toBe(1);
});

test('a rule that rehearses tells of the first item of a batch that it would have refused, whatever the items before it do', async () => {
  const params = (more: object): object => JSON.parse(hello({ max_tokens: 2_048, ...more })) as object;
  const thinking = params({ thinking: { type: 'enabled', budget_tokens: 1_024 } });
  const requests = [params({}), thinking, thinking].map((each, n) => ({ custom_id: `item-${n}`, params: each }));
  const answer = await send(`${gateway.dataUrl}/v1/messages/batches`, { headers: { ...apiHeaders(SECRETS.support), 'x-tollgate-workflow': 'reply-draft' }, body: JSON.stringify({ requests }) });
  expect(answer.status).toBe(200);
  await settled(gateway);
  const { decisions } = await ask<RequestAnswer>(gateway, `/api/requests/${String(answer.headers['x-tollgate-request-id'])}`);
  expect(decisions.filter(({ verdict }) => verdict === 'would_refuse')).toEqual([{ rule: 'features:support/reply-draft', verdict: 'would_refuse', detail: 'requests.1: thinking is not allowed in support/reply-draft. thinking is denied' }]);
});
