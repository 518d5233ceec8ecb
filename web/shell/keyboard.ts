// web/shell/keyboard.ts: single keys, never while something is typed, and they can be switched off.

import { signal } from '@preact/signals';
import { tablesShown } from '../charts/chart.tsx';
import { toggleLive } from '../live.ts';
import { addressWith, go, type Page } from '../state/location.ts';
import { choosePeriod, shiftPeriod, toggleCompare } from '../state/period.ts';

const STORED = 'tollgate.keys';
const storedOff = (): boolean => {
  try {
    return localStorage.getItem(STORED) === 'off';
  } catch {
    return false; // Storage is switched off: the keys work.
  }
};
export const keysOn = signal(!storedOff());
export function switchKeys(on: boolean): void {
  keysOn.value = on;
  try {
    localStorage.setItem(STORED, on ? 'on' : 'off');
  } catch {
    // The choice then lasts as long as the page.
  }
}

export const helpOpen = signal(false);
export const filterOpen = signal(false);
export const periodOpen = signal(false);

/** What a page adds: rows to walk through, a drawer to close. */
export const rowKeys = signal<{ move: (by: 1 | -1) => void; close: () => void } | null>(null);

export const KEYS: readonly (readonly [string, string])[] = [
  ['?', 'This help'],
  ['g o', 'Overview'],
  ['g w', 'Workspaces'],
  ['g f', 'Workflows'],
  ['g u', 'Users'],
  ['g m', 'Models'],
  ['g r', 'Requests'],
  ['g l', 'Limits & health'],
  ['g b', 'Budgets & alerts'],
  ['g p', 'Policies & audit'],
  ['g s', 'Savings'],
  ['g n', 'Planner'],
  ['h  d  w  m  q', 'Last 6 hours, 24 hours, 7, 30, 90 days'],
  ['p', 'Any days, and what to compare with'],
  ['[  ]', 'The period before, the one after'],
  ['x', 'Compare with the period before, or not'],
  ['/', 'Filter'],
  ['t', 'Charts as tables'],
  ['e', 'Export as CSV'],
  ['l', 'Pause or resume updates'],
  ['j  k', 'Next row, row before'],
  ['Enter', 'Open the row'],
  ['Esc', 'Close'],
];

const PAGE_KEYS: Readonly<Record<string, Page>> = {
  o: 'overview', w: 'workspaces', f: 'workflows', u: 'users', m: 'models', r: 'requests', l: 'limits', b: 'budgets', p: 'policies', s: 'savings', n: 'planner',
};
const SIMPLE: Readonly<Record<string, () => void>> = {
  '?': () => (helpOpen.value = !helpOpen.value),
  '/': () => (filterOpen.value = true),
  p: () => (periodOpen.value = true),
  h: () => choosePeriod('6h'),
  d: () => choosePeriod('24h'),
  w: () => choosePeriod('7d'),
  m: () => choosePeriod('30d'),
  q: () => choosePeriod('90d'),
  '[': () => shiftPeriod(-1),
  ']': () => shiftPeriod(1),
  x: toggleCompare,
  // The first export on the page is that of its main table.
  e: () => document.querySelector<HTMLElement>('[data-export]')?.click(),
  t: () => (tablesShown.value = !tablesShown.value),
  l: toggleLive,
  j: () => rowKeys.value?.move(1),
  k: () => rowKeys.value?.move(-1),
};

/** When `g` was pressed last; long ago where another key came since. */
let goAt = -Infinity;

export function listenForKeys(): void {
  addEventListener('keydown', (event) => {
    const target = event.target as HTMLElement;
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || event.isComposing) return;
    if (target.closest('input, textarea, select, [contenteditable], dialog')) return;
    if (event.key === 'Escape') return rowKeys.value?.close();
    if (!keysOn.value) return;
    if (event.timeStamp - goAt < 1_500 && PAGE_KEYS[event.key]) {
      goAt = -Infinity;
      event.preventDefault();
      return go(addressWith({}, PAGE_KEYS[event.key]!));
    }
    // A modal dialog of ours is open, wherever the focus went.
    if (document.querySelector('dialog[open]')) return;
    goAt = event.key === 'g' ? event.timeStamp : -Infinity;
    const act = SIMPLE[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
