// server/cli/explain.ts: `tollgate explain`: one call's bill, line by line, with the prices it was reckoned by.

import type { Command } from 'commander';
import type { CostLineRow, RequestAnswer } from '../http/admin/wire.ts';
import { adminClient } from './admin-client.ts';
import type { Terminal } from './main.ts';
import { asJson, example, withGateway, type AskOptions } from './options.ts';
import { count, table } from './show.ts';

export function explainCommand(program: Command, terminal: Terminal): void {
  withGateway(program.command('explain').description('what one call cost and why: tokens × price × multipliers, line by line').argument('<id>', 'the call, as `x-tollgate-request-id` names it'))
    .addHelpText('after', example('explain req_01JD3ZJ7Q4', 'explain req_01JD3ZJ7Q4 --json'))
    .action(async (id: string, options: AskOptions) => {
      const answer = await adminClient(options, terminal.env).json<RequestAnswer>('GET', `/api/requests/${encodeURIComponent(id)}`);
      terminal.out(options.json ? asJson(answer) : `${explainText(answer)}\n`);
    });
}

export function explainText(answer: RequestAnswer): string {
  const { request: call, cost_lines: lines } = answer;
  const served = call.model_served !== null && call.model_served !== call.model_requested ? `, served by ${call.model_served}` : '';
  // `not_available` is the provider's word for a place that it does not tell.
  const how = [answer.speed && `speed ${answer.speed}`, answer.service_tier && `tier ${answer.service_tier}`, answer.inference_geo && answer.inference_geo !== 'not_available' && `ran in ${answer.inference_geo}`].filter(Boolean);
  const head = [
    `${call.id}, admitted ${call.admitted_at}`,
    `  ${call.workspace}/${call.workflow}, ${call.endpoint}${call.model_requested === null ? '' : `, ${call.model_requested}${served}`}${how.length > 0 ? ` (${how.join(', ')})` : ''}`,
    `  ${call.outcome ?? 'in flight'}${call.status === null ? '' : `, status ${call.status}`}`,
  ];
  const columns = ['kind', 'quantity', 'price each', 'amount', 'multipliers', 'price row'];
  const body = lines.map((line) => [`${line.kind}${line.model === lines[0]?.model ? '' : ` of ${line.model}`}`, count(line.quantity), shortened(line.unit_price_usd), shortened(line.amount_usd), line.factors.join(', '), line.price_version]);
  const bill = lines.length === 0 ? ['No lines: nothing was billed, or the call is not settled by its usage.'] : [table(columns, body, ['quantity', 'price each', 'amount']), `sum of the lines ${shortened(answer.cost_lines_usd)}`];
  const sources = [...new Map(lines.map((line) => [line.price_version, line])).values()].map(sourceText);
  const corrections = answer.corrections.map((c) => `  ${c.at} by ${c.actor}: ${c.difference_usd.startsWith('-') ? '' : '+'}${c.difference_usd}, from then on $${c.cost_usd}, priced by ${c.price_version} (${c.reason}, run ${c.run})`);
  return [
    ...head,
    '',
    ...bill,
    ...(sources.length > 0 ? ['', 'prices:', ...sources] : []),
    ...(corrections.length > 0 ? ['', `settled at $${call.settled_cost_usd}; corrections:`, ...corrections] : []),
    '',
    `cost $${call.cost_usd}${call.estimated ? `, an estimate: ${call.estimate_method ?? 'of an unknown kind'}` : ''}`,
    ...(answer.cost_note === null ? [] : [answer.cost_note]),
  ].join('\n');
}

const KINDS = { list: 'list price', contract: 'contract price', ceiling: 'no price of its own: the dearest known rates' } as const;

const sourceText = (line: CostLineRow): string => `  ${line.price_version}: ${KINDS[line.price_kind]}${line.source === '' ? '' : `, ${line.source}`}`;

/** Exact, without the zeros at its end. */
const shortened = (usd: string): string => `$${usd.replace(/(\.\d\d\d*?)0+$/, '$1')}`;
