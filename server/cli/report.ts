// server/cli/report.ts: `tollgate report`: usage and cost, grouped as asked.

import { InvalidArgumentError, type Command } from 'commander';
import { GROUPINGS, type Grouping } from '../domain/reports.ts';
import type { UsageAnswer, UsageFigures, UsageRow } from '../http/admin/wire.ts';
import { nearest } from '../settings/mistakes.ts';
import { adminClient } from './admin-client.ts';
import { mustBeKnown } from './known-workspaces.ts';
import type { Terminal } from './main.ts';
import { asJson, example, queryOf, withRange, type RangeOptions } from './options.ts';
import { count, dollars, table } from './show.ts';

export function reportCommand(program: Command, terminal: Terminal): void {
  withRange(program.command('report').description('usage and cost over a time, grouped'))
    .option('--by <names>', `group by these, comma-separated: ${GROUPINGS.join(', ')} (default: workspace,workflow,model)`, groupings)
    .option('--limit <rows>', 'at most this many rows, the dearest; the total counts all')
    .addHelpText('after', example('report', 'report --from now-30d --by workspace,model', 'report --from 2026-01-01 --to 2026-02-01 --by day --workspace support --json'))
    .action(async (options: RangeOptions & { by?: Grouping[]; limit?: string }) => {
      const query = queryOf(options, { group_by: (options.by ?? DEFAULT_GROUPS).join(','), limit: options.limit });
      const client = adminClient(options, terminal.env);
      const answer = await client.json<UsageAnswer>('GET', `/api/usage?${query}`);
      await mustBeKnown(options.workspace, client);
      terminal.out(options.json ? asJson(answer) : `${reportText(answer)}\n`);
    });
}

const DEFAULT_GROUPS: readonly Grouping[] = ['workspace', 'workflow', 'model'];

/** @throws InvalidArgumentError for a name that nothing is grouped by */
export function groupings(text: string): Grouping[] {
  return text.split(',').map((part) => {
    const name = part.trim();
    const known = GROUPINGS.find((grouping) => grouping === name);
    if (known) return known;
    const meant = nearest(name, GROUPINGS);
    throw new InvalidArgumentError(`"${name}" is nothing to group by. Expected ${GROUPINGS.join(', ')}.${meant === null ? '' : ` Did you mean "${meant}"?`}`);
  });
}

const FIGURES = ['requests', 'refused', 'errors', 'input', 'cache read', 'cache write', 'output', 'cost'];

export function reportText(answer: UsageAnswer): string {
  const head = `${answer.from} to ${answer.to}, days and months in ${answer.timezone}`;
  const groups = answer.group_by;
  const rows = answer.rows.map((row) => [...groups.map((group) => groupCell(row, group, answer.timezone)), ...figureCells(row)]);
  const total = [...groups.map((_, index) => (index === 0 ? 'total' : '')), ...figureCells(answer.total)];
  const notes = [
    ...(answer.truncated ? ['Some rows were left out; the total counts them. Raise --limit to see them.'] : []),
    ...(Number(answer.total.estimated_cost_usd) > 0 ? [`${dollars(answer.total.estimated_cost_usd)} of the cost is estimated.`] : []),
  ];
  return [head, '', table([...groups, ...FIGURES], [...rows, total], FIGURES), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n');
}

/** The start of a bucket is shown as its day or hour where the reader's calendar is. */
function groupCell(row: UsageRow, group: Grouping, timezone: string): string {
  const value = row[group];
  if (value === null || value === undefined || value === '') return '(none)';
  if (group !== 'hour' && group !== 'day' && group !== 'month') return value;
  const parts = new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, dateStyle: 'short', timeStyle: 'short' }).format(new Date(value));
  return group === 'hour' ? parts : parts.slice(0, group === 'day' ? 10 : 7);
}

const figureCells = (figures: UsageFigures): string[] => [
  count(figures.requests),
  count(figures.refused),
  count(figures.errors),
  count(figures.tokens.input),
  count(figures.tokens.cache_read),
  count(figures.tokens.cache_write_5m + figures.tokens.cache_write_1h),
  count(figures.tokens.output),
  dollars(figures.cost_usd),
];
