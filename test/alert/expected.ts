// test/alert/expected.ts: what has to be told of the scene, from its description and from the calls' costs by plain arithmetic; nothing in here asks the engine.

import type { Lived, Life } from './live-month.ts';
import { COLLAPSE, LOOP, MONTH, WORKSPACES } from './month.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const LENGTH = MONTH.to - MONTH.from;
/** A look comes a second after a settlement or with the minute; a message about it bears the time of the look. */
const LOOK = MINUTE + 1_000;

export interface Expected {
  /** Rule, scope, how urgent. */
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

/**
 * 1. Each incident that costs much in an hour is told by `anomaly`, of its workspace, within the time in which a person would want to
 *    know: it takes twenty minutes of excess by definition.
 * 2. A budget's shares of 50, 80 and 100 % are told when the money is really spent, to the minute, and never otherwise.
 * 3. `pace` is told in the minute in which a budget is half spent at twice the even pace or more.
 * 4. `forecast` is told of every budget that ends the month 5 % or more over its limit, before it is, and of none that ends 5 % or
 *    more below; in between the month itself does not know.
 * Everything else would be a false alarm.
 */
export function expectedOf({ spent, limits }: Pick<Lived, 'spent' | 'limits'>, { from, to, troubled }: Life): { readonly must: readonly Expected[]; readonly may: readonly Expected[] } {
  const must: Expected[] = [];
  const may: Expected[] = [];
  const meets = (span: { from: number; to: number }): boolean => troubled && span.from >= from && span.to <= to;
  if (meets(LOOP)) must.push({ what: 'anomaly engineering critical', from: LOOP.from + 20 * MINUTE, to: LOOP.from + 90 * MINUTE });
  if (meets(COLLAPSE)) must.push({ what: 'anomaly support critical', from: COLLAPSE.from + 20 * MINUTE, to: COLLAPSE.from + 120 * MINUTE });

  for (const workspace of WORKSPACES) {
    const limit = limits[workspace]!;
    const calls = spent.filter((one) => one.workspace === workspace && one.at >= MONTH.from && one.at < to);
    const reaches = (share: number): number | null => {
      let sum = 0;
      for (const { at, dollars } of calls) if ((sum += dollars) >= share * limit - 1e-9) return at;
      return null;
    };
    for (const [share, severity] of [[0.5, 'info'], [0.8, 'warning'], [1, 'critical']] as const) {
      const at = reaches(share);
      if (at !== null && at >= from) must.push({ what: `budget ${workspace}-month ${severity}`, from: at, to: at + LOOK });
    }
    const fast = paceAt(calls, limit, from, to);
    if (fast !== null) must.push({ what: `pace ${workspace}-month warning`, from: fast, to: fast + LOOK });
    const total = calls.reduce((sum, { dollars }) => sum + dollars, 0);
    const wholeMonth = Number(from) === Number(MONTH.from) && Number(to) === Number(MONTH.to);
    // A tenth of the month has to be over, and an hour to pass.
    const forecast: Expected = { what: `forecast ${workspace}-month warning`, from: MONTH.from + 0.1 * LENGTH + HOUR, to: reaches(1) ?? to };
    if (wholeMonth && total >= 1.05 * limit) must.push(forecast);
    else if (!wholeMonth || total > 0.95 * limit) may.push(forecast);
  }
  return { must, may };
}

/** The first minute, or settlement, at which half is spent, not all, at twice the even pace; past a twentieth of the month. */
function paceAt(calls: readonly { readonly at: number; readonly dollars: number }[], limit: number, from: number, to: number): number | null {
  let sum = 0;
  let next = 0;
  const instants = new Set<number>(calls.map(({ at }) => at));
  for (let at: number = MONTH.from; at < to; at += MINUTE) instants.add(at);
  for (const at of [...instants].sort((a, b) => a - b)) {
    for (; next < calls.length && calls[next]!.at <= at; next++) sum += calls[next]!.dollars;
    const gone = (at - MONTH.from) / LENGTH;
    const used = sum / limit;
    if (at >= from && gone >= 0.05 && used >= 0.5 && used < 1 && used / gone >= 2) return at;
  }
  return null;
}
