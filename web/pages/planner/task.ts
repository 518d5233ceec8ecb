// web/pages/planner/task.ts: the planned task as it stands in the address, and what the server's answer says about what moves its cost.

import type { PlanBody, PlanModelAnswer, UsageRow } from '../../../server/http/admin/wire.ts';
import { promptTokens } from '../../figures.ts';
import { nanos } from '../../format.ts';

/** As typed; empty where nothing is said. */
export interface Task {
  readonly model: string;
  readonly calls: string;
  readonly days: string;
  readonly input: string;
  readonly output: string;
  readonly prefix: string;
  readonly ttl: string;
  readonly hourly: string;
  /** Per cent. */
  readonly batch: string;
  readonly minutes: string;
  readonly rate: string;
}
export type TaskField = keyof Task;

export const FIRST: Task = { model: 'claude-haiku-4-5', calls: '100', days: '30', input: '2000', output: '300', prefix: '0', ttl: '5m', hourly: '', batch: '0', minutes: '', rate: '' };

/** Reads the address; what is missing or not text is as at first. */
export function taskFrom(text: string | null): Task {
  const said = new URLSearchParams(text ?? '');
  return Object.fromEntries((Object.keys(FIRST) as TaskField[]).map((field) => [field, said.get(field) ?? FIRST[field]])) as unknown as Task;
}

/** Only what differs from the first task; null where nothing does. */
export function taskText(task: Task): string | null {
  const said = new URLSearchParams();
  for (const field of Object.keys(FIRST) as TaskField[]) if (task[field] !== FIRST[field]) said.set(field, task[field]);
  return said.toString() || null;
}

/** What the server is asked. Numbers that are not numbers go as they are, for the server to name the fault. */
export function bodyOf(task: Task): PlanBody {
  const number = (text: string): number => (text.trim() === '' ? 0 : Number(text));
  return {
    model: task.model, calls_per_day: number(task.calls), days_per_month: number(task.days), input_tokens: number(task.input), output_tokens: number(task.output), cached_prefix_tokens: number(task.prefix),
    cache_ttl: task.ttl === '1h' ? '1h' : '5m', calls_per_hour: task.hourly.trim() === '' ? null : Number(task.hourly), batch_share: number(task.batch) / 100,
    ...(task.minutes.trim() === '' ? {} : { minutes_per_task: task.minutes.trim(), ...(task.rate.trim() === '' ? {} : { hourly_rate_usd: task.rate.trim() }) }),
  };
}

/** A task like what a workflow did over `days` days; null for one without calls. */
export function taskLike(row: UsageRow, model: string, days: number): Task | null {
  const sent = row.requests - row.refused;
  if (sent <= 0) return null;
  const text = (amount: number) => String(Math.max(0, Math.round(amount)));
  return {
    ...FIRST, model, calls: String(Math.max(1, Math.round(sent / days))), input: text(promptTokens(row.tokens) / sent), output: text(row.tokens.output / sent),
    prefix: text((row.tokens.cache_read + row.tokens.cache_write_5m + row.tokens.cache_write_1h) / sent), ttl: row.tokens.cache_write_1h > row.tokens.cache_write_5m ? '1h' : '5m',
  };
}

export interface Lever {
  readonly name: string;
  /** Nano-dollars a month, more or less. */
  readonly change: bigint;
}

/** What a month would cost more or less if one thing were otherwise; exact, as costs are sums over tokens. The strongest first. */
export function leversOf(model: PlanModelAnswer): Lever[] {
  const kinds = model.described.kinds;
  const of = (names: readonly string[]) => kinds.filter((one) => names.includes(one.kind)).reduce((sum, one) => sum + nanos(one.month_usd.slice(0, -3)), 0n);
  const month = nanos(model.described.month_usd);
  const levers = [
    { name: 'A fifth more calls', change: month / 5n },
    { name: 'Prompts a fifth longer', change: of(['input', 'cache_write_5m', 'cache_write_1h', 'cache_read']) / 5n },
    { name: 'Answers a fifth longer', change: of(['output']) / 5n },
    { name: 'Neither cached nor in batches', change: nanos(model.plain.month_usd) - month },
    ...(model.cached ? [{ name: 'All cached, nothing in batches', change: nanos(model.cached.month_usd) - month }] : []),
    { name: 'All in batches, uncached', change: nanos(model.batched.month_usd) - month },
  ];
  const size = (amount: bigint) => (amount < 0n ? -amount : amount);
  return levers.filter((one) => one.change !== 0n).toSorted((a, b) => Number(size(b.change) - size(a.change)));
}
