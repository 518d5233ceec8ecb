// web/parts/happenings.ts: what may explain a bend in a chart: prices that changed, and what was changed in the configuration, budgets and keys.

import type { AuditAnswer, AuditRow, FacetsAnswer, PriceRowAnswer, PricesAnswer } from '../../server/http/admin/wire.ts';
import type { Happening } from '../charts/series.ts';
import { money, nanos } from '../format.ts';
import { address, useAsk } from '../server.ts';
import type { Range } from '../state/buckets.ts';
import { periodKey, range } from '../state/period.ts';

/** As far back in the audit log as a chart looks. */
const AUDIT_ROWS = 200;

const CHANGES: Readonly<Record<string, (row: AuditRow) => string>> = {
  'config.reload': () => 'Configuration changed',
  'budget.grant': (row) => `Budget ${row.subject} raised`,
  'budget.grant.revoke': (row) => `Budget ${row.subject}: grant ended`,
  'key.create': (row) => `Key ${row.subject} issued`,
  'key.revoke': (row) => `Key ${row.subject} revoked`,
};

const KINDS = ['input', 'output', 'cache_read', 'cache_write_5m', 'cache_write_1h'] as const;

/** Price rows of the models in use that came into force within the range, with what they changed per million tokens. */
export function priceChanges(prices: readonly PriceRowAnswer[], models: readonly string[], { from, to }: Range): Happening[] {
  const undated = (model: string) => model.replace(/-\d{8}$/, '');
  const used = new Set(models.flatMap((model) => [model, undated(model)]));
  const rows = prices.toSorted((a, b) => Date.parse(a.effective_from) - Date.parse(b.effective_from));
  return rows.flatMap((row, i) => {
    const at = Date.parse(row.effective_from);
    if (at < from || at >= to || !(used.has(row.model) || used.has(undated(row.model)))) return [];
    const before = rows.slice(0, i).findLast((one) => one.model === row.model && one.kind === row.kind);
    if (!before) return [];
    const moved = KINDS.filter((kind) => before.usd_per_mtok.standard[kind] !== row.usd_per_mtok.standard[kind]);
    if (moved.length === 0) return [];
    return [{ at, name: `${row.model}: ${moved.map((kind) => `${kind.replaceAll('_', ' ')} ${money(nanos(before.usd_per_mtok.standard[kind]))} to ${money(nanos(row.usd_per_mtok.standard[kind]))}`).join(', ')} per MTok` }];
  });
}

/** Changes by people within the range; several of one kind within a minute are one. */
export function changes(audit: readonly AuditRow[], { from, to }: Range): Happening[] {
  const found: Happening[] = [];
  for (const row of audit.toReversed()) {
    const at = Date.parse(row.at);
    const name = CHANGES[row.action]?.(row);
    const last = found.at(-1);
    if (name === undefined || at < from || at >= to || (last?.name === name && at - last.at < 60_000)) continue;
    found.push({ at, name });
  }
  return found;
}

/** The happenings of the period on screen, oldest first; empty until they are known. They are an extra: a failure to learn them is no failure of the chart. */
export function useHappenings(): readonly Happening[] {
  const prices = useAsk<PricesAnswer>('/api/prices', 'prices', 'once');
  const audit = useAsk<AuditAnswer>(address('/api/audit', { limit: AUDIT_ROWS }), 'audit-changes', 'once');
  const facets = useAsk<FacetsAnswer>(address('/api/facets', { limit: 50 }, range.value), `models:${periodKey.value}`, 'once');
  return [...priceChanges(prices.data?.rows ?? [], facets.data?.model ?? [], range.value), ...changes(audit.data?.rows ?? [], range.value)].toSorted((a, b) => a.at - b.at);
}
