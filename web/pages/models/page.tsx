// web/pages/models/page.tsx: the right model for the job?

import type { PoliciesAnswer, PricesAnswer, ShapesAnswer } from '../../../server/http/admin/wire.ts';
import { Bars } from '../../charts/bars.tsx';
import { TableSwitch } from '../../charts/chart.tsx';
import { Lines } from '../../charts/lines.tsx';
import { colourOf, slotsFor } from '../../charts/palette.ts';
import { costOf } from '../../figures.ts';
import { compact, duration, exactMoney, fromNow, fullDay, money, nanos, percent, shortMoney, whole } from '../../format.ts';
import { useShapes, useUsage } from '../../parts/ask-usage.ts';
import { Listing, Meter, TableExport, type Column } from '../../parts/listing.tsx';
import { Snippet, Swatch } from '../../parts/marks.tsx';
import { NoMatch } from '../../parts/no-match.tsx';
import { Panel } from '../../parts/panel.tsx';
import { settled, useAsk, type Asked } from '../../server.ts';
import type { PageProps } from '../../shell/pages.tsx';
import { shade } from '../../shell/theme.ts';
import { addressWith, FILTERS, follow } from '../../state/location.ts';
import { now, periodParameters, range } from '../../state/period.ts';
import { NoTraffic } from '../workspaces/page.tsx';
import { Matrix } from './matrix.tsx';
import { modelsOf, speedsOf, type ModelFigures, type Speed } from './figures.ts';
import { Prices } from './prices.tsx';

export function Models({ status }: PageProps) {
  const usage = useUsage('model', range.value, 'models', {}, 'yes');
  const outcomes = useUsage('model,outcome', range.value, 'model-outcomes');
  const cells = useUsage('model,workspace,workflow', range.value, 'model-flows');
  const prices = useAsk<PricesAnswer>('/api/prices', 'prices');
  const policies = useAsk<PoliciesAnswer>('/api/policies', 'policies');
  const shapes = useShapes(range.value);
  if (status.data && !status.data.first_run.has_traffic) return <NoTraffic baseUrl={status.data.base_url} />;
  return (
    <Panel asked={usage} skeleton="list" class="bare">
      {(answer) => {
        if (answer.rows.length === 0) return <NoMatch what="requests" />;
        const all = modelsOf(answer.rows, outcomes.data?.rows ?? [], prices.data?.rows ?? [], { cost: costOf(answer.total), requests: answer.total.requests });
        const used = all.filter((one) => one.model !== null && one.cost > 0n);
        return (
          <>
            <Lead used={used} />
            {prices.data && <Unpriced used={used} />}
            <Ending used={all.filter((one) => one.requests > 0)} />
            {used.length > 0 && (
              <div class="columns even">
                <Slope used={used} />
                <OutputSizes asked={shapes} />
              </div>
            )}
            <Table all={all.filter((one) => one.model !== null)} speeds={speedsOf(shapes.data?.speeds ?? [])} priced={prices.data !== null} ready={[usage, outcomes, prices, shapes].every(settled)} />
            <Matrix asked={cells} models={used.map((one) => one.model!)} />
            <Prices used={used} prices={prices} aliases={policies.data} />
          </>
        );
      }}
    </Panel>
  );
}

function Lead({ used }: { used: readonly ModelFigures[] }) {
  const first = used[0];
  if (!first) return <p class="lead">No call in this period has a cost.</p>;
  const busiest = used.toSorted((a, b) => b.requests - a.requests)[0]!;
  return (
    <p class="lead">
      <strong>{first.model}</strong> takes {percent(first.spendShare)} of the spend for {percent(first.requestShare)} of the requests.{' '}
      {busiest !== first && <><strong>{busiest.model}</strong> answers the most, {percent(busiest.requestShare)} of them, for {percent(busiest.spendShare)} of the spend.</>}
    </p>
  );
}

function Unpriced({ used }: { used: readonly ModelFigures[] }) {
  const unknown = used.filter((one) => one.price === null);
  if (unknown.length === 0) return null;
  return (
    <section class="panel" aria-label="Models without a price">
      <header class="panel-head"><h2>{unknown.length === 1 ? 'One model has no price' : `${unknown.length} models have no price`}</h2></header>
      <p>{unknown.map((one) => one.model).join(', ')}: counted at the dearest known rates. Add the model to the price book, with its list prices per million tokens:</p>
      <Snippet text={`models:\n  - id: ${JSON.stringify(unknown[0]!.model)}\n    prices:\n      - from: ${new Date().toISOString().slice(0, 10)}\n        # copy the figures of a row of the same shape\n`} what="the start of a price row" />
    </section>
  );
}

/** Models in use that the provider ends, the soonest first. */
function Ending({ used }: { used: readonly ModelFigures[] }) {
  const ending = used.flatMap(({ model, price, requests, cost }) => (price?.retirement ? [{ model: model!, requests, cost, on: price.retirement.on, gone: price.retirement.state === 'retired' }] : [])).toSorted((a, b) => (a.on ?? '9') < (b.on ?? '9') ? -1 : 1);
  if (ending.length === 0) return null;
  const day = (on: string): number => Date.parse(`${on}T00:00:00Z`);
  return (
    <section class="panel" aria-label="Models that end">
      <header class="panel-head"><h2>{ending.length === 1 ? 'One model in use ends' : `${ending.length} models in use end`}</h2></header>
      <ul class="matters">
        {ending.map(({ model, on, gone, requests, cost }) => {
          const over = gone || (on !== null && day(on) <= now.value);
          const soon = on !== null && day(on) - now.value < SOON_MS;
          return (
            <li key={model}>
              <span class={`sign ${over || soon ? 'bad' : 'warn'}`}><span aria-hidden="true">{over || soon ? '✕' : '!'}</span><span class="unseen">{over || soon ? 'Urgent' : 'Soon'}: </span></span>
              <div>
                <p class="matter-what">{model} {over ? 'was retired' : on === null ? 'is deprecated' : `is retired on ${fullDay(day(on))}`}{on !== null && (over ? `, on ${fullDay(day(on))}` : `, ${fromNow(day(on), now.value)}`)}</p>
                <p class="muted">{whole(requests)} {requests === 1 ? 'call' : 'calls'} and {shortMoney(cost)} in this period. {over ? 'Calls of it fail.' : 'Calls of it fail from that day on.'} An alias moves them to another model without a change of the apps.</p>
              </div>
              <a class="button" href={requestsOf(model)} onClick={follow}>See them</a>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
const SOON_MS = 30 * 86_400_000;

const MOST_LINES = 7;

function Slope({ used }: { used: readonly ModelFigures[] }) {
  const shown = used.slice(0, MOST_LINES);
  const slots = slotsFor('model', shown.map((one) => one.model!));
  return (
    <section class="panel" aria-label="Share of requests and of spend">
      <header class="panel-head"><h2>From share of requests to share of spend</h2><TableSwitch /></header>
      <Lines
        title="From share of requests to share of spend" axisName="Share of" height="low" top={1} tick={percent}
        points={[{ name: 'Requests', label: 'Requests' }, { name: 'Spend', label: 'Spend' }]}
        lines={shown.map((one, i) => ({ name: one.model!, slot: slots[i]!, dashed: slots[i]!.striped, values: [one.requestShare, one.spendShare], exact: [percent(one.requestShare), percent(one.spendShare)] }))}
        summary={`${shown.map((one) => `${one.model}: ${percent(one.requestShare)} of requests, ${percent(one.spendShare)} of spend`).join('; ')}.`}
      />
      <ul class="legend">{shown.map((one, i) => <li key={one.model}><a href={requestsOf(one.model)} onClick={follow} title="Open the requests"><Swatch slot={slots[i]!} /><span class="legend-name">{one.model}</span><span class="muted legend-share">{percent(one.requestShare)} → {percent(one.spendShare)}</span></a></li>)}</ul>
      <p class="note muted">Of the requests, and of the spend. A line that rises is a model dearer than the rest per request.</p>
    </section>
  );
}

function OutputSizes({ asked }: { asked: Asked<ShapesAnswer> }) {
  return (
    <Panel title="How long the answers are" asked={asked} skeleton="chart" aside={<TableSwitch />}>
      {(answer) => {
        const sizes = answer.sizes.map((size) => ({ from: size.from_tokens, to: size.to_tokens, count: size.answers }));
        if (sizes.length === 0) return <p class="calm">No answer in this period.</p>;
        const answers = sizes.reduce((sum, size) => sum + size.count, 0);
        const short = sizes.filter((size) => size.to <= 64).reduce((sum, size) => sum + size.count, 0);
        return (
          <>
            <Bars
              title="Answers by output tokens" axisName="Output tokens" valueName="Answers" most={Math.max(...sizes.map((size) => size.count))} colour={colourOf({ colour: 0, striped: false }, shade.value)}
              bars={sizes.map((size) => ({ name: `${whole(size.from)} to ${whole(size.to - 1)}`, label: size.from < 1024 ? String(size.from) : `${size.from / 1024}K`, value: size.count, exact: whole(size.count) }))}
              summary={`${percent(short / answers)} of ${whole(answers)} answers are shorter than 64 tokens.`}
            />
            <p class="note muted">Output tokens, in steps that double. {answer.counted_from > answer.from && <>Of the newest {whole(answer.calls)} calls. </>}{percent(short / answers)} are shorter than 64 tokens: labels and yes-or-no answers, which a smaller model may do as well.</p>
          </>
        );
      }}
    </Panel>
  );
}

const requestsOf = (model: string | null): string => addressWith({ [FILTERS.model]: model ?? '', ...periodParameters() }, 'requests');

/** @param priced whether the price book is known yet @param ready whether all figures are */
function Table({ all, speeds, priced, ready }: { all: readonly ModelFigures[]; speeds: ReadonlyMap<string, Speed>; priced: boolean; ready: boolean }) {
  const slots = new Map(slotsFor('model', all.map((one) => one.model!)).map((slot, i) => [all[i]!.model, slot]));
  const columns: Column<ModelFigures>[] = [
    { key: 'model', name: 'Model', by: (one) => one.model, cell: (one) => <span class="named" title={one.model!}><Swatch slot={slots.get(one.model)!} /> <a href={requestsOf(one.model)} onClick={follow}>{one.model}</a></span>, csv: { model: (one) => one.model } },
    { key: 'cost', name: 'Spend', figure: true, by: (one) => one.cost, title: (one) => exactMoney(one.cost), cell: (one) => <span class="metered"><Meter share={one.spendShare} /><span>{shortMoney(one.cost)}</span></span>, csv: { cost_usd: (one) => one.cost, cost_share: (one) => one.spendShare } },
    { key: 'requests', name: 'Requests', figure: true, by: (one) => one.requests, title: (one) => whole(one.requests), cell: (one) => <span class="metered"><Meter share={one.requestShare} /><span>{compact(one.requests)}</span></span>, csv: { requests: (one) => one.requests, request_share: (one) => one.requestShare } },
    { key: 'good', name: 'Per 1,000 good', figure: true, by: (one) => one.perThousandGood, cell: (one) => (one.perThousandGood === null ? '–' : shortMoney(one.perThousandGood)), csv: { per_1000_good_usd: (one) => one.perThousandGood } },
    { key: 'ttft', name: 'First token', figure: true, wide: true, title: () => 'p50 / p95', by: (one) => one.ttft.p50, cell: (one) => (one.ttft.p50 === null ? '–' : `${duration(one.ttft.p50)} / ${duration(one.ttft.p95)}`), csv: { ttft_p50_ms: (one) => one.ttft.p50, ttft_p95_ms: (one) => one.ttft.p95 } },
    { key: 'duration', name: 'Whole call', figure: true, wide: true, title: () => 'p50 / p95', by: (one) => one.duration.p50, cell: (one) => (one.duration.p50 === null ? '–' : `${duration(one.duration.p50)} / ${duration(one.duration.p95)}`), csv: { duration_p50_ms: (one) => one.duration.p50, duration_p95_ms: (one) => one.duration.p95 } },
    { key: 'speed', name: 'Tokens/s', figure: true, wide: true, title: () => 'Half write faster / one in twenty slower than; of streamed answers', by: (one) => speeds.get(one.model!)?.p50 ?? null, cell: (one) => { const speed = speeds.get(one.model!); return speed ? `${Math.round(speed.p50)} / ${Math.round(speed.p95)}` : '–'; }, csv: { tokens_per_second_p50: (one) => speeds.get(one.model!)?.p50 ?? null, tokens_per_second_p95: (one) => speeds.get(one.model!)?.p95 ?? null } },
    { key: 'output', name: 'Output', figure: true, wide: true, by: (one) => one.outputEach, title: () => 'Output tokens per call', cell: (one) => compact(Math.round(one.outputEach)), csv: { output_tokens_per_call: (one) => one.outputEach } },
    { key: 'price', name: 'In / out per MTok', figure: true, by: (one) => (one.price ? nanos(one.price.usd_per_mtok.standard.input) : null), title: (one) => one.price?.version, cell: (one) => one.price ? `${money(nanos(one.price.usd_per_mtok.standard.input))} / ${money(nanos(one.price.usd_per_mtok.standard.output))}` : <span class="muted">{!priced ? '…' : one.cost > 0n ? 'no price' : 'no call billed'}</span>, csv: { input_usd_per_mtok: (one) => (one.price ? nanos(one.price.usd_per_mtok.standard.input) : null), output_usd_per_mtok: (one) => (one.price ? nanos(one.price.usd_per_mtok.standard.output) : null), price_version: (one) => one.price?.version ?? null } },
  ];
  return (
    <section class="panel models" aria-label="Models">
      <header class="panel-head"><h2>All models</h2><TableExport columns={columns} rows={all} order="-cost" name="models.csv" ready={ready} /></header>
      <Listing caption="Models, as a table" columns={columns} rows={all} idOf={(one) => one.model!} order="-cost" main />
      <p class="note muted">A good answer ended by itself: not cut, not failed, not refused. First token and whole call: half take less, one in twenty takes more. Tokens a second: half of the streamed answers are faster, one in twenty is slower than the second figure. Names that were only ever asked for and refused stand here without a price.</p>
    </section>
  );
}

