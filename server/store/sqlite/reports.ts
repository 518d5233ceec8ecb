// server/store/sqlite/reports.ts: every report by name, as the reading thread runs them; each reads one instant of the ledger.

import { actions } from './reports-actions.ts';
import { audit } from './reports-audit.ts';
import { checkDay, daysKept } from './reports-check.ts';
import { bills, request } from './reports-detail.ts';
import { heldAndCost } from './reports-holds.ts';
import { prompts } from './reports-prompts.ts';
import { requests, requestsInOrder } from './reports-requests.ts';
import type { Source } from './reports-source.ts';
import { reasons, shapes } from './reports-shapes.ts';
import { steps } from './reports-steps.ts';
import { facets, hourlySpend } from './reports-spend.ts';
import { usage } from './reports-usage.ts';
import { verdicts } from './reports-verdicts.ts';

const REPORTS = { usage, actions, requests, requestsInOrder, request, prompts, bills, daysKept, checkDay, hourlySpend, heldAndCost, audit, facets, shapes, reasons, steps, verdicts };

export type ReportName = keyof typeof REPORTS;
/** What a report is asked with: one value, which can be sent to a thread. */
export type Question<Name extends ReportName> = Parameters<(typeof REPORTS)[Name]>[1];
export type Answer<Name extends ReportName> = ReturnType<(typeof REPORTS)[Name]>;

export function report<Name extends ReportName>(source: Source, name: Name, question: Question<Name>): Answer<Name> {
  const read = REPORTS[name] as (source: Source, question: Question<Name>) => Answer<Name>;
  return source.atOnce(() => read(source, question));
}

/** From the main thread to the reading one. */
export type Asked = { readonly [Name in ReportName]: { readonly id: number; readonly name: Name; readonly question: Question<Name> } }[ReportName] | 'close';

/** Back again. `kind` tells which error it was, since classes do not survive the way. */
export type Answered =
  | { readonly id: number; readonly ok: true; readonly answer: unknown }
  | { readonly id: number; readonly ok: false; readonly kind: 'bad_query' | 'unreadable' | 'bug'; readonly message: string };
