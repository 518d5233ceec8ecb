// test/demo/apps/ticket-triage.ts: an example app: sorts support tickets into queues with Claude Haiku 4.5.
//
//   ANTHROPIC_BASE_URL=http://127.0.0.1:4100 ANTHROPIC_API_KEY=<a Tollgate key> node dist/test/demo/apps/ticket-triage.js
//
// Nothing here knows of a gateway but the base URL and two optional headers, which say whose ticket it was.

import { readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';

interface Ticket {
  readonly id: number;
  /** Who looks after the customer; shown per user in reports. */
  readonly agent: string;
  readonly text: string;
}

const QUEUES = ['billing', 'delivery', 'defect', 'return', 'account', 'praise', 'other'] as const;
type Queue = (typeof QUEUES)[number];

// The handbook goes along with every ticket. Marked for the prompt cache, it costs a tenth from the second ticket on.
const handbook = readFileSync(sample('handbook.md'), 'utf8');
const system: Anthropic.TextBlockParam[] = [
  { type: 'text', text: handbook },
  { type: 'text', text: `Answer with a single word, one of: ${QUEUES.join(', ')}`, cache_control: { type: 'ephemeral' } },
];

const client = new Anthropic();

async function queueFor(ticket: Ticket): Promise<{ queue: Queue; cost: string | null }> {
  const { data: message, response } = await client.messages
    .create(
      { model: 'claude-haiku-4-5', max_tokens: 16, system, messages: [{ role: 'user', content: ticket.text }] },
      { headers: { 'x-tollgate-user': ticket.agent, 'x-tollgate-action': `ticket-${ticket.id}` } },
    )
    .withResponse();
  const word = message.content.map((block) => (block.type === 'text' ? block.text.trim().toLowerCase() : '')).join('');
  return { queue: QUEUES.find((queue) => queue === word) ?? 'other', cost: response.headers.get('x-tollgate-cost-usd') };
}

/** The built program runs from dist; its data stays beside the source. */
function sample(name: string): URL {
  return new URL(`../../../../test/demo/apps/${name}`, import.meta.url);
}

const tickets = JSON.parse(readFileSync(sample('tickets.json'), 'utf8')) as Ticket[];
for (const ticket of tickets) {
  try {
    const { queue, cost } = await queueFor(ticket);
    console.log(`${queue.padEnd(9)} ${cost === null ? '' : `$${cost}  `}${ticket.text.slice(0, 70)}`);
  } catch (cause) {
    if (!(cause instanceof Anthropic.APIError)) throw cause;
    console.log(`${'?'.padEnd(9)} not sorted: ${cause.apiMessage ?? cause.message}`);
  }
}
