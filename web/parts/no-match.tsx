// web/parts/no-match.tsx: the second voice of empty: there are calls, but none that match; every filter can be dropped right here.

import { addressWith, filterCount, filters, FILTER_FIELDS, FILTERS, follow, toggleFilter } from '../state/location.ts';
import { range, rangeName, zone } from '../state/period.ts';

export function NoMatch({ what }: { what: string }) {
  return (
    <div class="empty">
      <h3>No {what} match</h3>
      <p>
        Nothing from {rangeName(range.value, zone.value)}
        {filterCount.value ? ' fits all filters. Drop one:' : '. Try a longer period:'}
      </p>
      <div class="chips">
        {FILTER_FIELDS.flatMap((field) =>
          filters.value[field].map((value) => (
            <button type="button" class="chip" key={field + value} onClick={() => toggleFilter(field, value)}>
              {field}: {value || 'none'} <span aria-hidden="true">×</span><span class="unseen">drop</span>
            </button>
          )),
        )}
        {filterCount.value > 1 && (
          <a class="chip" href={addressWith(Object.fromEntries(Object.values(FILTERS).map((name) => [name, null])))} onClick={follow}>Drop all filters</a>
        )}
        <a class="chip" href={addressWith({ from: 'now-30d', to: null })} onClick={follow}>Last 30 days</a>
      </div>
    </div>
  );
}
