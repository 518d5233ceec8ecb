// server/cli/times.ts: points in time as people write them on a command line.

import { InvalidArgumentError } from 'commander';

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/**
 * An instant, from `2027-01-31` (its first moment in UTC), `2027-01-31T18:00:00Z`, or `90d` from now (m, h, d, w).
 * @throws InvalidArgumentError for anything else, and for what is past
 */
export function laterInstant(text: string, now: number = Date.now()): Date {
  const relative = /^(\d{1,5})([mhdw])$/.exec(text);
  const absolute = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text);
  const at = relative ? now + Number(relative[1]) * UNIT_MS[relative[2] as keyof typeof UNIT_MS] : absolute ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError('Expected a day such as 2027-01-31, an instant such as 2027-01-31T18:00:00Z, or a time from now such as 90d.');
  if (at <= now) throw new InvalidArgumentError('Expected a time in the future.');
  return new Date(at);
}
