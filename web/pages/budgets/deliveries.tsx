// web/pages/budgets/deliveries.tsx: every try of every message, with what the receiver said.

import { useState } from 'preact/hooks';
import type { AlertDelivery, AlertsAnswer } from '../../../server/http/admin/wire.ts';
import { dayAndTime, duration, fromNow, fullTime } from '../../format.ts';
import { Listing, type Column } from '../../parts/listing.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { now, zone } from '../../state/period.ts';
import { Result } from './channels.tsx';
import { RULE_WORDS } from './words.ts';

const SHOWN = 10;

/** The rules that a message is about: several where it is a digest. */
const aboutOf = (rules: string): string => rules.split(/[,\s]+/).filter(Boolean).map((rule) => (rule in RULE_WORDS ? RULE_WORDS[rule as keyof typeof RULE_WORDS].name : rule)).join(', ');

export function Deliveries({ asked }: { asked: Asked<AlertsAnswer> }) {
  const [all, setAll] = useState(false);
  const columns: Column<AlertDelivery>[] = [
    { key: 'at', name: 'Time', title: (row) => fullTime(Date.parse(row.at), zone.value), cell: (row) => dayAndTime(Date.parse(row.at), zone.value) },
    { key: 'channel', name: 'To', cell: (row) => row.channel },
    { key: 'about', name: 'About', cell: (row) => aboutOf(row.rule) },
    { key: 'try', name: 'Try', figure: true, cell: (row) => row.attempt },
    { key: 'result', name: 'Result', cell: (row) => <Result of={row} /> },
    { key: 'took', name: 'Took', figure: true, wide: true, cell: (row) => duration(row.duration_ms) },
    { key: 'said', name: 'Said', wide: true, cell: (row) => <span class="muted wraps">{row.detail || '–'}</span> },
    { key: 'next', name: 'Next try', cell: (row) => (row.next_at === null ? <span class="muted">–</span> : fromNow(Date.parse(row.next_at), now.value)) },
  ];
  return (
    <Panel title="Delivery log" asked={asked} skeleton="list" aside={asked.data && asked.data.deliveries.length > 0 ? <span class="muted">the newest {asked.data.deliveries.length}</span> : null}>
      {(answer) =>
        answer.deliveries.length === 0 ? <p class="calm">{answer.channels.length === 0 ? 'No channel is set, so nothing was sent.' : 'Nothing was sent yet.'}</p> : (
          <>
            <Listing caption="Delivery log, as a table" columns={columns} rows={all ? answer.deliveries : answer.deliveries.slice(0, SHOWN)} idOf={(row) => row.id} />
            {answer.deliveries.length > SHOWN && <p class="more"><button type="button" class="quiet" onClick={() => setAll(!all)}>{all ? 'Show the newest' : `Show ${answer.deliveries.length - SHOWN} more`}</button></p>}
          </>
        )}
    </Panel>
  );
}
