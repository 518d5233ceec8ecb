// server/alert/rules/quality.ts: whether the figures can be trusted: a ledger that cannot be written, models without price, old prices, alerts that do not arrive.

import type { Reading } from '../../domain/alert.ts';
import { DAY_MS, MINUTE_MS } from '../../domain/durations.ts';
import type { Figures } from '../figures.ts';
import { count, percent } from './show.ts';

/** A message that waits longer has failed several times. */
const LATE_MS = 10 * MINUTE_MS;

export function unpricedModels({ unpriced, rules, notify }: Figures): Reading[] {
  if (!rules.unpriced.enabled) return [];
  return unpriced.map(({ model, count: calls, refused }): Reading => ({
    rule: 'unpriced', scope: model, period: null, basis: '', tier: 1, keeps: 1, severity: 'warning', forMs: 0, clearMs: 0, rearmMs: 7 * DAY_MS,
    title: `Model ${model} has no price`,
    text: refused ? 'Its calls are refused. Add it to the price book to let them through.' : 'Its calls count at the dearest price there is. Add it to the price book, then `tollgate reprice`.',
    facts: [{ label: 'Model', value: model }, { label: 'Calls', value: count(calls) }],
    value: calls, threshold: 1, unit: 'count', notify,
  }));
}

/** Each such cost is an estimate: rare, it is a broken answer; often, the provider or something before it says it otherwise than we read it. */
export function missingUsage({ usage: { total, bad }, rules, notify }: Figures): Reading[] {
  const { enabled, above, least } = rules.usageMissing;
  if (!enabled) return [];
  const share = total === 0 ? 0 : bad / total;
  const fires = bad >= least && share > above;
  return [{
    rule: 'usage_missing', scope: 'gateway', period: null, basis: String(above), tier: fires ? 1 : 0, keeps: fires || (bad > 0 && share > above * 0.95) ? 1 : 0, severity: 'warning', forMs: 0, clearMs: 10 * MINUTE_MS, rearmMs: DAY_MS,
    title: `${percent(share)} of the answers did not tell what they used`,
    text: `${count(bad)} of ${count(total)} answers of the last hour came whole and without usage that could be read: their cost is estimated. Something between here and the model may change answers, or they have a form that this version does not know.`,
    facts: [{ label: 'Without usage', value: count(bad) }, { label: 'Answers', value: count(total) }],
    value: share, threshold: above, unit: 'ratio', notify,
  }];
}

export function ledgerTrouble({ ledger, rules, notify }: Figures): Reading[] {
  if (!rules.ledger.enabled) return [];
  const tier = ledger.writable && ledger.lostLately === 0 ? 0 : 1;
  return [{
    rule: 'ledger', scope: 'gateway', period: null, basis: '', tier, keeps: tier, severity: 'critical', forMs: 0, clearMs: MINUTE_MS, rearmMs: 0,
    title: ledger.writable ? 'The ledger has lost rows' : 'The ledger cannot be written',
    text: ledger.writable ? 'Calls were served whose rows could not be written: what they cost is missing from budgets and reports.' : `New calls are refused until it can.${ledger.trouble === null ? '' : ` ${ledger.trouble}`}`,
    facts: [{ label: 'Rows given up in the last five minutes', value: count(ledger.lostLately) }, { label: 'Since the start', value: count(ledger.lost) }],
    value: ledger.lost, threshold: 0, unit: 'count', notify,
  }];
}

export function oldPrices({ pricesVerifiedAt, now, rules, notify }: Figures): Reading[] {
  const { enabled, afterDays } = rules.priceBook;
  if (!enabled || pricesVerifiedAt === null) return [];
  const days = (now - pricesVerifiedAt) / DAY_MS;
  const fires = days > afterDays;
  return [{
    // Prices that are checked anew and grow old again are a new matter.
    rule: 'price_book', scope: 'gateway', period: null, basis: String(pricesVerifiedAt), tier: fires ? 1 : 0, keeps: fires ? 1 : 0, severity: 'warning', forMs: 0, clearMs: 0, rearmMs: 0,
    title: 'The price book is old',
    text: `Its prices were last checked ${Math.floor(days)} days ago. Compare it with the provider's list, and set \`verified\` in its rows.`,
    facts: [{ label: 'Days', value: String(Math.floor(days)) }],
    value: days, threshold: afterDays, unit: 'days', notify,
  }];
}

/** Told to the channels that work. */
export function failingDelivery({ failing, rules, notify, channels }: Figures & { readonly channels: readonly string[] }): Reading[] {
  if (!rules.delivery.enabled) return [];
  return failing.map(({ channel, dead, waitingMs }): Reading => {
    const tier = dead > 0 || waitingMs > LATE_MS ? 1 : 0;
    return {
      rule: 'delivery', scope: channel, period: null, basis: '', tier, keeps: tier, severity: 'critical', forMs: 0, clearMs: 0, rearmMs: 60 * MINUTE_MS,
      title: `Alerts do not reach ${channel}`,
      text: `${undelivered(dead, waitingMs)} \`tollgate alerts test --channel ${channel}\` tells what is wrong.`,
      facts: [{ label: 'Channel', value: channel }, { label: 'Given up in a day', value: count(dead) }],
      value: dead, threshold: 1, unit: 'count', notify: (notify ?? channels).filter((id) => id !== channel),
    };
  });
}

function undelivered(dead: number, waitingMs: number): string {
  const givenUp = dead === 1 ? 'One message of the last day was given up.' : `${count(dead)} messages of the last day were given up.`;
  const tried = waitingMs > LATE_MS ? `${dead > 0 ? 'Another' : 'A message'} has been tried for ${count(waitingMs / MINUTE_MS)} minutes.` : null;
  return [...(dead > 0 || tried === null ? [givenUp] : []), ...(tried === null ? [] : [tried])].join(' ');
}
