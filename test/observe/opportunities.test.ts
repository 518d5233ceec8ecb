// test/observe/opportunities.test.ts: the savings advisor's findings as a gauge.

import { expect, test } from 'vitest';
import { LEVER_GRADES, type Saving, type SavingsView } from '../../server/domain/advice.ts';
import { epochMs } from '../../server/domain/ids.ts';
import { nanodollars } from '../../server/domain/money.ts';
import { createOpportunities, opportunitiesOf } from '../../server/observe/opportunities.ts';
import { metricsWith, scrape } from './gateway.ts';

type Parts = Partial<Pick<Saving, 'state'>> & Partial<Saving['finding']>;
const usd = (dollars: number) => nanodollars(BigInt(dollars * 1e9));

const saving = ({ state = 'open', ...finding }: Parts): Saving => ({
  state, reopened: false, decision: null, effect: null,
  finding: { id: 'x', lever: 'broken_cache', grade: 'exact', workspace: 'shop', workflow: 'w', models: [], low: usd(0), high: usd(0), atStake: usd(0), calls: 1, examples: [], days: [], facts: {}, ...finding },
});

const view = (...savings: Saving[]): SavingsView => ({
  advice: { at: epochMs(0), from: epochMs(0), to: epochMs(1), dayStarts: [], findings: [], workflows: ['shop', 'press'].map((workspace) => ({ workspace, workflow: 'w', cost: [], captured: [], calls: [], actions: [] })), calls: 1, hashed: 1, tookMs: 1 },
  savings,
});

test('what is claimed counts at its least, a signal at what is at stake, and what was done or dismissed not at all', () => {
  const found = opportunitiesOf(view(
    saving({ low: usd(2), high: usd(2) }), saving({ workflow: 'v', grade: 'bounded', low: usd(1), high: usd(9) }), saving({ lever: 'server_tools', grade: 'signal', atStake: usd(4) }),
    saving({ lever: 'repeated_calls', low: usd(7), high: usd(7), state: 'dismissed' }), saving({ lever: 'premiums', low: usd(7), high: usd(7), state: 'done' }), saving({ lever: 'smaller_model', grade: 'estimate', low: usd(5), high: usd(6), state: 'doing' }),
  ));
  expect(found.filter(({ usd: amount }) => amount > 0)).toEqual([
    { workspace: 'shop', lever: 'broken_cache', confidence: 'exact', usd: 2 },
    { workspace: 'shop', lever: 'broken_cache', confidence: 'bounded', usd: 1 },
    { workspace: 'shop', lever: 'smaller_model', confidence: 'estimate', usd: 5 },
    { workspace: 'shop', lever: 'server_tools', confidence: 'signal', usd: 4 },
  ]);
  // Series that are missing until something is found could not be alerted on.
  expect(found.filter(({ workspace }) => workspace === 'press').length).toBe(Object.values(LEVER_GRADES).flat().length);
});

test('while the ledger cannot be read, or a look takes long, what was known before stands', async () => {
  let answer: () => Promise<SavingsView> = () => Promise.resolve(view(saving({ low: usd(3), high: usd(3) })));
  const opportunities = createOpportunities({ advisor: { view: () => answer() } });
  const first = await opportunities();
  expect(first.find(({ usd: amount }) => amount > 0)?.usd).toBe(3);
  answer = () => Promise.reject(new Error('busy'));
  expect(await opportunities()).toEqual(first);
  answer = () => new Promise(() => undefined);
  expect(await opportunities()).toEqual(first);
});

test('workspaces that are no labels are summed under other', async () => {
  const found = { lever: 'cut_answers', confidence: 'signal' } as const;
  const { metrics } = metricsWith({ opportunities: () => Promise.resolve([{ workspace: 'old-a', ...found, usd: 1 }, { workspace: 'old-b', ...found, usd: 2 }, { workspace: 'support', lever: 'unread_cache_writes', confidence: 'bounded', usd: 4 }]) });
  const samples = await scrape(metrics);
  metrics.close();
  expect([...samples].filter(([name]) => name.startsWith('tollgate_opportunity_usd'))).toEqual([
    ['tollgate_opportunity_usd{workspace="other",lever="cut_answers",confidence="signal"}', 3],
    ['tollgate_opportunity_usd{workspace="support",lever="unread_cache_writes",confidence="bounded"}', 4],
  ]);
});
