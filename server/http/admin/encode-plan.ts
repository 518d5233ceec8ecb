// server/http/admin/encode-plan.ts: a plan between its own words and those of the wire; the command line prints the same.

import type { z } from 'zod';
import type { EpochMs } from '../../domain/ids.ts';
import { nanoFromUsd, usdString } from '../../domain/money.ts';
import type { Plan, PlanFigures, PlanTask } from '../../domain/plan.ts';
import { priceKind } from '../../domain/price.ts';
import { TOKEN_KIND_NAMES } from '../../domain/usage.ts';
import { exactUsd, iso } from './encode.ts';
import type * as wire from './wire.ts';

/** @param assumeUs what holds where the task does not say whether it runs in the US */
export function planTask(body: z.output<typeof wire.PlanBody>, assumeUs: boolean): PlanTask {
  return {
    model: body.model,
    compare: body.compare ?? null,
    callsPerDay: body.calls_per_day,
    inputTokens: body.input_tokens,
    outputTokens: body.output_tokens,
    prefixTokens: body.cached_prefix_tokens,
    cacheTtl: body.cache_ttl,
    callsPerHour: body.calls_per_hour,
    batchMillionths: Math.round(body.batch_share * 1e6),
    daysPerMonth: body.days_per_month,
    us: body.us_inference ?? assumeUs,
    // Minutes are kept to nine places, as dollars are, so that no float touches the money.
    byHand: body.minutes_per_task === undefined ? null : { minutes: nanoFromUsd(body.minutes_per_task), hourlyRate: body.hourly_rate_usd === undefined ? null : nanoFromUsd(body.hourly_rate_usd) },
  };
}

export function planAnswer({ models, byHand }: Plan, at: EpochMs): wire.PlanAnswer {
  return {
    at: iso(at),
    models: models.map((m) => ({
      model: m.model,
      price_version: m.row.version,
      price_kind: priceKind(m.row.version),
      tokens_per_call: { input: m.tokens.input, output: m.tokens.output, cached_prefix: m.tokens.prefix },
      described: figures(m.described),
      plain: figures(m.plain),
      cached: m.cached === null ? null : figures(m.cached),
      batched: figures(m.batched),
      saved_month_usd: m.savedPerMonth === null ? null : usdString(m.savedPerMonth),
      warnings: m.warnings.map(({ code, message }) => ({ code, message })),
    })),
    by_hand: byHand === null ? null : { hours_per_month: byHand.hoursPerMonth, worth_month_usd: byHand.worthPerMonth === null ? null : usdString(byHand.worthPerMonth) },
  };
}

const figures = (f: PlanFigures): wire.PlanFiguresAnswer => ({
  call_usd: usdString(f.call),
  day_usd: usdString(f.day),
  month_usd: usdString(f.month),
  year_usd: usdString(f.year),
  kinds: f.lines.map(({ kind, tokens, amount }) => ({ kind: TOKEN_KIND_NAMES[kind], tokens_per_month: tokens, month_usd: exactUsd(amount) })),
});
