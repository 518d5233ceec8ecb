// server/http/admin/routes-savings.ts: what need not be spent, and what people decide about it.

import { savingRow, savingsAnswer } from './encode-savings.ts';
import { attach, audited } from './export-route.ts';
import { writeSavings } from './export-csv.ts';
import { json, raw, type Input, type Route } from './route.ts';
import * as wire from './wire.ts';
import type { z } from 'zod';

async function savings({ services, query }: Pick<Input<z.output<typeof wire.SavingsQuery>, null>, 'services' | 'query'>): Promise<wire.SavingsAnswer> {
  return savingsAnswer(await services.advisor.view(), { workspace: query.workspace ?? [], workflow: query.workflow ?? [], model: query.model ?? [] }, services.settings().timezone);
}

export const savingRoutes: readonly Route[] = [
  json({
    method: 'get',
    path: '/api/savings',
    role: 'read',
    summary: 'What of the past 30 days need not have been spent, how certain that is, and what was saved already.',
    query: wire.SavingsQuery,
    name: 'Savings',
    answer: wire.SavingsAnswer,
    handle: savings,
  }),
  json({
    method: 'post',
    path: '/api/savings',
    role: 'write',
    summary: 'Decides on a saving: open, doing, done, or dismissed with a reason. What an action costs is kept when it is done, and compared from then on.',
    query: wire.NoQuery,
    body: wire.SavingBody,
    name: 'Saving',
    answer: wire.SavingAnswer,
    async handle({ services, body, actor }) {
      const { id, state, reason = null } = body;
      const owner = body.owner === undefined ? ((await services.advisor.view()).savings.find(({ finding }) => finding.id === id)?.decision?.owner ?? null) : body.owner;
      return { saving: savingRow(await services.advisor.decide({ id, state, owner, reason: state === 'dismissed' ? reason : null, actor: actor?.name ?? 'nobody' })) };
    },
  }),
  raw({
    path: '/api/export/savings.csv',
    role: 'read',
    summary: 'What /api/savings answers, as CSV.',
    query: wire.SavingsQuery,
    mediaType: 'text/csv',
    async handle(input) {
      const answer = await savings(input);
      await audited(input, 'export.savings', answer);
      attach(input.res, `tollgate-savings-${answer.to.slice(0, 10)}.csv`);
      await writeSavings(answer.rows, input.res);
    },
  }),
];
