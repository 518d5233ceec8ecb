// web/pages/limits/queue.tsx: background calls that wait until the provider has room, and whose they are.

import type { LimitsAnswer } from '../../../server/http/admin/wire.ts';
import { duration, percent, whole } from '../../format.ts';
import { Listing, type Column } from '../../parts/listing.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';

type Row = LimitsAnswer['queue']['rows'][number];

export function Queue({ asked }: { asked: Asked<LimitsAnswer> }) {
  return (
    <Panel title="Background calls that wait" asked={asked} skeleton="list" aside={asked.data && asked.data.queue.below > 0 && <span class="muted">at most {duration(asked.data.queue.max_wait_ms)}</span>}>
      {({ queue }) => <Waiting queue={queue} />}
    </Panel>
  );
}

function Waiting({ queue }: { queue: LimitsAnswer['queue'] }) {
  if (queue.below === 0) return <p class="calm">They never do: <code>upstream.queue.below</code> is 0 %.</p>;
  const rows = queue.rows.filter((row) => row.waiting > 0).toSorted((a, b) => b.oldest_wait_ms - a.oldest_wait_ms);
  if (rows.length === 0) return <p class="calm"><span aria-hidden="true">✓</span> None. While less than {percent(queue.below)} of one of the provider's limits is left, calls of the priority <code>background</code> wait here, and interactive ones pass.</p>;
  const columns: Column<Row>[] = [
    { key: 'class', name: 'Models', by: (row) => row.model_class, cell: (row) => row.model_class },
    { key: 'key', name: 'Provider key', by: (row) => row.credential, cell: (row) => row.credential },
    { key: 'waiting', name: 'Waiting', figure: true, by: (row) => row.waiting, cell: (row) => whole(row.waiting) },
    { key: 'oldest', name: 'Longest so far', figure: true, by: (row) => row.oldest_wait_ms, cell: (row) => duration(row.oldest_wait_ms) },
    { key: 'whose', name: 'Whose', cell: (row) => row.workspaces.toSorted((a, b) => b.waiting - a.waiting).map(({ workspace, waiting }) => `${workspace} ${whole(waiting)}`).join(', ') },
  ];
  return (
    <>
      <Listing caption="Background calls that wait for room at the provider, as a table" columns={columns} rows={rows} idOf={(row) => `${row.credential}/${row.model_class}`} />
      <p class="note muted">{whole(queue.waiting)} of {whole(queue.length)} places are taken. Workspaces take turns; a call that has waited {duration(queue.max_wait_ms)} is refused.</p>
    </>
  );
}
