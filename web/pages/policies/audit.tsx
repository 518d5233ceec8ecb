// web/pages/policies/audit.tsx: who changed what, newest first; nothing here can be changed or removed.

import type { AuditAnswer, AuditRow } from '../../../server/http/admin/wire.ts';
import { dayAndTime, fullTime } from '../../format.ts';
import { Listing, type Column } from '../../parts/listing.tsx';
import { Panel } from '../../parts/panel.tsx';
import { address, useAsk } from '../../server.ts';
import { addressWith, follow, parameter } from '../../state/location.ts';
import { zone } from '../../state/period.ts';

const PAGE_ROWS = 25;

const detailOf = (row: AuditRow): string => {
  if (row.detail === null || typeof row.detail !== 'object') return String(row.detail ?? '');
  return Object.entries(row.detail).filter(([, value]) => value !== null).map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`).join(', ');
};

export function Audit() {
  const after = parameter('after');
  const asked = useAsk<AuditAnswer>(address('/api/audit', { limit: PAGE_ROWS, ...(after ? { cursor: after } : {}) }));
  const columns: Column<AuditRow>[] = [
    { key: 'at', name: 'Time', title: (row) => fullTime(Date.parse(row.at), zone.value), cell: (row) => dayAndTime(Date.parse(row.at), zone.value) },
    { key: 'actor', name: 'Who', cell: (row) => row.actor },
    { key: 'action', name: 'Did', cell: (row) => <code>{row.action}</code> },
    { key: 'subject', name: 'To', cell: (row) => <span class="wraps">{row.subject}</span> },
    { key: 'detail', name: 'Detail', cell: (row) => <span class="muted wraps">{detailOf(row) || '–'}</span> },
  ];
  return (
    <Panel title="Audit" asked={asked} skeleton="list" aside={<span class="muted">append-only</span>}>
      {(answer) =>
        answer.rows.length === 0 ? <p class="calm">Nothing was changed yet. Keys, reloads of the configuration, exports and backups are noted here.</p> : (
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
