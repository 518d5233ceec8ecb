// test/admit/cheaper-models.test.ts: sessions that begin when much is spent run on cheaper models; none changes on its way.

import { describe, expect, test } from 'vitest';
import type { BudgetId } from '../../server/domain/ids.ts';
import type { CheaperModels } from '../../server/domain/settings.ts';
import { admit, admitted, anyModel, ask, budget, caller, openGate, settings, tokens, usd, workspace } from './scene.ts';

const OPUS = 'claude-opus-4-8';
const HAIKU = 'claude-haiku-4-5';
const soft = budget('soft', '1', { mode: 'soft' });
const rule: CheaperModels = { budget: 'soft' as BudgetId, at: 1_000_000, models: new Map([['claude-opus-*', HAIKU]]) };

const opened = (more: Partial<Parameters<typeof openGate>[0]> = {}) => openGate({ workspaces: [workspace('w', {}, { f: { cheaper: rule }, g: {} })], budgets: [soft], ...more });
type Gate = ReturnType<typeof openGate>['gate'];

async function spend(gate: Gate, dollars: string): Promise<void> {
  (await admitted(admit(gate, { ceiling: dollars, place: 'w/g' }))).release(usd(dollars), tokens(1, 1));
}

async function modelOf(gate: Gate, session: string | null, more: { model?: string; continues?: boolean; place?: string; endpoint?: 'messages' | 'count_tokens' | 'batches' } = {}): Promise<string | null> {
  const by = caller(more.place ?? 'w/f', session === null ? {} : { session });
  const what = ask(more.model ?? OPUS, { continues: more.continues ?? false });
  await gate.recall(by, what);
  const verdict = gate.clear(by, more.endpoint ?? 'messages', what);
  if (!verdict.ok) throw new Error(verdict.refusal.message);
  expect(verdict.value.insteadOf).toBe(verdict.value.model === what.model ? undefined : what.model);
  return verdict.value.model;
}

describe('while less is spent than told', () => {
  test('every session gets what it asks for', async () => {
    const { gate } = opened();
    await spend(gate, '0.999999999');
    expect(await modelOf(gate, 'a')).toBe(OPUS);
  });
});

describe('once it is spent', () => {
  test('a session that begins runs on the cheaper model, to its end, and one that was under way does not', async () => {
    const { gate } = opened();
    expect(await modelOf(gate, 'early')).toBe(OPUS);
    await spend(gate, '1');
    expect(await modelOf(gate, 'late')).toBe(HAIKU);
    expect(await modelOf(gate, 'early', { continues: true })).toBe(OPUS);
    expect(await modelOf(gate, 'early')).toBe(OPUS);
    expect(await modelOf(gate, 'late', { continues: true })).toBe(HAIKU);
    // More room, by a grant or a new period, changes sessions that begin, and no other.
    await gate.reload(settings({ workspaces: [workspace('w', {}, { f: { cheaper: rule }, g: {} })], budgets: [{ ...soft, limit: usd('5') }] }), async () => usd('0'));
    expect(await modelOf(gate, 'late', { continues: true })).toBe(HAIKU);
    expect(await modelOf(gate, 'later')).toBe(OPUS);
  });

  test.each([
    { name: 'a call without a session, whose beginning and end nobody can tell', session: null },
    { name: 'another model', session: 'a', model: 'claude-sonnet-4-6' },
    { name: 'another workflow', session: 'a', place: 'w/g' },
    { name: 'a conversation under way whose session nobody remembers', session: 'a', continues: true },
    { name: 'a count of tokens', session: 'a', endpoint: 'count_tokens' as const },
    { name: 'an item of a batch', session: 'a', endpoint: 'batches' as const },
  ])('$name is left alone', async ({ session, ...more }) => {
    const { gate } = opened();
    await spend(gate, '1');
    expect(await modelOf(gate, session, more)).toBe('model' in more ? more.model : OPUS);
  });

  test('an alias is resolved first, and the decision says why', async () => {
    const { gate } = openGate({ workspaces: [workspace('w', { models: { alias: new Map([['best', OPUS]]) }, cheaper: rule })], budgets: [soft] });
    await spend(gate, '1');
    const verdict = gate.clear(caller('w/f', { session: 'a' }), 'messages', ask('best'));
    expect(verdict).toMatchObject({ ok: true, value: { model: HAIKU, insteadOf: 'best' } });
    expect(verdict.ok && verdict.value.decisions).toContainEqual({ rule: 'cheaper_models:w', verdict: 'rewrite', detail: `${OPUS} gives way to ${HAIKU}, as budget soft had been spent as far as told when the session began` });
  });

  test('the cheaper model passes the same rules as any other', async () => {
    const { gate } = openGate({ workspaces: [workspace('w', { models: { ...anyModel, allow: [OPUS] }, cheaper: rule })], budgets: [soft] });
    await spend(gate, '1');
    expect(gate.clear(caller('w/f', { session: 'a' }), 'messages', ask(OPUS))).toMatchObject({ ok: false, refusal: { reason: 'model_not_allowed' } });
  });

  test('a share of the limit can be told', async () => {
    const { gate } = openGate({ workspaces: [workspace('w', { cheaper: { ...rule, at: 800_000 } })], budgets: [soft] });
    await spend(gate, '0.799999999');
    expect(await modelOf(gate, 'a')).toBe(OPUS);
    await spend(gate, '0.000000001');
    expect(await modelOf(gate, 'b')).toBe(HAIKU);
    expect(await modelOf(gate, 'a', { continues: true })).toBe(OPUS);
  });
});

describe('a rule with dry_run', () => {
  const rehearsed = { ...rule, dryRun: true };
  const place = (cheaper: CheaperModels) => ({ workspaces: [workspace('w', {}, { f: { cheaper }, g: {} })], budgets: [soft] });
  const cleared = (gate: Gate, session: string, continues = false) => {
    const verdict = gate.clear(caller('w/f', { session }), 'messages', ask(OPUS, { continues }));
    if (!verdict.ok) throw new Error(verdict.refusal.message);
    return verdict.value;
  };

  test('calls what was asked for, and records in every call of the session which model it would have been', async () => {
    const { gate } = openGate(place(rehearsed));
    expect(cleared(gate, 'early').decisions.filter(({ rule: name }) => name.startsWith('cheaper'))).toEqual([]);
    await spend(gate, '1');
    for (const continues of [false, true]) {
      const { model, insteadOf, decisions } = cleared(gate, 'late', continues);
      expect([model, insteadOf]).toEqual([OPUS, undefined]);
      expect(decisions).toContainEqual({ rule: 'cheaper_models:w/f', verdict: 'would_rewrite', detail: `${OPUS} would give way to ${HAIKU}, as budget soft had been spent as far as told when the session began` });
    }
    expect(cleared(gate, 'early', true).decisions.filter(({ rule: name }) => name.startsWith('cheaper'))).toEqual([]);
  });

  test('turned on or off changes no session on its way', async () => {
    const { gate } = openGate(place(rehearsed));
    await spend(gate, '1');
    expect(cleared(gate, 'rehearsed').model).toBe(OPUS);
    await gate.reload(settings(place(rule)), async () => usd('0'));
    expect(cleared(gate, 'rehearsed', true).model).toBe(OPUS);
    expect(cleared(gate, 'real').model).toBe(HAIKU);
    await gate.reload(settings(place(rehearsed)), async () => usd('0'));
    expect(cleared(gate, 'real', true).model).toBe(HAIKU);
    expect(cleared(gate, 'new').model).toBe(OPUS);
  });
});

describe('after a restart', () => {
  const ledger = new Map([['cheap', [{ modelRequested: OPUS, modelSent: HAIKU }, { modelRequested: HAIKU, modelSent: HAIKU }]], ['dear', [{ modelRequested: OPUS, modelSent: OPUS }]], ['refused', [{ modelRequested: OPUS, modelSent: null }]]]);
  const asked: (string | null)[] = [];
  const callsOf = async ({ session }: { session: string | null }) => {
    asked.push(session);
    return ledger.get(session ?? '') ?? [];
  };

  test('a session goes on as it began, whatever is spent by now, and the ledger is asked once', async () => {
    const { gate } = opened({ callsOf });
    expect(await modelOf(gate, 'cheap', { continues: true })).toBe(HAIKU);
    await spend(gate, '1');
    expect(await modelOf(gate, 'dear', { continues: true })).toBe(OPUS);
    expect(await modelOf(gate, 'dear')).toBe(OPUS);
    expect(await modelOf(gate, 'cheap')).toBe(HAIKU);
    expect(await modelOf(gate, 'refused')).toBe(HAIKU);
    expect(asked).toEqual(['cheap', 'dear', 'refused']);
  });

  test('a ledger that cannot be read keeps nobody waiting: a beginning is still known by its messages', async () => {
    const { gate } = opened({ callsOf: async () => { throw new Error('gone'); } });
    await spend(gate, '1');
    expect(await modelOf(gate, 'a', { continues: true })).toBe(OPUS);
    expect(await modelOf(gate, 'b')).toBe(HAIKU);
  });

  test('nobody is asked where no model gives way, or no session is named', async () => {
    const { gate } = opened({ callsOf });
    expect(gate.recall(caller('w/g', { session: 'a' }), ask(OPUS))).toBeNull();
    expect(gate.recall(caller('w/f'), ask(OPUS))).toBeNull();
  });
});

test('a flat hold of a workflow wins over its workspace\'s', () => {
  const { gate } = openGate({ workspaces: [workspace('w', { flatHold: usd('2') }, { f: { flatHold: usd('0.50') }, g: {} })] });
  const held = (place: string) => {
    const verdict = gate.clear(caller(place), 'messages', ask(OPUS));
    return verdict.ok ? verdict.value.flatHold : null;
  };
  expect([held('w/f'), held('w/g'), held('x/f')]).toEqual([usd('0.50'), usd('2'), undefined]);
});
