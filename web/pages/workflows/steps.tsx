// web/pages/workflows/steps.tsx: the steps of a workflow's traced actions: which of them costs, and which takes its time.

import type { StepsAnswer } from '../../../server/http/admin/wire.ts';
import { compact, duration, exactMoney, fullTime, money, nanos, percent, whole } from '../../format.ts';
import { Listing, type Column } from '../../parts/listing.tsx';
import { Snippet } from '../../parts/marks.tsx';
import { Panel } from '../../parts/panel.tsx';
import { address, useAsk } from '../../server.ts';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { periodKey, periodParameters, range, zone } from '../../state/period.ts';
import type { WorkflowFigures } from './figures.ts';

type Step = StepsAnswer['rows'][number];

export function Steps({ flow: { workspace, workflow }, baseUrl }: { flow: WorkflowFigures; baseUrl: string }) {
  const question = { workspace, workflow };
  const asked = useAsk<StepsAnswer>(address('/api/steps', question, range.value), address(`steps:${periodKey.value}`, question));
  return (
    <Panel title="Steps of traced actions" asked={asked} skeleton="row">
      {(answer) => (answer.traces === 0 ? <HowToSend path={`${baseUrl}/w/${workspace}/${workflow}`} /> : <Table answer={answer} />)}
    </Panel>
  );
}

function HowToSend({ path }: { path: string }) {
  return (
    <>
      <p class="calm">No answered call of this period says which trace it belongs to. With one <code>traceparent</code> per user action, as OpenTelemetry sends it, its calls are steps here:</p>
      <Snippet text={`curl ${path}/v1/messages -H "traceparent: 00-$(openssl rand -hex 16)-$(openssl rand -hex 8)-01" …`} what="the traceparent header" />
    </>
  );
}

function Table({ answer }: { answer: StepsAnswer }) {
  const name = (one: Step) => (one.step === null ? `${answer.rows.length} and later` : String(one.step));
  const columns: Column<Step>[] = [
    { key: 'step', name: 'Step', cell: (one) => <a href={addressWith({ [FILTERS.trace]: one.dearest_trace, ...periodParameters() }, 'requests')} onClick={follow} aria-label={`Step ${name(one)}: the trace where it is dearest`}>{name(one)}</a> },
    { key: 'model', name: 'Mostly by', cell: (one) => <>{one.model ?? '–'}{one.model_calls < one.calls && <span class="muted"> {percent(one.model_calls / one.calls)}</span>}</> },
    { key: 'calls', name: 'Calls', figure: true, cell: (one) => whole(one.calls) },
    { key: 'traces', name: 'Traces with it', figure: true, title: (one) => `${whole(one.traces)} of ${whole(answer.traces)}`, cell: (one) => percent(one.traces / answer.traces) },
    { key: 'tools', name: 'Asks for a tool', figure: true, wide: true, cell: (one) => percent(one.tool_use_calls / one.calls) },
    { key: 'cost', name: 'Cost', figure: true, title: ({ cost_usd: cost }) => `half cost up to ${exactMoney(nanos(cost.p50))}, nineteen in twenty up to ${exactMoney(nanos(cost.p95))}`, cell: ({ cost_usd: cost }) => <Spread half={money(nanos(cost.p50))} most={money(nanos(cost.p95))} /> },
    { key: 'tokens', name: 'Tokens', figure: true, cell: ({ tokens }) => <Spread half={compact(tokens.p50)} most={compact(tokens.p95)} /> },
    { key: 'duration', name: 'Time', figure: true, cell: ({ duration_ms: ms }) => <Spread half={duration(ms.p50)} most={duration(ms.p95)} /> },
  ];
  const later = answer.counted_from > answer.from;
  return (
    <>
      <Listing caption="Steps of traced actions, as a table" columns={columns} rows={answer.rows} idOf={name} />
      <p class="note muted">
        {later ? `The newest ${whole(answer.traces)} traces, from ${fullTime(Date.parse(answer.counted_from), zone.value)} on` : `${whole(answer.traces)} ${answer.traces === 1 ? 'trace' : 'traces'}`} with {whole(answer.calls)} answered {answer.calls === 1 ? 'call' : 'calls'} of this workflow; at most {whole(answer.most_traces)} are looked at, or as many as make {whole(answer.most_calls)} calls. A step leads to the trace where it is dearest.
      </p>
    </>
  );
}

/** Half are at most the first, nineteen in twenty at most the second. */
function Spread({ half, most }: { half: string; most: string }) {
  return <>{half} <span class="muted">p95 {most}</span></>;
}
