// web/pages/requests/page.tsx: which calls exactly?

import { useRef } from 'preact/hooks';
import type { PoliciesAnswer, RequestsAnswer, StatusAnswer, UsageAnswer } from '../../../server/http/admin/wire.ts';
import { compact, dayMonth, exactMoney, nanos, shortMoney, whole } from '../../format.ts';
import { tokenSum } from '../../parts/tokens.ts';
import { address, filterQuestion, useAsk, type Asked } from '../../server.ts';
import { addressWith, follow, parameter } from '../../state/location.ts';
import type { Range } from '../../state/buckets.ts';
import { bucketUnit, now, periodKey, range, zone } from '../../state/period.ts';
import { dayMs } from '../../state/zone.ts';
import { Drawer } from './drawer.tsx';
import { Histogram } from './histogram.tsx';
import { RequestList } from './list.tsx';

const PAGE_ROWS = 50;

export function Requests({ status }: { status: Asked<StatusAnswer> }) {
  const filter = filterQuestion();
  const after = parameter('after');
  const row = parameter('row');
  const perOutcome = { ...filter, group_by: `outcome,${bucketUnit.value}`, limit: 10_000, times: 'no' };
  const usage = useAsk<UsageAnswer>(address('/api/usage', perOutcome, range.value), address(`histogram:${periodKey.value}`, perOutcome));
  // While a row is open, or an older page, the list stays put; newer calls come with the next look at the newest.
  const held = useRef<Range | null>(null);
  held.current = row || after ? (held.current ?? range.value) : null;
  const listed = held.current ?? range.value;
  const page = { ...filter, limit: PAGE_ROWS, ...(after ? { cursor: after } : {}) };
  const list = useAsk<RequestsAnswer>(address('/api/requests', page, listed), address(`list:${periodKey.value}`, page));
  const policies = useAsk<PoliciesAnswer>('/api/policies', 'policies', 'once');
  if (status.data && !status.data.first_run.has_traffic) {
    return <div class="empty panel"><h2>No call has come yet</h2><p>Every call that passes is a row here, with its cost line by line. <a href={addressWith({}, 'overview')} onClick={follow}>How to send the first one</a></p></div>;
  }
  const total = usage.data?.total;
  const kept = policies.data ? now.value - policies.data.requests_retention_days * dayMs : null;
  return (
    <div class={row ? 'with-drawer' : undefined}>
      <div>
        {total && (
          <p class="totals" aria-live="off">
            <strong>{whole(total.requests)}</strong> requests <span class="muted">·</span> <strong title={exactMoney(nanos(total.cost_usd))}>{shortMoney(nanos(total.cost_usd))}</strong> <span class="muted">·</span> <strong>{compact(tokenSum(total.tokens))}</strong> tokens <span class="muted">·</span> <strong>{whole(total.errors)}</strong> failed
          </p>
        )}
        {kept !== null && range.value.from < kept && (
          <p class="notice" role="status">Rows of single calls are kept for {policies.data!.requests_retention_days} days, back to {dayMonth(kept, zone.value)}. The sums and the chart also hold what came before.</p>
        )}
        <Histogram asked={usage} />
        <RequestList asked={list} exportTo={address('/api/export/requests.csv', filter, range.value)} />
      </div>
      {row && <Drawer key={row} id={row} />}
    </div>
  );
}
