// web/pages/limits/course.tsx: how close to the provider's limits it was over the last hours, how often the provider had no room, and how much was in flight.

import type { LimitsAnswer } from '../../../server/http/admin/wire.ts';
import { TableSwitch } from '../../charts/chart.tsx';
import { Lines } from '../../charts/lines.tsx';
import { slotsFor } from '../../charts/palette.ts';
import { dayAndTime, duration, hourMinute, percent, whole } from '../../format.ts';
import { Swatch } from '../../parts/marks.tsx';
import { Panel } from '../../parts/panel.tsx';
import type { Asked } from '../../server.ts';
import { addressWith, go } from '../../state/location.ts';
import { zone } from '../../state/period.ts';
import { poolsOf } from './figures.ts';

const MOST = 6;
const ENOUGH = 3;

export function Course({ asked }: { asked: Asked<LimitsAnswer> }) {
  return (
    <>
      <div class="columns even">
        <Panel title="Least room left, per minute" asked={asked} skeleton="chart" aside={<TableSwitch />}>{(answer) => <Room answer={answer} />}</Panel>
        <Panel title="Calls in flight" asked={asked} skeleton="chart" aside={<TableSwitch />}>{(answer) => <InFlight answer={answer} />}</Panel>
      </div>
      <Panel title="Turned away by the provider, per minute" asked={asked} skeleton="chart" class="low" aside={<TableSwitch />}>{(answer) => <Throttled answer={answer} />}</Panel>
    </>
  );
}

const points = (answer: LimitsAnswer) => answer.course.at.map((at) => ({ name: dayAndTime(Date.parse(at), zone.value), label: hourMinute(Date.parse(at), zone.value) }));
const pick = (answer: LimitsAnswer) => (index: number) => {
  const at = Date.parse(answer.course.at[index]!);
  go(addressWith({ from: new Date(at - 60_000).toISOString(), to: new Date(at).toISOString() }, 'requests'));
};
const tooEarly = (answer: LimitsAnswer) => answer.course.at.length < ENOUGH;
const TooEarly = () => <p class="calm">One figure a minute since the gateway started; the first lines stand here after {ENOUGH} minutes.</p>;

function Room({ answer }: { answer: LimitsAnswer }) {
  if (tooEarly(answer)) return <TooEarly />;
  const pools = poolsOf(answer.course.series).slice(0, MOST);
  if (pools.length === 0) return <p class="calm">The provider has not told its limits yet.</p>;
  const slots = slotsFor('pool', pools.map((pool) => pool.name));
  const tightest = pools[0]!;
  return (
    <>
      <Lines
        title="Least room left at the provider" axisName="Minute" height="low" top={1} tick={percent} points={points(answer)}
        lines={pools.map((pool, i) => ({ name: pool.name, slot: slots[i]!, dashed: slots[i]!.striped, values: pool.lowest, exact: pool.lowest.map((value) => (value === null ? '' : percent(value))) }))}
        summary={`Least room left at the provider: ${tightest.name} was the tightest, ${percent(tightest.least)} at the least.`}
        onPick={pick(answer)}
      />
      <ul class="legend">{pools.map((pool, i) => <li key={pool.name}><span><Swatch slot={slots[i]!} /><span class="legend-name">{pool.name}</span><span class="legend-figure">{percent(pool.least)}</span></span></li>)}</ul>
      <p class="note muted">The tightest of requests and tokens, for each provider key and class of models; the figure is the least of all.</p>
    </>
  );
}

function Throttled({ answer }: { answer: LimitsAnswer }) {
  if (tooEarly(answer)) return <TooEarly />;
  const { rate_limited: limited, overloaded, retry_after_s: waits } = answer.course.throttled;
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const totals = limited.map((value, i) => value + overloaded[i]!);
  const most = totals.indexOf(Math.max(...totals));
  if (totals[most] === 0) return <p class="calm"><span aria-hidden="true">✓</span> No answer 429 or 529 since {points(answer)[0]!.label}.</p>;
  const longest = Math.max(...waits.map((seconds) => seconds ?? 0));
  const asked = (i: number) => (waits[i] == null ? '' : `, asked to wait ${duration(waits[i] * 1000)}`);
  const slots = slotsFor('throttled', ['429', '529']);
  const line = (name: string, i: number, values: readonly number[]) => ({ name, slot: slots[i]!, dashed: i === 1, values, exact: values.map((value, at) => whole(value) + (value > 0 ? asked(at) : '')) });
  const lines = [line('429, over a limit', 0, limited), line('529, overloaded', 1, overloaded)];
  return (
    <>
      <Lines
        title="Answers 429 and 529 of the provider" axisName="Minute" height="low" top={Math.max(4, Math.ceil(Math.max(...limited, ...overloaded) / 4) * 4)} tick={whole} points={points(answer)} lines={lines}
        summary={`Answers of the provider for want of room: ${whole(sum(limited))} times 429, ${whole(sum(overloaded))} times 529; the most, ${whole(totals[most]!)}, at ${points(answer)[most]!.name}.`}
        onPick={pick(answer)}
      />
      <ul class="legend">{lines.map((one, i) => <li key={one.name}><span><Swatch slot={slots[i]!} /><span class="legend-name">{one.name}</span><span class="legend-figure">{whole(sum(one.values))}</span></span></li>)}</ul>
      <p class="note muted">Every try counts, also of calls that were served in the end.{longest > 0 && ` The longest wait that was asked for: ${duration(longest * 1000)}.`}</p>
    </>
  );
}

function InFlight({ answer }: { answer: LimitsAnswer }) {
  if (tooEarly(answer)) return <TooEarly />;
  const values = answer.course.in_flight;
  const most = values.indexOf(Math.max(...values));
  // A multiple of the four steps of the scale, since there are no halves of calls.
  const top = Math.max(4, Math.ceil(values[most]! / 4) * 4);
  return (
    <Lines
      title="Calls in flight" axisName="Minute" height="low" top={top} tick={whole} points={points(answer)}
      lines={[{ name: 'In flight', slot: { colour: 0, striped: false }, values, exact: values.map(whole) }]}
      summary={`Calls in flight at the end of each minute: ${whole(values.at(-1)!)} now, the most ${whole(values[most]!)} at ${points(answer)[most]!.name}.`}
      onPick={pick(answer)}
    />
  );
}
