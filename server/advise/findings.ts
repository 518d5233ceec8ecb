// server/advise/findings.ts: from what the levers claim of each group to findings that never count a dollar twice.

import { LEVER_GRADES, LEVERS, type Finding, type Grade, type Lever } from '../domain/advice.ts';
import { nanodollars } from '../domain/money.ts';
import { total, type Claim, type Group } from './seen.ts';

/** They take a part of each call, whatever it costs by then, so they take it of what the levers before them leave. */
const OF_THE_REST: ReadonlySet<Lever> = new Set(['batch', 'smaller_model']);
/** The whole calls that are needless; what comes after looks at the others only. */
const WHOLE_CALLS: ReadonlySet<Lever> = new Set(['repeated_calls', 'superseded_tries']);
/** Bounds that are this close are one figure. */
const EXACT_WITHIN = 0.005;

/** Amounts by day of what one lever may claim of a group. */
interface Share {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/**
 * Day by day and in the order of `LEVERS`, each lever gets at most what the ones before it left of the group's cost. So all that is found,
 * at its most, is never more than what was spent. The two levers that reprice whole calls, batches and smaller models, do so on what is left
 * of the calls' cost; being factors, they come to the same in either order, and the one that is only an estimate goes last.
 */
function shareOut({ cost, claims }: Pick<Group, 'cost' | 'claims'>): Map<Lever, Share> {
  const left = cost.map((amount) => Math.max(0, amount));
  const needed = left.slice();
  const shares = new Map<Lever, Share>();
  for (const lever of LEVERS) {
    const claim = claims.get(lever);
    if (claim === undefined) continue;
    const low = claim.low.slice();
    const high = claim.high.slice();
    for (let day = 0; day < left.length; day++) {
      const factor = OF_THE_REST.has(lever) && needed[day]! > 0 ? left[day]! / needed[day]! : 1;
      high[day] = Math.min(Math.floor(Math.max(0, high[day]!) * factor), Math.floor(left[day]!));
      low[day] = Math.max(0, Math.min(Math.floor(low[day]! * factor), high[day]!));
      left[day]! -= high[day]!;
      if (WHOLE_CALLS.has(lever)) needed[day]! -= high[day]!;
    }
    shares.set(lever, { low, high });
  }
  return shares;
}

/** One finding per lever and workflow, its models together. What claims nothing and stakes nothing is none, but for a loose maximum. */
export function findingsOf(groups: Iterable<Group>): Finding[] {
  const parts = new Map<string, { lever: Lever; group: Group; claim: Claim; share: Share }[]>();
  for (const group of groups) {
    for (const [lever, share] of shareOut(group)) {
      const id = `${lever}:${group.workspace}/${group.workflow}`;
      const claim = group.claims.get(lever)!;
      const some = parts.get(id) ?? [];
      parts.set(id, some);
      some.push({ lever, group, claim, share });
    }
  }
  return [...parts].flatMap(([id, some]) => {
    const finding = findingOf(id, some.toSorted((a, b) => total(b.share.high) + b.claim.atStake - total(a.share.high) - a.claim.atStake));
    return finding.high > 0n || finding.atStake > 0n || finding.lever === 'unused_max_tokens' ? [finding] : [];
  });
}

/** @param parts of one lever in one workflow, the dearest model first */
function findingOf(id: string, parts: readonly { lever: Lever; group: Group; claim: Claim; share: Share }[]): Finding {
  const [{ lever, group, claim }] = parts as [(typeof parts)[number]];
  const days = Array.from({ length: group.days }, (_, day) => ({
    low: nanodollars(BigInt(Math.round(parts.reduce((sum, { share }) => sum + share.low[day]!, 0)))),
    high: nanodollars(BigInt(Math.round(parts.reduce((sum, { share }) => sum + share.high[day]!, 0)))),
  }));
  const low = days.reduce((sum, day) => sum + day.low, 0n);
  const high = days.reduce((sum, day) => sum + day.high, 0n);
  return {
    id, lever,
    grade: gradeOf(lever, low, high),
    workspace: group.workspace,
    workflow: group.workflow,
    models: parts.filter(({ share, claim: { atStake } }) => total(share.high) + atStake > 0 || parts.length === 1).map((part) => part.group.model),
    low: nanodollars(low),
    high: nanodollars(high),
    atStake: nanodollars(BigInt(parts.reduce((sum, part) => sum + part.claim.atStake, 0))),
    calls: parts.reduce((sum, part) => sum + part.claim.calls, 0),
    examples: claim.examples.filter((example) => example !== undefined).toReversed(),
    days,
    facts: claim.facts,
  };
}

function gradeOf(lever: Lever, low: bigint, high: bigint): Grade {
  const grades: readonly Grade[] = LEVER_GRADES[lever];
  if (grades.length === 1) return grades[0]!;
  return Number(high - low) <= Number(high) * EXACT_WITHIN ? 'exact' : 'bounded';
}
