// test/admin/lists.test.ts: the lists that are held in memory, narrowed by filters and told in pages: budgets, limits, policies, prices, alerts.

import request from 'supertest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGate, type ReloadableGate } from '../../server/admit/gate.ts';
import type { Scope } from '../../server/domain/budget.ts';
import { epochMs, type KeyId, type WorkflowId, type WorkspaceId } from '../../server/domain/ids.ts';
import { NO_MONEY, nanodollars } from '../../server/domain/money.ts';
import type { Settings } from '../../server/domain/settings.ts';
import { ROUTES } from '../../server/http/admin/routes.ts';
import type * as wire from '../../server/http/admin/wire.ts';
import { admit, admitted, limitRule, noLimits } from '../admit/scene.ts';
import { settings, workspace } from '../observe/gateway.ts';
import { NOON } from '../store/samples.ts';
import { adminGateway, budget, type AdminGateway } from './gateway.ts';

const DAY_MS = 86_400_000;
const scoped = (id: string, scope: Partial<Scope>) => budget(id, 400_000_000_000n, { scope: { workspace: null, workflow: null, key: null, user: null, model: null, ...scope }, period: 'year' });
const limited = { limits: { ...noLimits, requestsPerMinute: 600 } };
/** Not in the order of their ids. */
const BUDGETS = [scoped('support-year', { workspace: 'support' }), scoped('all-year', {}), scoped('triage-year', { workspace: 'support', workflow: 'triage' }), scoped('mia-year', { user: 'mia' }), scoped('robot-year', { key: 'robot' }), scoped('haiku-year', { model: 'claude-haiku-4-5' })];
const CONFIG: Partial<Settings> = {
  budgets: BUDGETS,
  workspaces: new Map([workspace('support', ['triage', 'summary'], limited), workspace('shop', ['texts'], limited), workspace('empty')]),
  limitRules: [limitRule('keys', { requestsPerMinute: 60 }, { scope: { workspace: 'shop' }, each: 'key' }), limitRule('opus', { concurrent: 5 }, { scope: { modelClass: 'opus*' } })],
};

let gateway: AdminGateway;
let gate: ReloadableGate;

beforeAll(async () => {
  const clock = { now: () => epochMs(NOON), monotonic: () => 0 };
  gate = createGate({ settings: settings(CONFIG), clock, standingsAtStart: [] });
  for (const key of ['web', 'robot']) await admitted(admit(gate, { place: 'shop/texts', key }));
  await admitted(admit(gate, { place: 'shop/texts', model: 'claude-opus-4-8' }));
  gateway = await adminGateway(CONFIG, { gate });
  await gateway.keys.create({ id: 'idle' as KeyId, workspace: 'support' as WorkspaceId, workflow: 'triage' as WorkflowId, expiresAt: null, actor: 'test' });
  // The budgets are all but used up, a key rests for a month, and nobody has looked at the prices for as long.
  gateway.state.spent = nanodollars(390_000_000_000n);
  gateway.clock.wall = NOON + 40 * DAY_MS;
  await gateway.alerts.look();
});
afterAll(() => gateway.close());

async function get<Answer = wire.ErrorAnswer>(path: string, status = 200): Promise<Answer> {
  const answer = await request(gateway.port.app).get(path);
  expect([answer.status, answer.status === status ? '' : answer.text]).toEqual([status, '']);
  const route = ROUTES.find((one) => one.method === 'get' && one.path === path.split('?')[0]);
  if (status < 400 && route && 'name' in route.answer) route.answer.schema.parse(answer.body);
  return answer.body as Answer;
}

/** What the rows of each list go by, in the order of the answer. */
const LISTS: Readonly<Record<string, (query: string) => Promise<{ ids: string[]; next: string | null }>>> = {
  budgets: async (query) => {
    const { rows, next_cursor: next } = await get<wire.BudgetsAnswer>(`/api/budgets?${query}`);
    return { ids: rows.map(({ id }) => id), next };
  },
  limits: async (query) => {
    const { provider, own, next_cursor: next } = await get<wire.LimitsAnswer>(`/api/limits?${query}`);
    return { ids: [...provider.map((row) => `${row.credential}/${row.model_class}`), ...own.map(({ scope }) => scope)], next };
  },
  policies: async (query) => {
    const { workspaces, limits, next_cursor: next } = await get<wire.PoliciesAnswer>(`/api/policies?${query}`);
    return { ids: [...workspaces.map(({ id, workflows }) => `${id}: ${workflows.map((one) => one.id).join(' ')}`), ...limits.map(({ id }) => id)], next };
  },
  prices: async (query) => {
    const { rows, next_cursor: next } = await get<wire.PricesAnswer>(`/api/prices?${query}`);
    return { ids: rows.map(({ version }) => version), next };
  },
  alerts: async (query) => {
    const { firing, pending, resolved, next_cursor: next } = await get<wire.AlertsAnswer>(`/api/alerts?${query}`);
    return { ids: [...firing, ...pending, ...resolved].map(({ rule, scope }) => `${rule}:${scope}`), next };
  },
};
const NAMES = Object.keys(LISTS);
const idsOf = async (list: string, query: string): Promise<string[]> => (await LISTS[list]!(query)).ids;

const PRICES = ['claude-haiku-4-5@2025-10-01#1f2e3d4c', 'claude-haiku-4-5@2027-01-01#aaaa'];

test.each([
  ['budgets', 'workspace=support', ['support-year', 'triage-year']],
  ['budgets', 'workspace=support&workflow=triage', ['triage-year']],
  ['budgets', 'workspace=support&workflow=', ['support-year']],
  ['budgets', 'user=mia', ['mia-year']],
  ['budgets', 'user=mia&user=tom', ['mia-year']],
  ['budgets', 'key=robot', ['robot-year']],
  ['budgets', 'model=claude-haiku-4-5&model=claude-opus-5', ['haiku-year']],
  ['budgets', 'workspace=&workflow=&user=&model=&key=', ['all-year']],
  ['limits', 'workspace=support', ['support']],
  ['limits', 'workspace=shop', ['shop', 'keys (workspace shop, key web)', 'keys (workspace shop, key robot)']],
  ['limits', 'key=robot', ['keys (workspace shop, key robot)']],
  ['limits', 'model=claude-opus-4-8', ['opus (model class opus*)']],
  ['limits', 'model=claude-haiku-4-5-20251001', ['default/haiku-4-5']],
  ['limits', 'model=haiku-4-5&model=opus-4', ['default/haiku-4-5', 'opus (model class opus*)']],
  ['policies', 'workspace=support', ['support: triage summary']],
  ['policies', 'workflow=texts', ['shop: texts']],
  ['policies', 'workspace=shop&workflow=', ['shop: ', 'keys']],
  ['policies', 'model=claude-opus-5', ['opus']],
  ['prices', 'model=claude-haiku-4-5', PRICES],
  ['prices', 'model=claude-haiku-4-5-20251001', PRICES],
])('of %s, %s leaves the rows whose scope names it', async (list, query, ids) => {
  expect(await idsOf(list, query)).toEqual(ids);
});

test('of alerts, filters leave those about the budgets, keys and workspaces that they name', async () => {
  const sorted = async (query: string) => (await idsOf('alerts', query)).filter((id) => /^(?:budget|key_unused|price_book):/.test(id)).toSorted();
  expect(await sorted('')).toEqual(['budget:all-year', 'budget:haiku-year', 'budget:mia-year', 'budget:robot-year', 'budget:support-year', 'budget:triage-year', 'key_unused:idle', 'price_book:gateway']);
  expect(await sorted('workspace=support')).toEqual(['budget:support-year', 'budget:triage-year', 'key_unused:idle']);
  expect(await sorted('workflow=triage')).toEqual(['budget:triage-year', 'key_unused:idle']);
  expect(await sorted('key=idle&key=robot')).toEqual(['budget:robot-year', 'key_unused:idle']);
  expect(await sorted('user=mia')).toEqual(['budget:mia-year']);
  expect(await sorted('model=claude-haiku-4-5')).toEqual(['budget:haiku-year']);
});

test.each(NAMES)('a filter that names nothing leaves nothing of %s', async (list) => {
  expect((await idsOf(list, '')).length).toBeGreaterThan(1);
  expect(await LISTS[list]!('model=nobody')).toEqual({ ids: [], next: null });
});

test('without a limit, lists are whole and in the order of the config', async () => {
  expect(await LISTS['budgets']!('')).toEqual({ ids: BUDGETS.map(({ id }) => id), next: null });
  expect(await LISTS['policies']!('')).toEqual({ ids: ['support: triage summary', 'shop: texts', 'empty: ', 'keys', 'opus'], next: null });
  expect(await LISTS['limits']!('')).toEqual({ ids: ['default/haiku-4-5', 'support', 'shop', 'keys (workspace shop, key web)', 'keys (workspace shop, key robot)', 'opus (model class opus*)'], next: null });
});

test.each(NAMES)('the pages of %s meet: no row is left out, none comes twice, and the last one says so', async (list) => {
  const whole = (await idsOf(list, '')).toSorted();
  const paged: string[] = [];
  let cursor: string | null = null;
  do {
    expect(paged.length).toBeLessThan(whole.length);
    const page: { ids: string[]; next: string | null } = await LISTS[list]!(`limit=1${cursor === null ? '' : `&cursor=${cursor}`}`);
    expect(page.ids).toHaveLength(1);
    paged.push(...page.ids);
    cursor = page.next;
  } while (cursor !== null);
  expect(paged.toSorted()).toEqual(whole);
});

test('a page keeps to the filters, and a cursor without a limit goes on to the end', async () => {
  const first = await LISTS['budgets']!('workspace=support&limit=1');
  expect(first).toEqual({ ids: ['support-year'], next: expect.any(String) });
  expect(await LISTS['budgets']!(`workspace=support&cursor=${first.next}`)).toEqual({ ids: ['triage-year'], next: null });
});

test('a cursor stays true when a reload takes away the row that it stands at, and adds others before and behind it', async () => {
  const first = await LISTS['budgets']!('limit=3');
  expect(first.ids).toEqual(['all-year', 'haiku-year', 'mia-year']);
  await gate.reload(settings({ ...CONFIG, budgets: [scoped('new-year', {}), scoped('a-year', {}), ...BUDGETS.filter(({ id }) => id !== 'mia-year')] }), async () => NO_MONEY);
  try {
    expect(await LISTS['budgets']!(`limit=3&cursor=${first.next}`)).toEqual({ ids: ['new-year', 'robot-year', 'support-year'], next: expect.any(String) });
  } finally {
    await gate.reload(settings(CONFIG), async () => NO_MONEY);
  }
});

test.each(NAMES)('%s turn down what is no page and what cannot narrow them, in words', async (list) => {
  const refusal = async (query: string): Promise<string> => {
    const { error } = await get(`/api/${list}?${query}`, 400);
    expect(error.code).toBe('bad_query');
    return error.message;
  };
  for (const limit of ['0', '1001', 'ten']) expect(await refusal(`limit=${limit}`)).toBe(`limit: expected a whole number from 1 to 1000, found "${limit}"`);
  const foreign = (await LISTS[list === 'budgets' ? 'policies' : 'budgets']!('limit=1')).next!;
  for (const cursor of ['nonsense', '', foreign]) expect(await refusal(`cursor=${cursor}`)).toBe('cursor: expected the next_cursor of the page before');
  expect(await refusal('outcome=ok')).toMatch(/^unknown parameter "outcome" .*known: limit, cursor, .*model/);
});

test('the OpenAPI document shows filters, pages and what they mean', async () => {
  const { paths } = await get<{ paths: Record<string, { get: { description: string; parameters: { name: string; description: string; schema: object }[] } }> }>('/api/openapi.json');
  const shown = Object.fromEntries(NAMES.map((list) => [list, paths[`/api/${list}`]!.get.parameters.map(({ name }) => name).join(' ')]));
  expect(shown).toEqual({
    budgets: 'limit cursor workspace workflow user model key', limits: 'limit cursor workspace workflow model key', policies: 'limit cursor workspace workflow model key', prices: 'limit cursor model', alerts: 'limit cursor workspace workflow user model key',
  });
  for (const list of NAMES) {
    const { description, parameters } = paths[`/api/${list}`]!.get;
    expect(description).toMatch(/Without `limit` and `cursor`/);
    expect(parameters.find(({ name }) => name === 'limit')).toMatchObject({ description: 'at most this many rows, 1 to 1000; unless told, all of them, and 1000 after a cursor' });
    expect(parameters.find(({ name }) => name === 'model')).toMatchObject({ schema: { type: 'array' } });
  }
});
