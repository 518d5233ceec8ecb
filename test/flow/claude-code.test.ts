// test/flow/claude-code.test.ts: Claude Code itself, at a budget that is used up and at one that nearly is.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { askClaude, hasClaude } from './claude.ts';
import { apiHeaders, baseConfig, hello, ledgerRows, send, settled, startScene, type Scene } from './scene.ts';

const BROKE = 'tg_broke-0123456789abcdef';
const NEAR = 'tg_near-0123456789abcdef';
const UNIFIED = 'anthropic-ratelimit-unified-';

let scene: Scene;
beforeAll(async () => {
  const base = baseConfig('') as { workspaces: object[]; keys: object[] };
  scene = await startScene({
    workspaces: [...base.workspaces, { id: 'broke' }, { id: 'near' }],
    keys: [...base.keys, { id: 'broke', workspace: 'broke', secret: BROKE }, { id: 'near', workspace: 'near', secret: NEAR }],
    budgets: [
      { id: 'broke-month', scope: { workspace: 'broke' }, limit_usd: 0.000001, period: 'month' },
      // A few calls use it up; the tolerance lets the next ones through all the same.
      { id: 'near-day', scope: { workspace: 'near' }, limit_usd: 0.001, tolerance: '1000%', period: 'day' },
    ],
  });
});
afterAll(() => scene.close());

test.skipIf(!hasClaude)('at an exhausted budget it makes one attempt and says why', async () => {
  const before = scene.standin.requests();
  const told = await askClaude({ baseUrl: `${scene.gateway.dataUrl}/w/broke/claude-code`, secret: BROKE });
  expect(told).toMatchObject({ is_error: true, result: expect.stringMatching(/limit|exhausted/i) });
  await settled(scene.gateway);
  const rows = await ledgerRows(scene.gateway, '&workspace=broke');
  expect(rows.filter(({ endpoint }) => endpoint === 'messages').map(({ refusal, client_retry }) => [refusal, client_retry])).toEqual([['budget_exhausted', 0]]);
  expect(scene.standin.requests()).toBe(before);
});

const told = (headers: Record<string, string | string[] | undefined>): string[] => Object.keys(headers).filter((name) => name.startsWith(UNIFIED));

test('the headers of a spend limit go to Claude Code and to nobody else', async () => {
  const as = async (more: Record<string, string>) => (await send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(BROKE), ...more }, body: hello() })).headers;
  const said = await as({ 'x-app': 'cli' });
  expect(said).toMatchObject({ 'x-tollgate-refusal': 'budget_exhausted', 'x-should-retry': 'false', [`${UNIFIED}status`]: 'rejected', [`${UNIFIED}overage-period`]: 'monthly' });
  expect(Number(said[`${UNIFIED}reset`]) - Date.now() / 1000).toBeCloseTo(Number(said['retry-after']), -1);
  expect(told(await as({ 'user-agent': 'Anthropic/JS 1.11.0' }))).toEqual([]);
});

test('on answers that pass, Claude Code is warned when most is used, others are not, and nothing else of the answer changes', async () => {
  const as = async (more: Record<string, string>) => {
    const { headers, status } = await send(`${scene.gateway.dataUrl}/v1/messages`, { headers: { ...apiHeaders(NEAR), ...more }, body: hello() });
    await settled(scene.gateway);
    expect(status).toBe(200);
    return headers;
  };
  // Each costs about a tenth of the budget.
  scene.standin.script(() => ({ outputTokens: 20 }));
  const first = await as({ 'x-app': 'cli' });
  expect(told(first)).toEqual([]);
  let warned = first;
  const thresholds = new Set<unknown>();
  for (let calls = 0; calls < 12; calls++) {
    warned = await as({ 'x-app': 'cli' });
    thresholds.add(warned[`${UNIFIED}overage-surpassed-threshold`]);
    if (told(warned).length > 0) expect(warned).toMatchObject({ [`${UNIFIED}status`]: 'allowed_warning', [`${UNIFIED}overage-utilization`]: expect.stringMatching(/^0\.\d\d$/) });
  }
  expect([...thresholds]).toEqual([undefined, '0.75', '0.95']);
  expect(Object.keys(warned).filter((name) => !name.startsWith(UNIFIED)).sort()).toEqual(Object.keys(first).sort());
  expect(told(await as({}))).toEqual([]);
});
