// web/shell/filter-dialog.tsx: chooses filter values from those that occur in the period, the busiest first.

import { useState } from 'preact/hooks';
import type { FacetsAnswer } from '../../server/http/admin/wire.ts';
import { outcomeWord, REASONS, reasonWord, VERDICTS, type CountedVerdict } from '../format.ts';
import { Answered } from '../parts/panel.tsx';
import { address, useAsk } from '../server.ts';
import { filters, toggleFilter, type FilterField } from '../state/location.ts';
import { range } from '../state/period.ts';
import { Dialog } from './dialog.tsx';
import { filterOpen } from './keyboard.ts';

const LISTED = ['workspace', 'workflow', 'model', 'user', 'key', 'outcome', 'policy'] as const satisfies readonly (keyof FacetsAnswer)[];
const TYPED = ['session', 'action', 'trace', 'prefix', 'tag', 'error'] as const;
/** Fields whose values are known beforehand. */
const FIXED = { verdict: Object.keys(VERDICTS), refusal: Object.keys(REASONS), estimated: ['true', 'false'] } as const;
export const FIELD_WORDS: Readonly<Record<FilterField, string>> = {
  workspace: 'Workspace', workflow: 'Workflow', model: 'Model', user: 'User', key: 'Key', outcome: 'Outcome', session: 'Session', action: 'Action', trace: 'Trace', prefix: 'Prompt begins', refusal: 'Refused for', error: 'Error type', tag: 'Tag', policy: 'Policy', verdict: 'Verdict', estimated: 'Cost',
};
export const valueWord = (field: FilterField, value: string): string => {
  if (field === 'outcome') return outcomeWord(value);
  if (field === 'refusal') return reasonWord(value);
  if (field === 'verdict') return VERDICTS[value as CountedVerdict] ?? value;
  if (field === 'policy') return value || 'no rule';
  if (field === 'estimated') return value === 'true' ? 'estimated' : 'exact';
  return value === '' ? 'none' : value;
};

export function FilterDialog() {
  return filterOpen.value ? <Choices /> : null;
}

function Choices() {
  const [field, setField] = useState<FilterField>('workspace');
  const [typed, setTyped] = useState('');
  const asked = useAsk<FacetsAnswer>(address('/api/facets', { limit: 200 }, range.value), 'facets');
  const listed = LISTED.find((one) => one === field);
  const fixed = field in FIXED ? FIXED[field as keyof typeof FIXED] : null;
  const add = (event: Event) => {
    event.preventDefault();
    if (typed.trim() && !filters.value[field].includes(typed.trim())) toggleFilter(field, typed.trim());
    setTyped('');
  };
  return (
    <Dialog title="Filter" onClose={() => (filterOpen.value = false)}>
      <div class="filter-choices">
        <div class="filter-fields" role="group" aria-label="Field">
          {[...LISTED, ...(Object.keys(FIXED) as (keyof typeof FIXED)[]), ...TYPED].map((one) => (
            <button type="button" key={one} aria-pressed={field === one} onClick={() => setField(one)}>
              {FIELD_WORDS[one]}
              {filters.value[one].length > 0 && <span class="count">{filters.value[one].length}</span>}
            </button>
          ))}
        </div>
        <div class="filter-values">
          {!fixed && <form onSubmit={add}>
            <input type="search" value={typed} autofocus onInput={(event) => setTyped(event.currentTarget.value)} placeholder={listed ? 'Find, or type a value and press Enter' : field === 'tag' ? 'name=value, then Enter' : 'Type a value and press Enter'} aria-label={`${FIELD_WORDS[field]} to filter by`} />
          </form>}
          {fixed ? <Values field={field} values={fixed} /> : listed ? (
            <Answered asked={asked} skeleton="list">
              {(facets) => {
                const values = [...new Set([...filters.value[field], ...facets[listed]])].filter((value) => valueWord(field, value).toLowerCase().includes(typed.toLowerCase()));
                return values.length ? <Values field={field} values={values} /> : (
                  <p class="muted">{typed ? 'Nothing like it in this period.' : 'None in this period.'}</p>
                );
              }}
            </Answered>
          ) : (
            <Values field={field} values={filters.value[field]} />
          )}
        </div>
      </div>
    </Dialog>
  );
}

function Values({ field, values }: { field: FilterField; values: readonly string[] }) {
  return (
    <ul>
      {values.map((value) => (
        <li key={value}>
          <label>
            <input type="checkbox" checked={filters.value[field].includes(value)} onChange={() => toggleFilter(field, value)} />
            <span>{valueWord(field, value)}</span>
          </label>
        </li>
      ))}
    </ul>
  );
}
