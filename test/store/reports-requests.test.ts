// test/store/reports-requests.test.ts: the list of calls by any filter, page after page, and one call with all that is known of it.

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { epochMs } from '../../server/domain/ids.ts';
import { BadQuery, type CallRow, type Filter } from '../../server/domain/reports.ts';
import { report } from '../../server/store/sqlite/reports.ts';
import { openSource, type Source } from '../../server/store/sqlite/reports-source.ts';
import { calls, everything, filters, means, PLACES } from './told-calls.ts';
import { anyCall, modelOf, priceRow, writtenLedger, type ToldCall } from './written-ledger.ts';

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

function opened(zone = 'UTC') {
  const ledger = writtenLedger(zone);
  const source = openSource(ledger.file, zone);
  closing.push(() => (source.close(), ledger.remove()));
  return { ledger, source };
}

function everyPage(source: Source, name: 'requests' | 'requestsInOrder', filter: Filter, limit: number): CallRow[] {
  const rows: CallRow[] = [];
  for (let cursor: string | null = null; ; ) {
    const page: { rows: readonly CallRow[]; nextCursor: string | null } = report(source, name, { filter, limit, cursor });
    expect(page.rows.length).toBeLessThanOrEqual(limit);
    rows.push(...page.rows);
    if (page.nextCursor === null) return rows;
    cursor = page.nextCursor;
  }
}

describe('the list of calls', () => {
  test.each(PLACES)('in pages holds what the filter means, once and in order, in $zone around $change', ({ zone, change }) => {
    const cases = fc.record({ told: calls(change), questions: fc.array(fc.record({ filter: filters(change), limit: fc.integer({ min: 1, max: 9 }) }), { minLength: 10, maxLength: 10 }) });
    fc.assert(
      fc.property(cases, ({ told, questions }) => {
        const { ledger, source } = opened(zone);
        const ids = ledger.write(told);
        for (const { filter, limit } of questions) {
          const expected = told
            .map((call, n) => ({ id: ids[n], call }))
            .filter(({ call }) => means(filter, call))
            .sort((a, b) => a.call.at - b.call.at)
            .map(({ id }) => id);
          expect(everyPage(source, 'requestsInOrder', filter, limit).map((row) => row.id)).toEqual(expected);
          expect(everyPage(source, 'requests', filter, limit).map((row) => row.id)).toEqual(expected.toReversed());
        }
        closing.splice(0).forEach((close) => close());
      }),
      { numRuns: 6 },
    );
  });

  test.each([{ by: {} }, { by: { workflow: ['triage'] } }, { by: { workspace: ['support'] } }])('stays put while rows arrive, filtered by $by', ({ by }) => {
    const { ledger, source } = opened();
    const filter = { ...everything, ...by };
    const ids = ledger.write([1, 2, 3, 4].map((minute) => ({ ...anyCall, at: anyCall.at + minute * 60_000 })));
    const first = report(source, 'requests', { filter, limit: 2, cursor: null });
    ledger.write([{ ...anyCall, at: anyCall.at + 5 * 60_000 }, { ...anyCall, at: anyCall.at + 4 * 60_000 }]);
    const second = report(source, 'requests', { filter, limit: 2, cursor: first.nextCursor });
    expect([...first.rows, ...second.rows].map((row) => row.id)).toEqual(ids.toReversed());
    expect(second.nextCursor).toBeNull();
  });

  test('tells a call as it was written', () => {
    const { ledger, source } = opened();
    const told: ToldCall = {
      ...anyCall, user: 'ada', key: 'triage-prod', session: 's-1', action: 'a-1', trace: '0af7651916cd43dd8448eb211c80319c', attempts: 2, webSearches: 3, cost: 2n ** 60n + 1n, estimated: true, cacheSavings: -5n,
      tokens: { input: 1, cacheWrite5m: 2, cacheWrite1h: 3, cacheRead: 4, output: 5 }, durationMs: 800.125, timeToFirstTokenMs: null,
    };
    const [id] = ledger.write([told]);
    expect(report(source, 'requests', { filter: everything, limit: 1, cursor: null }).rows).toEqual([
      {
        id, admittedAt: told.at, endedAt: told.at + 801, workspace: 'support', workflow: 'triage', user: 'ada', session: 's-1', action: 'a-1', tags: { team: 'blue' },
        key: 'triage-prod', endpoint: 'messages', stream: true, modelRequested: 'claude-haiku-4-5', modelSent: 'claude-haiku-4-5', modelServed: 'claude-haiku-4-5-20251001', outcome: 'ok', status: 200,
        refusal: null, tokens: told.tokens, serverTools: { webSearch: 3, webFetch: 0, codeExecution: 0 }, cost: 2n ** 60n + 1n, settledCost: 2n ** 60n + 1n, corrections: 0, held: 2n ** 60n + 2n, estimated: true,
        estimateMethod: 'a guess', cacheSavings: -5n, priceVersion: 'claude-haiku-4-5@2026-01-01#1', timeToFirstTokenMs: null, durationMs: 800.125, overheadMs: 0.25,
        attempts: 2, clientRetry: null, stopReason: 'end_turn', errorType: null, upstreamRequestId: 'up-0', batchId: null, customId: null, traceId: '0af7651916cd43dd8448eb211c80319c',
      },
    ]);
  });

  test('holds a call in flight, with nothing of its end', () => {
    const { ledger, source } = opened();
    ledger.write([{ ...anyCall, outcome: null }]);
    const [row] = report(source, 'requests', { filter: { ...everything, workspace: ['support'], model: ['claude-haiku-4-5'] }, limit: 5, cursor: null }).rows;
    expect(row).toMatchObject({ outcome: null, endedAt: null, status: null, cost: 0n, held: 150_001n, durationMs: null, modelServed: null });
  });

  test('holds a refused call under the reason it was refused for', () => {
    const { ledger, source } = opened();
    ledger.write([{ ...anyCall, outcome: 'refused' }]);
    const [row] = report(source, 'requests', { filter: { ...everything, outcome: ['refused'] }, limit: 5, cursor: null }).rows;
    expect(row).toMatchObject({ outcome: 'refused', refusal: 'rate_limited', status: 429, attempts: 0, cost: 0n, modelRequested: 'claude-haiku-4-5' });
  });

  test.each(['', 'x', '1.2', Buffer.from('1.2').toString('base64url'), Buffer.from('1.2.3; DROP TABLE call').toString('base64url'), Buffer.from('audit.1.5').toString('base64url')])(
    'refuses %j as a cursor',
    (cursor) => {
      const { source } = opened();
      expect(() => report(source, 'requests', { filter: everything, limit: 5, cursor })).toThrow(BadQuery);
    },
  );
});

describe('one call', () => {
  test('comes with its tries, decisions, usage parts, and the prices of its day', () => {
    const { ledger, source } = opened();
    const [id = ''] = ledger.write([{ ...anyCall, attempts: 2 }]);
    const detail = report(source, 'request', id);
    expect(detail).toEqual({
      row: report(source, 'requests', { filter: everything, limit: 1, cursor: null }).rows[0],
      attempts: [1, 2].map((number) => ({
        number, startedAt: anyCall.at, status: 200, outcome: 'ok', upstreamRequestId: `up-${number - 1}`, headersMs: 1.5, durationMs: 2.5, clientWaitMs: 0, errorType: null, failover: null, limits: null,
      })),
      decisions: [{ rule: 'models:support', verdict: 'allow', detail: null }],
      parts: [{ type: 'message', model: null, tokens: anyCall.tokens }],
      speed: null,
      serviceTier: 'standard',
      inferenceGeo: null,
      prices: [priceRow('claude-haiku-4-5'), priceRow('claude-fallback')],
      corrections: [],
    });
  });

  test('in flight tells no try that has not ended', () => {
    const { ledger, source } = opened();
    const [id = ''] = ledger.write([{ ...anyCall, outcome: null }]);
    expect(report(source, 'request', id)).toMatchObject({ attempts: [], parts: [], prices: [priceRow('claude-haiku-4-5')] });
  });

  test('that never was is null', () => {
    expect(report(opened().source, 'request', 'req_00000000000000000000000000')).toBeNull();
  });
});

describe('the prompt of a call', () => {
  const prompts = (source: Source, id: string, most = 20) => report(source, 'prompts', { id, most });
  const at = (minute: number, more: Partial<ToldCall> = {}): ToldCall => ({ ...anyCall, at: anyCall.at + minute * 60_000, prompt: `of ${minute}`, ...more });

  test('comes with those before it of its workflow and model, newest first, and with the last before it of its session', () => {
    const { ledger, source } = opened();
    const ids = ledger.write([
      at(0), at(1, { session: 's' }), at(2, { session: 's', modelSent: 'claude-opus-4-6' }), at(3, { workflow: 'digest', session: 's' }), at(4, { workspace: 'research', session: 's' }),
      { ...anyCall, at: anyCall.at + 5 * 60_000, session: 's' }, at(6), at(7, { session: 's' }), at(7), at(8, { session: 's' }),
    ]);
    const found = prompts(source, ids[7]!)!;
    expect(found.call).toMatchObject({ row: { id: ids[7] }, prompt: 'of 7' });
    expect(found.sameSession).toMatchObject({ row: { id: ids[2], modelSent: 'claude-opus-4-6' }, prompt: 'of 2' });
    expect(found.recent.map(({ prompt }) => prompt)).toEqual(['of 6', 'of 1', 'of 0']);
    // Of one millisecond the order of the rows tells which came before.
    expect(prompts(source, ids[8]!)!.recent.map(({ row }) => row.id).slice(0, 2)).toEqual([ids[7], ids[6]]);
    expect(prompts(source, ids[7]!, 1)!.recent.map(({ prompt }) => prompt)).toEqual(['of 6']);
  });

  test('is null where none was taken, and of a call that never was nothing is told', () => {
    const { ledger, source } = opened();
    const [, id = ''] = ledger.write([at(0), { ...anyCall, at: anyCall.at + 60_000 }]);
    expect(prompts(source, id)).toMatchObject({ call: { prompt: null }, sameSession: null, recent: [] });
    expect(prompts(source, 'req_00000000000000000000000000')).toBe(null);
  });

  test('is looked for among the newest two hundred', () => {
    const { ledger, source } = opened();
    const { prompt: _none, ...bare } = at(0);
    const ids = ledger.write([at(0), ...Array.from({ length: 200 }, (_, n) => ({ ...bare, at: anyCall.at + 60_000 + n })), at(9)]);
    expect(prompts(source, ids.at(-1)!)!.recent).toEqual([]);
    expect(prompts(source, ids.at(-2)!)!.call.prompt).toBe(null);
  });
});

describe('facets', () => {
  const range = { from: anyCall.at, to: anyCall.at + 1 };

  test('are the values of the days in range, the busiest first, with none as an empty text', () => {
    const { ledger, source } = opened();
    ledger.write([anyCall, anyCall, { ...anyCall, user: 'ada', workflow: 'digest', outcome: 'truncated' }, { ...anyCall, at: anyCall.at + 86_400_000, workspace: 'research' }]);
    expect(report(source, 'facets', { ...range, limit: 10 })).toEqual({
      workspace: ['support'], workflow: ['triage', 'digest'], user: ['', 'ada'], model: [modelOf(anyCall)], key: [''], outcome: ['ok', 'truncated'], policy: [],
    });
  });

  test('name rules that refused, or would have, by name, and refusals that no rule made as an empty text', () => {
    const { ledger, source } = opened();
    ledger.write([{ ...anyCall, outcome: 'refused' }, { ...anyCall, said: [['budget:month', 'would_refuse'], ['models:support', 'rewrite']] }, { ...anyCall, said: [['budget:month', 'would_refuse']] }]);
    expect(report(source, 'facets', { ...range, limit: 10 }).policy).toEqual(['', 'budget:month']);
    expect(report(source, 'facets', { from: epochMs(range.from - 86_400_000), to: epochMs(range.from - 50_000_000), limit: 10 }).policy).toEqual([]);
  });

  test('stop at the limit', () => {
    const { ledger, source } = opened();
    ledger.write(['a', 'b', 'b', 'c'].map((user) => ({ ...anyCall, user, workflow: user })));
    expect(report(source, 'facets', { ...range, limit: 1 })).toMatchObject({ user: ['b'], workflow: ['b'] });
  });

  test('of an empty range are empty', () => {
    const { ledger, source } = opened();
    ledger.write([anyCall]);
    expect(Object.values(report(source, 'facets', { from: range.to, to: range.to, limit: 9 })).flat()).toEqual([]);
  });
});

describe('the audit log', () => {
  test('reads newest first, in pages that stay put while lines arrive', () => {
    const { ledger, source } = opened();
    for (const action of ['one', 'two', 'three']) ledger.audit(1_000, action);
    const first = report(source, 'audit', { limit: 2, cursor: null });
    ledger.audit(2_000, 'four');
    const second = report(source, 'audit', { limit: 2, cursor: first.nextCursor });
    expect([...first.rows, ...second.rows].map((line) => [line.id, line.action])).toEqual([[3, 'three'], [2, 'two'], [1, 'one']]);
    expect(first.rows[0]).toEqual({ id: 3, at: 1_000, actor: 'cli', action: 'three', subject: 'triage-prod', detail: '{}' });
    expect(second.nextCursor).toBeNull();
  });

  test('refuses the cursor of another list', () => {
    const { ledger, source } = opened();
    ledger.write([anyCall, anyCall]);
    const { nextCursor } = report(source, 'requests', { filter: everything, limit: 1, cursor: null });
    expect(() => report(source, 'audit', { limit: 1, cursor: nextCursor })).toThrow(BadQuery);
  });
});

describe('spend by the hour', () => {
  const anyone = { workspace: null, workflow: null, key: null, user: null, model: null };

  test.each(PLACES)('of any scope is the sum of its rows, in $zone around $change', ({ zone, change }) => {
    const maybe = (...values: string[]) => fc.constantFrom(null, null, ...values);
    const scopes = fc.record({ workspace: maybe('support'), workflow: maybe('triage'), key: maybe('support'), user: maybe('ada'), model: maybe('claude-opus-4-6') });
    fc.assert(
      fc.property(calls(change), fc.array(scopes, { minLength: 4, maxLength: 4 }), (told, asked) => {
        const { ledger, source } = opened(zone);
        ledger.write(told);
        for (const scope of asked) {
          const covered = told.filter(
            (call) =>
              call.outcome !== null && call.outcome !== 'refused' &&
              [[scope.workspace, call.workspace], [scope.workflow, call.workflow], [scope.key, call.key], [scope.user, call.user], [scope.model, call.modelSent]].every(([want, is]) => want === null || want === is),
          );
          const found = report(source, 'hourlySpend', { scope, from: change - 40 * 86_400_000, to: change + 40 * 86_400_000 });
          expect(found.reduce((sum, hour) => sum + hour.cost, 0n)).toBe(covered.reduce((sum, call) => sum + call.cost, 0n));
          for (const { hour } of found) expect(covered.some((call) => call.cost > 0n && call.at >= hour && call.at < hour + 3_600_000)).toBe(true);
        }
        closing.splice(0).forEach((close) => close());
      }),
      { numRuns: 5 },
    );
  });

  test('holds the hours that begin in the range, whole', () => {
    const { ledger, source } = opened();
    const noon = anyCall.at;
    ledger.write([-1, 0, 3_599_999, 3_600_000].map((ms) => ({ ...anyCall, user: 'ada', at: noon + ms, cost: 7n })));
    for (const user of [null, 'ada']) {
      expect(report(source, 'hourlySpend', { scope: { ...anyone, user }, from: noon - 1, to: noon + 1 })).toEqual([{ hour: noon, cost: 14n }]);
    }
  });

  test('of a scope that never called is empty', () => {
    const { ledger, source } = opened();
    ledger.write([anyCall]);
    expect(report(source, 'hourlySpend', { scope: { ...anyone, user: 'nobody' }, from: 0, to: epochMs(8e15) })).toEqual([]);
  });
});
