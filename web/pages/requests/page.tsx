// web/pages/requests/page.tsx: which calls exactly?

import { useRef } from 'preact/hooks';
import type { RequestsAnswer, StatusAnswer, UsageAnswer } from '../../../server/http/admin/wire.ts';
import { compact, exactMoney, nanos, shortMoney, whole } from '../../format.ts';
import { tokenSum } from '../../parts/tokens.ts';
import { address, filterQuestion, useAsk, type Asked } from '../../server.ts';
import { addressWith, follow, parameter } from '../../state/location.ts';
import type { Range } from '../../state/buckets.ts';
import { bucketUnit, periodKey, range } from '../../state/period.ts';
import { Drawer } from './drawer.tsx';
import { Histogram } from './histogram.tsx';
import { RequestList } from './list.tsx';

const PAGE_ROWS = 50;

export function Requests({ status }: { status: Asked<StatusAnswer> }) {
  const filter = filterQuestion();
  const after = parameter('after');
  const row = parameter('row');
  const perOutcome = { ...filter, group_by: `outcome,${bucketUnit.value}`, limit: 10_000 };
  const usage = useAsk<UsageAnswer>(address('/api/usage', perOutcome, range.value), address(`histogram:${periodKey.value}`, perOutcome));
  // While a row is open, or an older page, the list stays put; newer calls come with the next look at the newest.
  const held = useRef<Range | null>(null);
  held.current = row || after ? (held.current ?? range.value) : null;
  const listed = held.current ?? range.value;
  const page = { ...filter, limit: PAGE_ROWS, ...(after ? { cursor: after } : {}) };
  const list = useAsk<RequestsAnswer>(address('/api/requests', page, listed), address(`list:${periodKey.value}`, page));
  if (status.data && !status.data.first_run.has_traffic) {
    return <div class="empty panel"><h2>No call has come yet</h2><p>Every call that passes is a row here, with its cost line by line. <a href={addressWith({}, 'overview')} onClick={follow}>How to send the first one</a></p></div>;
  }
  const total = usage.data?.total;
  return (
    <div class={row ? 'with-drawer' : undefined}>
      <div>
        {total && (
          <p class="totals" aria-live="off">
            <strong>{whole(total.requests)}</strong> requests <span class="muted">·</span> <strong title={exactMoney(nanos(total.cost_usd))}>{shortMoney(nanos(total.cost_usd))}</strong> <span class="muted">·</span> <strong>{compact(tokenSum(total.tokens))}</strong> tokens <span class="muted">·</span> <strong>{whole(total.errors)}</strong> failed
          </p>
        )}
        <Histogram asked={usage} />
        <RequestList asked={list} exportTo={address('/api/export/requests.csv', filter, range.value)} />
      </div>
      {row && <Drawer key={row} id={row} />}
    </div>
  );
}
