// server/advise/levers/batch.ts: calls that nobody waits for, at the price of a batch.

import { promptTokens } from '../../domain/usage.ts';
import { costAt, plainRates, spread, total, type Group, type LeverWatch } from '../seen.ts';

/** A workflow that did not say it is background work is looked at only where nearly none of its calls stream or belong to a conversation. */
const MOSTLY = 0.95;

interface Calls {
  all: number;
  alone: number;
  /** Calls whose client said that they are background work: their figures hold as they are. */
  readonly firm: Sums;
  readonly others: Sums;
}
class Sums {
  readonly low: Float64Array;
  readonly high: Float64Array;
  calls = 0;
  readonly examples: string[] = [];
  constructor(days: number) {
    this.low = new Float64Array(days);
    this.high = new Float64Array(days);
  }
}

/**
 * Bounded. At most the difference between the two rates. At least the same with cache reads paid as plain input, since a batch promises no hits;
 * that can be a loss. Where the client did not say that nobody waits, nothing is certain and the least is zero.
 */
export function watchBatch(): LeverWatch {
  const groups = new Map<Group, Calls>();
  return {
    see(seen) {
      const { call, group, price } = seen;
      if (call.batch || call.endpoint !== 'messages') return;
      let calls = groups.get(group);
      if (calls === undefined) groups.set(group, (calls = { all: 0, alone: 0, firm: new Sums(group.days), others: new Sums(group.days) }));
      calls.all++;
      if (call.stream || call.session !== null || call.stopReason === 'tool_use') return;
      calls.alone++;
      if (seen.needless || call.outcome !== 'ok' || promptTokens(call.tokens) === 0) return;
      const { standard, batch } = plainRates(price);
      const { tokens } = call;
      const now = costAt(tokens, standard);
      const withoutHits = { ...tokens, input: tokens.input + tokens.cacheRead, cacheRead: 0 };
      const sums = call.background ? calls.firm : calls.others;
      sums.low[seen.day]! += now - costAt(withoutHits, batch);
      sums.high[seen.day]! += now - costAt(tokens, batch);
      sums.calls++;
      sums.examples[sums.calls % 5] = call.id;
    },
    end() {
      for (const [group, { all, alone, firm, others }] of groups) {
        const counted = alone >= all * MOSTLY ? [firm, others] : [firm];
        if (counted.reduce((sum, { high }) => sum + total(high), 0) <= 0) continue;
        const low = total(firm.low);
        const claim = group.claim('batch');
        for (const { high, calls, examples } of counted) claim.addDays(none(group), high, calls, examples);
        if (low > 0) claim.addDays(spread(low, firm.low), none(group), 0, []);
        claim.facts['background'] = firm.calls;
        claim.facts['share'] = counted.reduce((sum, { calls }) => sum + calls, 0) / all;
        if (low < 0) claim.facts['mayLose'] = 1;
      }
    },
  };
}

const none = (group: Group): Float64Array => new Float64Array(group.days);
