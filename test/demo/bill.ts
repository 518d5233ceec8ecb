// test/demo/bill.ts: what the stand-in says it bills: what the ledger has, and a little that went past the gateway, as somebody's try in the console would.

import type { UsageAnswer } from '../../server/http/admin/wire.ts';
import type { BilledOn } from '../standin/usage-reports.ts';

export const ADMIN_KEY = 'sk-ant-admin01-demo-lamps';
const DAY_MS = 86_400_000;
/** Of every day's tokens and dollars, in thousandths. */
const PAST_THE_GATEWAY = 4n;

/** @param adminUrl asked when the gateway asks for its report, so that days to come are in it too */
export const billFrom = (adminUrl: string): BilledOn => async (day) => {
  const range = `from=${new Date(day).toISOString()}&to=${new Date(day + DAY_MS).toISOString()}`;
  const answer = await fetch(`${adminUrl}/api/usage?${range}&group_by=model`);
  if (!answer.ok) throw new Error(`the demo's gateway answered ${answer.status}`);
  const { rows } = (await answer.json()) as UsageAnswer;
  return rows.filter(({ cost_usd }) => /[1-9]/.test(cost_usd)).map(({ model, tokens, cost_usd, web_searches }) => ({
    workspace: null, model: model ?? 'unknown', searches: web_searches, cents: centsOf(cost_usd),
    uncachedInput: more(tokens.input), cacheWrite5m: more(tokens.cache_write_5m), cacheWrite1h: more(tokens.cache_write_1h), cacheRead: more(tokens.cache_read), output: more(tokens.output),
  }));
};

const more = (count: number): number => count + Math.floor((count * Number(PAST_THE_GATEWAY)) / 1000);

function centsOf(usd: string): string {
  const nano = BigInt(usd.replace('.', ''));
  const digits = (nano + (nano * PAST_THE_GATEWAY) / 1000n).toString().padStart(8, '0');
  return `${digits.slice(0, -7)}.${digits.slice(-7)}`;
}
