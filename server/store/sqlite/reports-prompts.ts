// server/store/sqlite/reports-prompts.ts: a call's prompt as hashes, with those of the calls before it that it may be compared with.

import type { CallPrompt, PromptsReport } from '../../domain/reports.ts';
import { CALL_COLUMNS, callRow } from './reports-requests.ts';
import type { Columns, Source } from './reports-source.ts';

const COLUMNS = [...CALL_COLUMNS, 'prompt'].join(', ');
/** Rows that are looked at, as many of a workflow may have no hashes or be of another model. */
const MOST_ROWS = 200;

/**
 * The last call before it of its session, in its workflow, as `sameSession`; and the newest `most` before it of its workflow that went
 * to the same model. Only such as have hashes, of the newest few hundred. Null: no such call, or its row is past retention.
 */
export function prompts(source: Source, { id, most }: { id: string; most: number }): PromptsReport | null {
  const [row] = source.all(`SELECT ${COLUMNS}, workspace, workflow, model_sent, n FROM call WHERE id = ?`, [id]);
  if (row === undefined) return null;
  const [prompt, workspace, workflow, model, n] = row.slice(CALL_COLUMNS.length) as [string | null, bigint, bigint, bigint, bigint];
  const call = { row: callRow(source, row), prompt };
  if (prompt === null) return { call, sameSession: null, recent: [] };
  const { session, admittedAt } = call.row;
  const before = (column: 'session' | 'workflow', value: string | bigint, also: string, ids: readonly bigint[], limit: number): CallPrompt[] =>
    source
      .all(
        `SELECT * FROM (SELECT ${COLUMNS}, workspace AS w, workflow AS f, model_sent AS m FROM call WHERE ${column} = ? AND admitted_at <= ? AND (admitted_at < ? OR n < ?) ORDER BY admitted_at DESC, n DESC LIMIT ${MOST_ROWS})
         WHERE prompt IS NOT NULL AND ${also} ORDER BY admitted_at DESC, n DESC LIMIT ?`,
        [value, admittedAt, admittedAt, n, ...ids, limit],
      )
      .map((columns: Columns) => ({ row: callRow(source, columns), prompt: columns[CALL_COLUMNS.length] as string }));
  return {
    call,
    sameSession: session === null ? null : (before('session', session, 'w = ? AND f = ?', [workspace, workflow], 1)[0] ?? null),
    recent: before('workflow', workflow, 'w = ? AND m = ?', [workspace, model], most),
  };
}
