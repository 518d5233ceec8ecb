// web/shell/theme.ts: light, dark or the system's own; public/theme.js applies the choice before the first paint.

import { effect, signal } from '@preact/signals';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const stored = (): Theme => {
  try {
    const choice = localStorage.getItem('tollgate.theme');
    return choice === 'light' || choice === 'dark' ? choice : 'system';
  } catch {
    return 'system'; // Storage is switched off; the choice then lasts as long as the page.
  }
};

export const theme = signal<Theme>(stored());
const systemDark = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(systemDark.matches);
systemDark.addEventListener('change', (event) => {
  systemIsDark.value = event.matches;
});
/** What is on screen now. Charts read it so that they are drawn again when it turns. */
export const shade = signal<'light' | 'dark'>('light');

effect(() => {
  const dark = theme.value === 'dark' || (theme.value === 'system' && systemIsDark.value);
  document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
  shade.value = dark ? 'dark' : 'light';
});

export function chooseTheme(choice: Theme): void {
  theme.value = choice;
  try {
    if (choice === 'system') localStorage.removeItem('tollgate.theme');
    else localStorage.setItem('tollgate.theme', choice);
  } catch {
    // Storage is switched off; see above.
  }
}
