// web/pages/overview/heat.tsx: when in the week the spend falls: hours across, weekdays down.

import { tablesShown, TableSwitch } from '../../charts/chart.tsx';
import { shortMoney } from '../../format.ts';
import { Panel } from '../../parts/panel.tsx';
import { useUsage } from '../../parts/ask-usage.ts';
import { range, zone } from '../../state/period.ts';
import { dayMs } from '../../state/zone.ts';
import { HOURS, WEEKDAYS, weekOf } from './week.ts';

const clock = (hour: number): string => `${String(hour).padStart(2, '0')}:00`;

/** Only from a whole week on: of less, most cells would be empty. */
export function Heat() {
  const whole = range.value.to - range.value.from > 6 * dayMs;
  const asked = useUsage('hour', whole ? range.value : null, 'heat');
  if (!whole) return null;
  return (
    <Panel title="When in the week" asked={asked} skeleton="row" aside={<TableSwitch />}>
      {(answer) => {
        const week = weekOf(answer.rows, zone.value);
        const all = week.flatMap((hours, day) => hours.map((cost, hour) => ({ cost, day, hour })));
        const peak = all.reduce((best, one) => (one.cost > best.cost ? one : best));
        const most = Number(peak.cost) || 1;
        const summary = `Spend by weekday and hour, ${zone.value}: the most ${shortMoney(peak.cost)} on ${WEEKDAYS[peak.day]} from ${clock(peak.hour)}.`;
        if (tablesShown.value) {
          return (
            <div class="scroll-x chart-table" tabIndex={0} role="region" aria-label="When in the week, as a table">
              <table>
                <caption class="unseen">{summary}</caption>
                <thead><tr><th scope="col">Hour</th>{WEEKDAYS.map((day) => <th scope="col" class="figure" key={day}>{day}</th>)}</tr></thead>
                <tbody>{HOURS.map((hour) => <tr key={hour}><th scope="row">{clock(hour)}</th>{WEEKDAYS.map((day, i) => <td class="figure" key={day}>{shortMoney(week[i]![hour]!)}</td>)}</tr>)}</tbody>
              </table>
            </div>
          );
        }
        return (
          <>
            <div class="heat" role="img" aria-label={summary}>
              {WEEKDAYS.map((day, i) => (
                <div class="heat-row" key={day} aria-hidden="true">
                  <span class="muted">{day}</span>
                  {HOURS.map((hour) => {
                    const cost = week[i]![hour]!;
                    return <i key={hour} title={`${day} ${clock(hour)}: ${shortMoney(cost)}`} style={cost > 0n ? { backgroundColor: `color-mix(in srgb, var(--accent) ${(10 + Math.sqrt(Number(cost) / most) * 90).toFixed(0)}%, var(--raised))` } : {}} />;
                  })}
                </div>
              ))}
              <div class="heat-row muted" aria-hidden="true"><span />{HOURS.map((hour) => <span key={hour} class="heat-hour">{hour % 6 === 0 ? hour : ''}</span>)}</div>
            </div>
            <p class="note muted">{summary}</p>
          </>
        );
      }}
    </Panel>
  );
}
