// web/shell/print.ts: paper is light and has no pointer: charts go on it as tables, in the light theme.

import { tablesShown } from '../charts/chart.tsx';

export function listenForPrint(): void {
  let before: { tables: boolean; theme: string | undefined } | null = null;
  const root = document.documentElement;
  // Told for the browser's print dialog and for anything else that asks for the page as paper.
  matchMedia('print').addEventListener('change', ({ matches }) => {
    if (matches && before === null) {
      before = { tables: tablesShown.value, theme: root.dataset['theme'] };
      tablesShown.value = true;
      root.dataset['theme'] = 'light';
    } else if (!matches && before !== null) {
      tablesShown.value = before.tables;
      root.dataset['theme'] = before.theme ?? 'light';
      before = null;
    }
  });
}
