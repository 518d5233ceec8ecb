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

/** What rules said of a call, all of it, as the sum of 2^(code - 1). */
const SAID = 'SUM(DISTINCT 1 << (verdict - 1))';
/** Calls that rules spoke of, each once, with what was said. @param place what of `at` and `call` must hold, as SQL */
export const spokenOf = (place: string): string => `FROM (SELECT call AS spoken, ${SAID} AS said FROM verdict WHERE rule IN ${RULES} AND ${place} GROUP BY at, call) CROSS JOIN call ON call.n = spoken`;
const ALL_SAID = Array.from({ length: 2 ** Object.keys(VERDICT_CODES).length - 1 }, (_, i) => i + 1);
/** Every value of `said` that holds one of the verdicts. @param verdicts their codes */
export function saidWith(verdicts: readonly number[]): readonly number[] {
  const wanted = verdicts.reduce((bits, code) => bits | (1 << (code - 1)), 0);
  return ALL_SAID.filter((said) => (said & wanted) !== 0);
}

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
