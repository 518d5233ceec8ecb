// test/grafana/boards.ts: the generated boards as a test reads them.

import { LOCAL } from '../../grafana/config.ts';
import { generated } from '../../grafana/files.ts';

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
  readonly instant?: boolean;
  readonly datasource: { readonly uid: string };
}
export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly repeat?: string;
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string; readonly noValue?: string; readonly links?: readonly { readonly url: string }[] } };
  readonly options?: { readonly legend?: { readonly showLegend: boolean } };
  readonly targets?: readonly Target[];
}
export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly label?: string;
  readonly query: string | { readonly query: string };
  readonly refresh?: number;
  readonly multi: boolean;
  readonly includeAll: boolean;
  readonly allValue?: string;
  readonly datasource?: { readonly uid: string };
}
export interface Board {
  readonly uid: string;
  readonly title: string;
  readonly editable: boolean;
  readonly version: number;
  readonly schemaVersion: number;
  readonly tags: readonly string[];
  readonly links: readonly { readonly type: string; readonly url?: string; readonly keepTime: boolean; readonly includeVars: boolean }[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly Panel[];
}

export const boards: readonly Board[] = [...generated(LOCAL)].filter(([path]) => path.startsWith('provisioning/boards/')).map(([, text]) => JSON.parse(text) as Board);

/** Panels with queries; rows have none. */
export const panels: readonly { readonly board: Board; readonly panel: Panel; readonly name: string }[] = boards.flatMap((board) =>
  board.panels.filter((panel) => panel.type !== 'row').map((panel) => ({ board, panel, name: `${board.title}: ${panel.title}` })),
);

export const targets = panels.flatMap(({ board, panel, name }) => (panel.targets ?? []).map((target) => ({ board, panel, target, name: `${name} (${target.refId})` })));

/** `label_values(selector, label)` of a variable. */
export function labelValues(variable: Variable): { readonly selector: string; readonly label: string } {
  const text = typeof variable.query === 'string' ? variable.query : variable.query.query;
  const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(text) ?? [];
  if (selector === undefined || label === undefined) throw new Error(`not a query of label values: ${text}`);
  return { selector, label };
}
