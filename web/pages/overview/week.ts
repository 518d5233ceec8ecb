// web/pages/overview/week.ts: spend by the weekdays and hours it fell on.

import type { UsageRow } from '../../../server/http/admin/wire.ts';
import { costOf } from '../../figures.ts';
import { weekday } from '../../format.ts';
import { hourOfDay } from '../../state/zone.ts';

export const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
export const HOURS = Array.from({ length: 24 }, (_, hour) => hour);

/** Nano-dollars by weekday and hour of the zone. @param rows usage by hour */
export function weekOf(rows: readonly UsageRow[], inZone: string): bigint[][] {
  const week = WEEKDAYS.map(() => HOURS.map(() => 0n));
  for (const row of rows) {
    const at = Date.parse(row.hour ?? '');
    const day = WEEKDAYS.indexOf(weekday(at, inZone).slice(0, 3) as (typeof WEEKDAYS)[number]);
    if (day >= 0) week[day]![hourOfDay(at, inZone)]! += costOf(row);
  }
  return week;
}
