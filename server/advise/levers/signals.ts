// server/advise/levers/signals.ts: what may be worth a look: money at stake, of which nothing is claimed.

import { MINUTE_MS } from '../../domain/durations.ts';
import { promptTokens } from '../../domain/usage.ts';
import { Histogram } from '../histogram.ts';
import { worth, written, type Group, type LeverWatch, type Seen } from '../seen.ts';
import { tokensAt } from './prompt-cache.ts';

const ASKED_AGAIN_MS = 10 * MINUTE_MS;
/** Fewer calls tell nothing. */
const LEAST_CALLS = 20;
/** A maximum is loose from so many times the longest of a hundred answers on. */
const LOOSE = 4;
const LEAST_CALLS_FOR_MAXIMUM = 100;
/** A conversation of so many messages has a history to speak of, and it is worth a look where it makes most of what goes in. */
const LONG_CONVERSATION = 20;
const MOSTLY = 0.5;
const LEAST_CALLS_FOR_TOOLS = 50;
/** Searches are worth a look from this part of a workflow's cost on. */
const SEARCH_SHARE = 0.2;

const CUT = new Set(['max_tokens', 'model_context_window_exceeded', 'refusal']);

/** Answers that were cut or refused, and asked for again. */
export function watchCutAnswers(): LeverWatch {
  const cut = new Map<string, Seen>();
  return {
    see(seen) {
      const { call, group } = seen;
      const who = call.session ?? call.action ?? (call.user === '' ? null : call.user);
      if (who === null || call.batch || call.outcome === 'client_error') return;
      const key = `${group.workspace}/${group.workflow}/${who}`;
      const before = cut.get(key);
      if (before !== undefined) {
        cut.delete(key);
        if (before.call.at + ASKED_AGAIN_MS >= call.at) before.group.claim('cut_answers').stake(before, before.call.cost);
      }
      if (call.stopReason !== null && CUT.has(call.stopReason)) cut.set(key, seen);
    },
    end: () => undefined,
  };
}

interface Sums {
  calls: number;
  inputCost: number;
  marked: number;
  readonly unkept: Sum;
  readonly history: Sum;
  readonly tools: Sum;
  readonly searches: Sum;
  toolUses: number;
  withTools: number;
  searched: number;
  cost: number;
  most: number;
  readonly outputs: Histogram;
}
class Sum {
  amount = 0;
  calls = 0;
  readonly examples: string[] = [];
  add({ call }: Seen, amount: number): void {
    this.amount += amount;
    this.examples[++this.calls % 5] = call.id;
  }
}

/** Prompts too short for the cache they ask for, maxima that nobody needs, long histories, tools that are never called, searches. */
export function watchHabits(): LeverWatch {
  const groups = new Map<Group, Sums>();
  return {
    see(seen) {
      const { call, marks, group, rates } = seen;
      if (call.batch || call.outcome !== 'ok') return;
      let sums = groups.get(group);
      if (sums === undefined) {
        groups.set(group, (sums = { calls: 0, inputCost: 0, marked: 0, unkept: new Sum(), history: new Sum(), tools: new Sum(), searches: new Sum(), toolUses: 0, withTools: 0, searched: 0, cost: 0, most: 0, outputs: new Histogram() }));
      }
      const { tokens } = call;
      sums.calls++;
      sums.cost += call.cost;
      if (call.webSearches > 0) sums.searches.add(seen, (call.webSearches * Number(seen.price.webSearchFee)) / 1000);
      sums.searched += call.webSearches;
      if (call.stopReason === 'tool_use') sums.toolUses++;
      if (marks === null) return;
      const kept = tokens.cacheRead + written(tokens);
      const rate = tokens.cacheRead > 0 ? rates.cacheRead : rates.input;
      sums.inputCost += worth(tokens.cacheRead, rates.cacheRead) + worth(tokens.input, rates.input) + worth(tokens.cacheWrite5m, rates.cacheWrite5m) + worth(tokens.cacheWrite1h, rates.cacheWrite1h);
      if (marks.cacheTtl !== null) {
        sums.marked++;
        if (kept === 0) sums.unkept.add(seen, worth(tokens.input, rates.input));
      }
      if (marks.maxTokens !== null) {
        sums.most = Math.max(sums.most, marks.maxTokens);
        sums.outputs.add(tokens.output);
      }
      if (marks.unbounded) return;
      const tools = marks.marks.findLast((mark) => mark.part === 'tools');
      if (tools !== undefined) {
        sums.withTools++;
        sums.tools.add(seen, worth(tokensAt(seen, tools), rate));
      }
      if (marks.messages < LONG_CONVERSATION) return;
      const begins = marks.marks.findLast((mark) => mark.part !== 'messages');
      const turnBefore = marks.marks.filter((mark) => mark.part === 'messages').at(-3);
      if (turnBefore !== undefined) sums.history.add(seen, worth(Math.min(promptTokens(tokens), tokensAt(seen, turnBefore) - (begins === undefined ? 0 : tokensAt(seen, begins))), rate));
    },
    end() {
      for (const [group, sums] of groups) {
        if (sums.unkept.calls >= LEAST_CALLS && sums.unkept.calls >= sums.marked * MOSTLY) note(group, 'too_short_to_cache', sums.unkept, { share: sums.unkept.calls / sums.marked });
        const p99 = Math.max(16, sums.outputs.quantile(0.99));
        if (sums.outputs.count >= LEAST_CALLS_FOR_MAXIMUM && sums.most >= p99 * LOOSE) {
          const loose = new Sum();
          loose.calls = sums.outputs.count;
          note(group, 'unused_max_tokens', loose, { max: sums.most, p99, suggested: Math.ceil((p99 * 1.5) / 16) * 16 });
        }
        if (sums.history.calls >= LEAST_CALLS && sums.history.amount >= sums.inputCost * MOSTLY) note(group, 'history_growth', sums.history, { share: sums.history.amount / sums.inputCost });
        if (sums.withTools >= LEAST_CALLS_FOR_TOOLS && sums.toolUses === 0) note(group, 'unused_tools', sums.tools, {});
        if (sums.searched > 0 && sums.searches.amount >= sums.cost * SEARCH_SHARE) note(group, 'server_tools', sums.searches, { searches: sums.searched, perCall: sums.searched / sums.calls });
      }
    },
  };
}

function note(group: Group, lever: Parameters<Group['claim']>[0], sum: Sum, facts: Readonly<Record<string, string | number>>): void {
  const claim = group.claim(lever);
  claim.atStake += Math.floor(sum.amount);
  claim.addDays(new Float64Array(group.days), new Float64Array(group.days), sum.calls, sum.examples);
  Object.assign(claim.facts, facts);
}
