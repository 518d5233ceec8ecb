// web/shell/bar.tsx: the bar that stays on top: time, compare, filters, and how current the figures are.

import type { ComponentChildren } from 'preact';
import { inFlight, liveState, toggleLive } from '../live.ts';
import { lastAnswerAt } from '../server.ts';
import { addressWith, filterCount, filters, FILTER_FIELDS, FILTERS, follow, go, page, parameter, toggleFilter } from '../state/location.ts';
import { choosePeriod, compared, comparedName, periodName, PERIODS, range, rangeName, reportingZone, toggleCompare, zone, type PeriodName } from '../state/period.ts';
import { fullTime, timeOfDay, zoneName } from '../format.ts';
import { FIELD_WORDS, valueWord } from './filter-dialog.tsx';
import { filterOpen, periodOpen } from './keyboard.ts';
import { browserZone } from '../state/zone.ts';

/** Pages that show the present alone. */
const TIMELESS: readonly unknown[] = ['budgets', 'planner', 'savings', 'statement'];
const COMPARING: readonly unknown[] = ['overview', 'workspaces', 'workflows'];

/** `quiet`: there is no call yet, so there is no time to choose. */
export function Bar({ quiet, badges }: { quiet: boolean; badges: ComponentChildren }) {
  const timed = !quiet && !TIMELESS.includes(page.value);
  return (
    <div class="bar" role="region" aria-label="Period and filters">
      {timed && (
        <div class="bar-row">
          <div class="segments" role="group" aria-label="Period">
            {(Object.keys(PERIODS) as PeriodName[]).map((name) => (
              <button type="button" key={name} aria-pressed={periodName.value === name} onClick={() => choosePeriod(name)}><span class="rest">{PERIODS[name].before}</span>{PERIODS[name].short}<span class="rest">{PERIODS[name].after}</span></button>
            ))}
          </div>
          {periodName.value === null ? (
            <span class="chip strong">
              <button type="button" class="chip-name" onClick={() => (periodOpen.value = true)} title="Other days">{rangeName(range.value, zone.value)}</button>
              <a href={addressWith({ from: null, to: null })} onClick={follow} aria-label="Drop this period">×</a>
            </span>
          ) : <button type="button" class="filter-button" onClick={() => (periodOpen.value = true)}>Dates</button>}
          {COMPARING.includes(page.value) && (
            <label class="switch" title={compared.value ? `Compared with ${comparedName.value}` : 'Not compared'}>
              <input type="checkbox" checked={compared.value !== null} onChange={toggleCompare} />
              Compare
            </label>
          )}
          <button type="button" class="filter-button" onClick={() => (filterOpen.value = true)}>
            <span aria-hidden="true">+</span> Filter
          </button>
          {filterCount.value > 0 && (
            <ul class="chips" aria-label="Filters in force">
              {FILTER_FIELDS.flatMap((field) =>
                filters.value[field].map((value) => (
                  <li key={field + value} class="chip">
                    <span class="muted">{FIELD_WORDS[field]}</span> {valueWord(field, value)}
                    <button type="button" onClick={() => toggleFilter(field, value)} aria-label={`Drop ${FIELD_WORDS[field]} ${valueWord(field, value)}`}>×</button>
                  </li>
                )),
              )}
              {filterCount.value > 1 && (
                <li><a class="quiet" href={addressWith(Object.fromEntries(Object.values(FILTERS).map((name) => [name, null])))} onClick={follow}>Drop all</a></li>
              )}
            </ul>
          )}
        </div>
      )}
      <div class="bar-state">
        {badges}
        <ZoneChoice />
        <Live />
      </div>
    </div>
  );
}

/** One button that walks through the zones there are: the reporting zone, the browser's own where it is another, UTC. */
function ZoneChoice() {
  const choices: readonly (readonly [string | null, string])[] = [
    [null, reportingZone.value],
    ...(browserZone() !== reportingZone.value && browserZone() !== 'UTC' ? [['browser', browserZone()] as const] : []),
    ...(reportingZone.value !== 'UTC' ? [['UTC', 'UTC'] as const] : []),
  ];
  const at = Math.max(0, choices.findIndex(([value]) => value === parameter('tz')));
  const other = choices[(at + 1) % choices.length]!;
  if (choices.length === 1) return <span class="zone muted">{choices[0]![1]}</span>;
  return (
    <button type="button" class="zone quiet" onClick={() => go(addressWith({ tz: other[0] }), 'replace')} title={`Times are shown in ${choices[at]![1]}. Click for ${other[1]}.`}>
      <span class="unseen">Times in </span>{choices[at]![1]}
    </button>
  );
}

const LIVE_WORDS = { live: 'Live', polling: 'Every 10 s', reconnecting: 'Reconnecting', paused: 'Paused' } as const;

function Live() {
  const at = lastAnswerAt.value;
  const flying = liveState.value === 'live' && inFlight.value ? `, ${inFlight.value} in flight` : '';
  return (
    <button type="button" class={`live quiet ${liveState.value}`} onClick={toggleLive} aria-pressed={liveState.value !== 'paused'} title={at ? `As of ${fullTime(at, zone.value)}${flying}. Click to ${liveState.value === 'paused' ? 'resume' : 'pause'}.` : undefined}>
      <i class="live-dot" aria-hidden="true" />
      <span>{LIVE_WORDS[liveState.value]}{flying && <span class="roomy">{flying}</span>}</span>
      {at !== null && <span class="muted roomy">as of {timeOfDay(at, zone.value)}</span>}
      {at !== null && <span class="unseen">{zoneName(at, zone.value)}</span>}
    </button>
  );
}
