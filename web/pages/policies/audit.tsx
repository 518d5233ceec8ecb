// web/pages/policies/audit.tsx: who changed what, newest first; nothing here can be changed or removed.

import type { AuditAnswer, AuditRow } from '../../../server/http/admin/wire.ts';
import { dayAndTime, fullTime } from '../../format.ts';
import { Listing, type Column } from '../../parts/listing.tsx';
import { Panel } from '../../parts/panel.tsx';
import { address, useAsk } from '../../server.ts';
import { addressWith, follow, parameter } from '../../state/location.ts';
import { zone } from '../../state/period.ts';
import { detailOf } from './audit-detail.ts';

const PAGE_ROWS = 25;

interface ConfigDetail {
  readonly changes: readonly { readonly place: string; readonly before: string | null; readonly after: string | null }[];
  readonly more_changes?: number;
  readonly other_prices?: string;
  readonly file_written_at?: string | null;
}
const isConfig = (detail: unknown): detail is ConfigDetail => typeof detail === 'object' && detail !== null && Array.isArray((detail as Partial<ConfigDetail>).changes);

/** What a config says differently from the one before it. */
function Changes({ detail }: { detail: ConfigDetail }) {
  return (
    <>
      <ul class="changes">
        {detail.changes.map(({ place, before, after }) => (
          <li key={place}>
            <span class="muted wraps">{place}</span>{' '}
            {before === null ? <span class="unseen">was added: </span> : <><del class="wraps">{before}</del>{' '}<span aria-hidden="true">→</span><span class="unseen">became</span>{' '}</>}
            {after === null ? <em>taken out</em> : before === '(hidden)' && after === '(hidden)' ? <em>another one</em> : <ins class="wraps">{after}</ins>}
          </li>
        ))}
        {detail.more_changes && <li class="muted">and {detail.more_changes} more</li>}
        {detail.other_prices && <li>other prices, from files that changed</li>}
      </ul>
      {detail.changes.length === 0 && !detail.other_prices && <span class="muted">no value changed</span>}
    </>
  );
}

export function Audit() {
  const after = parameter('after');
  const asked = useAsk<AuditAnswer>(address('/api/audit', { limit: PAGE_ROWS, ...(after ? { cursor: after } : {}) }));
  const columns: Column<AuditRow>[] = [
    { key: 'at', name: 'Time', title: (row) => fullTime(Date.parse(row.at), zone.value), cell: (row) => dayAndTime(Date.parse(row.at), zone.value) },
    { key: 'actor', name: 'Who', cell: (row) => row.actor },
    { key: 'action', name: 'Did', cell: (row) => <code>{row.action}</code> },
    { key: 'subject', name: 'To', cell: (row) => <span class="wraps">{row.subject}</span> },
    { key: 'detail', name: 'Detail', title: (row) => (isConfig(row.detail) && row.detail.file_written_at ? `The file was saved ${fullTime(Date.parse(row.detail.file_written_at), zone.value)}` : undefined), cell: (row) => (isConfig(row.detail) ? <Changes detail={row.detail} /> : <span class="muted wraps">{detailOf(row.detail, zone.value) || '–'}</span>) },
  ];
  return (
    <Panel title="Audit" asked={asked} skeleton="list" aside={<span class="muted">append-only</span>}>
      {(answer) =>
        answer.rows.length === 0 ? <p class="calm">Nothing was changed yet. Keys, reloads of the configuration, exports of the server and backups are noted here.</p> : (
          <>
            <Listing caption="Audit, as a table" columns={columns} rows={answer.rows} idOf={(row) => String(row.id)} />
            <nav class="pager" aria-label="Pages of the audit">
              {after && <a class="button" href={addressWith({ after: null })} onClick={follow}>Newest</a>}
              {answer.next_cursor && <a class="button" href={addressWith({ after: answer.next_cursor })} onClick={follow}>Older</a>}
            </nav>
          </>
        )}
    </Panel>
  );
}
