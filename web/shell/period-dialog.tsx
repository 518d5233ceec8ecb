// web/shell/period-dialog.tsx: any stretch of days, the months and quarters people report by, what to compare with, and a pin that stops moving times.

import { useState } from 'preact/hooks';
import { Dialog } from './dialog.tsx';
import { periodOpen } from './keyboard.ts';
import { choose, choosePeriod, compareWith, comparison, now, range, rangeName, reportingZone, zone, type Comparison } from '../state/period.ts';
import { addDays, addMonths, dayOf, dayText, startOf } from '../state/zone.ts';

export function PeriodDialog() {
  return periodOpen.value ? <Choices /> : null;
}

const COMPARISONS: readonly (readonly [Comparison, string])[] = [['previous', 'The period before, weekday by weekday'], ['month', 'The same days a month before'], ['off', 'Nothing']];

function Choices() {
  const cut = reportingZone.value;
  const [from, setFrom] = useState(dayText(range.value.from, cut));
  const [to, setTo] = useState(dayText(range.value.to - 1, cut));
  const [fault, setFault] = useState('');
  const close = () => (periodOpen.value = false);
  const month = startOf('month', now.value, cut);
  const quarter = addMonths(month, -(new Date(dayText(month, cut)).getUTCMonth() % 3), cut);
  const quick: readonly (readonly [string, () => void])[] = [
    ['Last 6 hours', () => choosePeriod('6h')],
    ['This month', () => choosePeriod('month')],
    ['Last month', () => choose({ from: addMonths(month, -1, cut), to: month })],
    ['This quarter', () => choose({ from: quarter, to: now.value })],
    ['Last quarter', () => choose({ from: addMonths(quarter, -3, cut), to: quarter })],
    ['Yesterday', () => choose({ from: addDays(startOf('day', now.value, cut), -1, cut), to: startOf('day', now.value, cut) })],
  ];
  const apply = (event: Event) => {
    event.preventDefault();
    const first = dayOf(from, cut);
    const last = dayOf(to, cut);
    if (first === null || last === null) return setFault('Both days are needed.');
    if (last < first) return setFault('The last day is before the first.');
    if (first >= now.value) return setFault('The first day has not come yet.');
    choose({ from: first, to: Math.min(addDays(last, 1, cut), now.value) });
    close();
  };
  return (
    <Dialog title="Period" onClose={close}>
      <div class="chips">
        {quick.map(([name, act]) => <button type="button" class="chip" key={name} onClick={() => (act(), close())}>{name}</button>)}
      </div>
      <form class="dates" onSubmit={apply}>
        <label><span>First day</span> <input type="date" value={from} max={dayText(now.value, cut)} onInput={(event) => setFrom(event.currentTarget.value)} /></label>
        <label><span>Last day</span> <input type="date" value={to} max={dayText(now.value, cut)} onInput={(event) => setTo(event.currentTarget.value)} /></label>
        <button type="submit" class="primary">Show</button>
      </form>
      {fault && <p class="problem" role="alert">{fault}</p>}
      <p class="muted">Days of {cut}, the last one included.</p>
      <fieldset class="radios">
        <legend>Compare with</legend>
        {COMPARISONS.map(([what, words]) => <label key={what}><input type="radio" name="comparison" checked={comparison.value === what} onChange={() => compareWith(what)} /> {words}</label>)}
      </fieldset>
      <p><button type="button" onClick={() => (choose(range.value), close())}>Pin to {rangeName(range.value, zone.value)}</button> <span class="muted">A link then shows the same figures tomorrow.</span></p>
    </Dialog>
  );
}
