// web/pages/limits/page.tsx: is there room left; and is it us or the provider?

import type { LimitsAnswer, ReasonsAnswer, ReconciliationAnswer, ShapesAnswer, StatusAnswer, UsageAnswer } from '../../../server/http/admin/wire.ts';
import { billWords, calls, compact, duration, fromNow, fullTime, outcomeWord, percent, upSince, whole } from '../../format.ts';
import { useReasons, useShapes, useUsage } from '../../parts/ask-usage.ts';
import { Listing, Meter, TableExport, type Column } from '../../parts/listing.tsx';
import { Panel } from '../../parts/panel.tsx';
import { settled, useAsk, type Asked } from '../../server.ts';
import type { PageProps } from '../../shell/pages.tsx';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { bucketUnit, now, periodParameters, range, zone } from '../../state/period.ts';
import { DIMENSIONS, failuresOf, headroomOf, SIDES, type Failure, type Headroom } from './figures.ts';
import { Course } from './course.tsx';
import { Queue } from './queue.tsx';
import { Troubles } from './troubles.tsx';

export function Limits({ status }: PageProps) {
  const limits = useAsk<LimitsAnswer>('/api/limits', 'limits');
  const usage = useUsage(`outcome,${bucketUnit.value}`, range.value, 'troubles');
  const failed = useReasons('', range.value, 'failed');
  const shapes = useShapes(range.value);
  const bill = useAsk<ReconciliationAnswer>('/api/reconciliation');
  return (
    <>
      {limits.data && usage.data && <Lead limits={limits.data} usage={usage.data} status={status.data} />}
      <Panel title="Room at the provider" asked={limits} skeleton="list" aside={<span class="muted">share left</span>}>
        {(answer) => <Room rows={headroomOf(answer.provider, now.value)} />}
      </Panel>
      <Queue asked={limits} />
      <Course asked={limits} />
      <Troubles asked={usage} />
      <div class="columns even">
        <Panel title="What failed" asked={failed} skeleton="list" aside={failed.data && failed.data.rows.length > 0 && <TableExport columns={FAILURE_COLUMNS} rows={failuresOf(failed.data.rows)} name="failures.csv" ready={settled(failed)} />}>
          {(answer) => <Failures answer={answer} />}
        </Panel>
        <Gateway status={status} shapes={shapes} bill={bill.data} />
      </div>
      <Panel title="Your own limits" asked={limits} skeleton="list" aside={<span class="muted">share left</span>}>
        {(answer) => <Own answer={answer} />}
      </Panel>
    </>
  );
}

function Lead({ limits, usage, status }: { limits: LimitsAnswer; usage: UsageAnswer; status: StatusAnswer | null }) {
  const tightest = headroomOf(limits.provider, now.value)[0];
  const count = (outcomes: readonly string[]) => usage.rows.filter((row) => outcomes.includes(row.outcome ?? '')).reduce((sum, row) => sum + row.requests, 0);
  const sides = SIDES.map((side) => ({ name: side.name, count: count(side.outcomes) })).filter((side) => side.count > 0).toSorted((a, b) => b.count - a.count);
  const all = sides.reduce((sum, side) => sum + side.count, 0);
  return (
    <p class="lead">
      {status && (status.ready && !status.ledger.trouble ? 'The gateway is well. ' : <><strong>The gateway has trouble</strong>: {status.ledger.trouble ?? status.not_ready_because.join('; ')}. </>)}
      {tightest && tightest.lowest >= 0.9999 ? 'The provider\'s limits are all but untouched. ' : tightest ? <>The provider leaves at least <strong>{percent(tightest.lowest)}</strong> of every limit, the least for {tightest.modelClass}. </> : 'The provider has not told its limits yet. '}
      {limits.queue.waiting > 0 && <><strong>{whole(limits.queue.waiting)}</strong> background {limits.queue.waiting === 1 ? 'call waits' : 'calls wait'} for room there. </>}
      {all === 0 ? 'No call failed in this period.' : <>{percent(all / Math.max(1, usage.total.requests))} of calls did not succeed; {sides[0]!.name === 'Refused by us' ? 'most were refused by us' : sides[0]!.name === 'The provider' ? 'most failed at the provider' : sides[0]!.name === 'The caller' ? 'most by the caller' : 'most in the gateway'}.</>}
    </p>
  );
}

const low = (share: number): boolean => share < 0.1;

function Room({ rows }: { rows: readonly Headroom[] }) {
  if (rows.length === 0) return <p class="calm">Not seen yet: the provider tells its limits with each answer. After the first call they stand here.</p>;
  const cell = (row: Headroom, dimension: keyof Headroom['left']) => {
    const left = row.left[dimension];
    if (!left) return <span class="muted">–</span>;
    return <span class="metered" title={`${whole(left.remaining)} of ${whole(left.limit)} when last seen${left.resetAt === null ? '' : `, full again ${fullTime(left.resetAt, zone.value)}`}`}><Meter share={left.share} alarm={low(left.share)} /><span>{low(left.share) && <span class="unseen">low: </span>}{percent(left.share)}</span></span>;
  };
  const columns: Column<Headroom>[] = [
    { key: 'class', name: 'Models', by: (row) => row.modelClass, cell: (row) => row.modelClass },
    { key: 'key', name: 'Provider key', by: (row) => row.credential, cell: (row) => row.credential },
    ...(['requests', 'input_tokens', 'output_tokens', 'tokens'] as const).map((dimension): Column<Headroom> => ({ key: dimension, name: DIMENSIONS[dimension], figure: true, by: (row) => row.left[dimension]?.share ?? null, cell: (row) => cell(row, dimension) })),
    { key: 'limit', name: 'Requests a minute', figure: true, wide: true, cell: (row) => (row.left.requests ? compact(row.left.requests.limit) : '–') },
    { key: 'seen', name: 'Last told', by: (row) => row.seenAt, title: (row) => fullTime(row.seenAt, zone.value), cell: (row) => fromNow(row.seenAt, now.value) },
  ];
  return <Listing caption="Room at the provider, as a table" columns={columns} rows={rows} idOf={(row) => `${row.credential}/${row.modelClass}`} />;
}

function Own({ answer }: { answer: LimitsAnswer }) {
  type Row = LimitsAnswer['own'][number];
  const share = (row: Row) => (row.limit > 0 ? Math.max(0, row.remaining / row.limit) : 0);
  if (answer.own.length === 0) return <p class="calm">None in use. A workspace or workflow gets them under <code>limits</code> in the configuration: requests, input and output tokens per minute, calls at once.</p>;
  const columns: Column<Row>[] = [
    { key: 'scope', name: 'Of', by: (row) => row.scope, cell: (row) => row.scope },
    { key: 'what', name: 'What', by: (row) => row.dimension, cell: (row) => <>{DIMENSIONS[row.dimension]}<span class="muted">{row.dimension === 'concurrent' ? '' : ' a minute'}</span></> },
    { key: 'limit', name: 'Limit', figure: true, by: (row) => row.limit, cell: (row) => compact(row.limit) },
    { key: 'left', name: 'Left', figure: true, by: share, cell: (row) => <span class="metered"><Meter share={share(row)} alarm={low(share(row))} /><span>{percent(share(row))}</span></span> },
  ];
  return <Listing caption="Your own limits, as a table" columns={columns} rows={answer.own.toSorted((a, b) => share(a) - share(b))} idOf={(row) => `${row.scope} ${row.dimension}`} />;
}

const FAILURE_COLUMNS: readonly Column<Failure>[] = [
  { key: 'what', name: 'What', cell: (one) => <span class="mixed"><a href={addressWith({ [FILTERS.outcome]: one.outcome, ...(one.type === null ? {} : one.outcome === 'refused' ? { [FILTERS.refusal]: one.type } : { [FILTERS.error]: one.type }), ...periodParameters() }, 'requests')} onClick={follow}>{outcomeWord(one.outcome)}</a>{one.status !== null && <span class="muted"> {one.status}</span>}{one.type && <> <code>{one.type}</code></>}</span>, csv: { outcome: (one) => one.outcome, status: (one) => one.status, type: (one) => one.type || null } },
  { key: 'side', name: 'Whose', cell: (one) => one.side, csv: { whose: (one) => one.side } },
  { key: 'count', name: 'Calls', figure: true, cell: (one) => whole(one.count), csv: { calls: (one) => one.count } },
];

function Failures({ answer }: { answer: ReasonsAnswer }) {
  const failures = failuresOf(answer.rows);
  if (failures.length === 0) return <p class="calm"><span aria-hidden="true">✓</span> No call failed or was refused.</p>;
  return <Listing caption="What failed, as a table" columns={FAILURE_COLUMNS} rows={failures} idOf={(one) => `${one.outcome} ${one.status} ${one.type}`} />;
}

function bytes(count: number): string {
  const step = [['GB', 1e9], ['MB', 1e6], ['kB', 1e3]] as const;
  const unit = step.find(([, size]) => count >= size);
  return unit ? `${(count / unit[1]).toPrecision(3)} ${unit[0]}` : `${count} B`;
}

function Gateway({ status, shapes, bill }: { status: Asked<StatusAnswer>; shapes: Asked<ShapesAnswer>; bill: ReconciliationAnswer | null }) {
  const overhead = shapes.data?.overhead_ms ?? null;
  const off = bill?.difference_ratio ?? null;
  return (
    <Panel title="The gateway itself" asked={status} skeleton="list">
      {(one) => {
        const checked = one.pricing.book_verified_on ? Math.max(0, Math.floor((now.value - Date.parse(one.pricing.book_verified_on)) / 86_400_000)) : null;
        return (
          <dl class="facts roomy">
            <Fact name="Ready" value={one.ready ? 'yes' : one.not_ready_because.join('; ')} bad={!one.ready} />
            <Fact name="Up since" value={upSince(Date.parse(one.started_at), one.uptime_ms, zone.value)} />
            <Fact name="In flight" value={whole(one.in_flight)} />
            <Fact name="Added per call" value={overhead ? `${duration(overhead.p50)}, p95 ${duration(overhead.p95)}` : '–'} note="of served calls in the period" />
            <Fact name="Ledger" value={one.ledger.trouble ?? (one.ledger.writable ? 'writes' : 'cannot be written')} bad={one.ledger.trouble !== null || !one.ledger.writable} note={`${whole(one.ledger.queued)} waiting, last write took ${duration(one.ledger.last_commit_ms)}`} />
            <Fact name="Open holds" value={whole(one.ledger.open_holds)} />
            <Fact name="Database" value={one.ledger.database_bytes === null ? '–' : bytes(one.ledger.database_bytes)} />
            <Fact name="Left unsettled last time" value={one.recovery.crashed === 0 ? 'nothing' : calls(one.recovery.crashed)} bad={one.recovery.crashed > 0} />
            <Fact name="Price book checked" value={checked === null ? 'unknown' : checked === 0 ? 'today' : `${checked} ${checked === 1 ? 'day' : 'days'} ago`} bad={checked !== null && checked > 30} />
            <Fact name="Provider's bill" value={off === null ? 'not compared' : billWords(off)} bad={off !== null && Math.abs(off) > 0.01} {...(off !== null && bill?.days[0] ? { note: `${bill.days[0].day}, UTC` } : {})} />
            <Fact name="Configuration" value={one.config.last_reload ? (one.config.last_reload.ok ? `reloaded ${fromNow(Date.parse(one.config.last_reload.at), now.value)}` : 'the last change could not be read') : `as at the start`} bad={one.config.last_reload?.ok === false} />
          </dl>
        );
      }}
    </Panel>
  );
}

function Fact({ name, value, note, bad = false }: { name: string; value: string; note?: string; bad?: boolean }) {
  return <div><dt>{name}</dt><dd><span class={bad ? 'problem' : undefined}>{bad && <span aria-hidden="true">! </span>}{value}</span>{note && <span class="muted light">{note}</span>}</dd></div>;
}

