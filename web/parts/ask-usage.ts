// web/parts/ask-usage.ts: asks for usage by groups, over a stretch of time, under the filters in force.

import type { ActionsAnswer, ReasonsAnswer, ShapesAnswer, UsageAnswer, VerdictsAnswer } from '../../server/http/admin/wire.ts';
import { address, filterQuestion, useAsk, type Asked } from '../server.ts';
import type { Range } from '../state/buckets.ts';
import { periodKey } from '../state/period.ts';

/** As many rows as the server gives at once. */
const MOST_ROWS = 10_000;

/**
 * @param over null asks nothing
 * @param name tells questions over different stretches apart
 * @param more further filters, which win over those in force
 * @param times whether durations are shown: adding them up is most of the server's work where groups are many
 */
export function useUsage(groupBy: string, over: Range | null, name: string, more: Readonly<Record<string, readonly string[]>> = {}, times: 'yes' | 'no' = 'no'): Asked<UsageAnswer> {
  const question = { ...filterQuestion(), ...more, group_by: groupBy, limit: MOST_ROWS, times };
  return useAsk<UsageAnswer>(over && address('/api/usage', question, over), address(`${name}:${periodKey.value}`, question));
}

/** Figures of actions; asked once per question: where no fold knows them they are read from single calls. */
export function useActions(groupBy: string, over: Range | null, name: string, more: Readonly<Record<string, readonly string[]>> = {}): Asked<ActionsAnswer> {
  const question = { ...filterQuestion(), ...more, group_by: groupBy };
  return useAsk<ActionsAnswer>(over && address('/api/actions', question, over), address(`actions:${name}:${periodKey.value}`, question), 'once');
}

export function useShapes(over: Range): Asked<ShapesAnswer> {
  const question = filterQuestion();
  return useAsk<ShapesAnswer>(address('/api/shapes', question, over), address(`shapes:${periodKey.value}`, question));
}

/** Why calls failed or were refused. @param more further filters, which win over those in force */
export function useReasons(groupBy: string, over: Range, name: string, more: Readonly<Record<string, readonly string[]>> = {}): Asked<ReasonsAnswer> {
  const question = { ...filterQuestion(), ...more, ...(groupBy === '' ? {} : { group_by: groupBy }) };
  return useAsk<ReasonsAnswer>(address('/api/reasons', question, over), address(`reasons:${name}:${periodKey.value}`, question));
}

/** What rules said of calls. @param more as for `useReasons` */
export function useVerdicts(groupBy: string, over: Range, name: string, more: Readonly<Record<string, readonly string[]>> = {}): Asked<VerdictsAnswer> {
  const question = { ...filterQuestion(), ...more, group_by: groupBy };
  return useAsk<VerdictsAnswer>(address('/api/verdicts', question, over), address(`verdicts:${name}:${periodKey.value}`, question));
}

export const verdictsCsv = (groupBy: string, over: Range, more: Readonly<Record<string, readonly string[]>>): string => address('/api/export/verdicts.csv', { ...filterQuestion(), ...more, group_by: groupBy }, over);
