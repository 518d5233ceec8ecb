// grafana/board.ts: the frame of every board: variables, links, rows, and the place and number of each panel.

import {
  ConstantVariableBuilder, DashboardBuilder, DashboardCursorSync, DashboardLinkBuilder, DashboardLinkType, DatasourceVariableBuilder, QueryVariableBuilder, RowBuilder,
  VariableRefresh, VariableSort, type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { BOARDS, BOARD_VERSION, type Addresses, type BoardName } from './config.ts';
import { DATASOURCE, type AnyPanel } from './panels.ts';
import { instances, jobs, models, workspaces } from './queries.ts';

/** Columns of Grafana's grid. */
const COLUMNS = 24;
const TAG = 'tollgate';

export interface Row {
  readonly title: string;
  /** From left to right; the next line begins where the 24 columns are full. */
  readonly panels: readonly { readonly panel: AnyPanel; readonly width: number; readonly height: number; readonly repeat?: 'workspace' | 'model' }[];
}

export interface BoardPlan {
  readonly name: BoardName;
  readonly description: string;
  /** Grafana's `from`, e.g. `now-6h`. */
  readonly from: string;
  readonly rows: readonly Row[];
  /** The page of Tollgate that goes on from here. */
  readonly page: string;
}

export function board(plan: BoardPlan, addresses: Addresses): Dashboard {
  const { uid, title } = BOARDS[plan.name];
  const builder = new DashboardBuilder(title)
    .uid(uid)
    .description(plan.description)
    .tags([TAG])
    .readonly()
    .version(BOARD_VERSION)
    .timezone('browser')
    .time({ from: plan.from, to: 'now' })
    .refresh('1m')
    .tooltip(DashboardCursorSync.Crosshair)
    .variables([
      new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
      pick('job', 'Job', jobs()),
      pick('instance', 'Instance', instances()),
      pick('workspace', 'Workspace', workspaces()),
      pick('model', 'Model', models()),
      new ConstantVariableBuilder('tollgate').label('Address of Tollgate').value(addresses.tollgate),
    ])
    .links([
      new DashboardLinkBuilder('Boards').type(DashboardLinkType.Dashboards).tags([TAG]).asDropdown(true).includeVars(true).keepTime(true).icon('external link'),
      new DashboardLinkBuilder('Tollgate').type(DashboardLinkType.Link).url(`\${tollgate}${plan.page}?from=\${__from:date:iso}&to=\${__to:date:iso}`).icon('external link').tooltip('The dashboard of the gateway, for the same time').targetBlank(true),
    ]);
  const placed = builder.build();
  placed.panels = place(plan.rows);
  return placed;
}

const pick = (name: string, label: string, query: string): QueryVariableBuilder =>
  new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query({ query, refId: `variable-${name}` })
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: ['All'], value: ['$__all'] });

/** The SDK gives panels no number and its own layout no second size of panel in a line, so both are given here. */
function place(rows: readonly Row[]): NonNullable<Dashboard['panels']> {
  const placed: NonNullable<Dashboard['panels']> = [];
  let id = 1;
  let y = 0;
  for (const row of rows) {
    placed.push({ ...new RowBuilder(row.title).gridPos({ x: 0, y, w: COLUMNS, h: 1 }).build(), id: id++ });
    y += 1;
    let x = 0;
    let tallest = 0;
    for (const { panel, width, height, repeat } of row.panels) {
      if (x + width > COLUMNS) [x, y, tallest] = [0, y + tallest, 0];
      const built = { ...panel.build(), id: id++, gridPos: { x, y, w: width, h: height } };
      placed.push(repeat === undefined ? built : { ...built, repeat, repeatDirection: 'h' as const, maxPerRow: 4 });
      x += width;
      tallest = Math.max(tallest, height);
    }
    y += tallest;
  }
  return placed;
}
