// web/state/location.ts: everything a page shows is in its address, so that a link or the back button brings it back. Defaults are left out.

import { computed, signal } from '@preact/signals';

const PAGES = {
  overview: '/', workspaces: '/workspaces', workflows: '/workflows', users: '/users', models: '/models',
  requests: '/requests', limits: '/limits', budgets: '/budgets', policies: '/policies', planner: '/planner', savings: '/savings', statement: '/statement',
} as const;
export type Page = keyof typeof PAGES;

/** The admin API's filter fields, with their short names in the address. */
export const FILTERS = { workspace: 'ws', workflow: 'wf', user: 'user', model: 'm', key: 'key', outcome: 'o', session: 'session', action: 'action', trace: 'trace', prefix: 'prefix', refusal: 'refusal', error: 'error', tag: 'tag', policy: 'policy', verdict: 'verdict', estimated: 'est' } as const;
export type FilterField = keyof typeof FILTERS;
export const FILTER_FIELDS = Object.keys(FILTERS) as FilterField[];
export type Filters = Readonly<Record<FilterField, readonly string[]>>;

/** What belongs to one page alone and does not go along to the next. */
const OWN = ['row', 'after', 'metric', 'by', 'sort', 'open', 'task', 'month', 'silence'] as const;
const KNOWN = new Set<string>(['from', 'to', 'tz', 'cmp', ...OWN, ...Object.values(FILTERS)]);

const address = signal(new URL(location.href));
addEventListener('popstate', () => {
  address.value = new URL(location.href);
});

export const page = computed<Page | null>(() => {
  const path = address.value.pathname.replace(/\/+$/, '') || '/';
  return (Object.keys(PAGES) as Page[]).find((name) => PAGES[name] === path) ?? null;
});

export const filters = computed<Filters>(
  () => Object.fromEntries(FILTER_FIELDS.map((field) => [field, address.value.searchParams.getAll(FILTERS[field])])) as unknown as Filters,
);
export const filterCount = computed(() => FILTER_FIELDS.reduce((sum, field) => sum + filters.value[field].length, 0));

/** Parameters of the address that mean nothing here; named to the reader instead of being dropped in silence. */
export const unknownParameters = computed(() => [...new Set(address.value.searchParams.keys())].filter((key) => !KNOWN.has(key)));

export const parameter = (name: 'from' | 'to' | 'tz' | 'cmp' | (typeof OWN)[number]): string | null => address.value.searchParams.get(name);

type Changes = Readonly<Record<string, string | readonly string[] | null>>;

/** The address with some parameters changed; null removes one. A change of filter or time leaves the open row and the page of the list behind. */
export function addressWith(changes: Changes, to: Page | null = page.value): string {
  const url = new URL(address.value);
  if (to && to !== page.value) {
    url.pathname = PAGES[to];
    for (const own of OWN) url.searchParams.delete(own);
  }
  if (!('row' in changes) && !('after' in changes)) for (const own of ['row', 'after']) url.searchParams.delete(own);
  for (const [name, value] of Object.entries(changes)) {
    url.searchParams.delete(name);
    if (typeof value === 'string') url.searchParams.set(name, value);
    else if (value) for (const one of value) url.searchParams.append(name, one);
  }
  return url.pathname + url.search;
}

/** Goes to an address of our own. `replace` is for what the back button should not have to walk through. */
export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  const url = new URL(to, location.href);
  if (url.href === address.value.href) return;
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', url);
  const turned = url.pathname !== address.value.pathname;
  address.value = url;
  if (turned) scrollTo(0, 0);
}

/** Lets an `<a href>` of our own be a turn of the page without a load; a modified click stays the browser's. */
export function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.currentTarget as HTMLAnchorElement;
  event.preventDefault();
  go(link.href);
}

export function toggleFilter(field: FilterField, value: string): void {
  const now = filters.value[field];
  // Either or: both at once would be everything.
  if (field === 'estimated') return go(addressWith({ [FILTERS[field]]: now.includes(value) ? null : value }));
  go(addressWith({ [FILTERS[field]]: now.includes(value) ? now.filter((one) => one !== value) : [...now, value] }));
}
