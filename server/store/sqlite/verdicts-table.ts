// server/store/sqlite/verdicts-table.ts: what rules said of calls, other than that they may pass: a row per call and rule, so that such calls are found by rule, and the others cost nothing.

import type { Database } from 'better-sqlite3';
import type { CountedVerdict, Decision } from '../../domain/call.ts';
import { NO_NAME } from './migrations.ts';
import type { Names } from './names.ts';

/** As they are stored. */
export const VERDICT_CODES = { refuse: 1, would_refuse: 2, would_rewrite: 3, rewrite: 4 } as const satisfies Record<CountedVerdict, number>;

/** The rules that the table knows, as SQL: found by a jump from each to the next, so that it takes as long as there are rules, and not rows. */
export const RULES = `(WITH RECURSIVE known (rule) AS (SELECT min(rule) FROM verdict UNION ALL SELECT (SELECT min(rule) FROM verdict WHERE rule > known.rule) FROM known WHERE known.rule IS NOT NULL) SELECT rule FROM known WHERE rule IS NOT NULL)`;

/** Calls by what was said of them, in the order of the table. Names of columns are of one or the other. */
export const VERDICTS_OF_CALLS = 'FROM verdict CROSS JOIN call ON call.n = verdict.call';

export interface VerdictsTable {
  /** Of a call that was let through. @param decisions as the row of the call holds them */
  opened(n: number, at: number, decisions: string): void;
  /** Of a call that was refused. */
  refused(n: number, at: number, decisions: string | null): void;
}

/** What nearly every call lacks, so that its decisions need not be parsed. Text of a client may hold it too; it is looked at then. */
const MAY_COUNT = /"would_|"cheaper_models:/;

/** Call it inside the transaction that writes the call. */
export function verdictsTableOf(db: Database, names: Names): VerdictsTable {
  const insert = db.prepare('INSERT INTO verdict (rule, at, call, verdict) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const note = (n: number, at: number, decisions: string): boolean => {
    let refused = false;
    for (const [rule, verdict] of JSON.parse(decisions) as [rule: string, verdict: Decision['verdict']][]) {
      if (!isCounted(rule, verdict)) continue;
      insert.run(names.id(rule), at, n, VERDICT_CODES[verdict]);
      refused ||= verdict === 'refuse';
    }
    return refused;
  };
  return {
    opened(n, at, decisions) {
      if (MAY_COUNT.test(decisions)) note(n, at, decisions);
    },
    refused(n, at, decisions) {
      if (decisions === null || !note(n, at, decisions)) insert.run(NO_NAME, at, n, VERDICT_CODES.refuse);
    },
  };
}

/** That an alias stands for a model is no verdict on a call; that a cheaper one takes its place is. */
const isCounted = (rule: string, verdict: Decision['verdict']): verdict is CountedVerdict => (verdict === 'rewrite' ? rule.startsWith('cheaper_models:') : verdict !== 'allow');

/** Takes out what was said of calls that are deleted. @param calls in order of admission */
export function deleteVerdicts(db: Database, calls: readonly { readonly n: number; readonly at: number }[]): void {
  db.prepare(`DELETE FROM verdict WHERE rule IN ${RULES} AND at >= ? AND at <= ? AND call IN (SELECT value FROM json_each(?))`).run(calls[0]?.at, calls.at(-1)?.at, JSON.stringify(calls.map(({ n }) => n)));
}
