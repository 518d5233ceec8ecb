// test/demo/apps/writing-assistant.ts: an example app: a writing assistant in the terminal, streaming, with a memory and a tool.
//
//   ANTHROPIC_BASE_URL=http://127.0.0.1:4100 ANTHROPIC_API_KEY=<a Tollgate key> node dist/test/demo/apps/writing-assistant.js
//
// Type to it, or pipe lines into it. After each message it prints what that message cost, and at the end what all of it did.

import { randomBytes, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import Anthropic from '@anthropic-ai/sdk';

const saveDraft: Anthropic.Tool = {
  name: 'save_draft',
  description: 'Saves the text as a draft that the editors will see. Use it when the author asks for it.',
  input_schema: { type: 'object', properties: { title: { type: 'string' }, text: { type: 'string' } }, required: ['title', 'text'] },
};

const client = new Anthropic();
const session = randomUUID();
/** Where OpenTelemetry is at work it sends this header by itself; here the conversation is the trace. */
const traceparent = (): string => `00-${session.replaceAll('-', '')}-${randomBytes(8).toString('hex')}-01`;
const history: Anthropic.MessageParam[] = [];
const drafts: string[] = [];
let total = 0;

/** One message of the author: as many calls as the tools take. Returns what it cost in US dollars, null when no gateway told. */
async function say(text: string): Promise<number | null> {
  const action = randomUUID();
  const costs: (number | null)[] = [];
  history.push({ role: 'user', content: text });
  for (;;) {
    const stream = client.messages.stream(
      { model: 'claude-opus-4-8', max_tokens: 2_000, system: 'You help an editor write. Be brief.', tools: [saveDraft], messages: history, cache_control: { type: 'ephemeral' } },
      { headers: { 'x-tollgate-session': session, 'x-tollgate-action': action, traceparent: traceparent() } },
    );
    stream.on('text', (piece) => process.stdout.write(piece));
    const { data: sent, response } = await stream.withResponse();
    const message = await sent.finalMessage();
    costs.push(await costOf(response.headers.get('x-tollgate-request-id')));
    history.push({ role: 'assistant', content: message.content });
    const calls = message.content.filter((block) => block.type === 'tool_use');
    if (message.stop_reason !== 'tool_use' || calls.length === 0) break;
    history.push({ role: 'user', content: calls.map(run) });
    process.stdout.write('\n');
  }
  return costs.includes(null) ? null : costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0);
}

function run(call: Anthropic.ToolUseBlock): Anthropic.ToolResultBlockParam {
  const { title } = call.input as { title: string };
  drafts.push(title);
  return { type: 'tool_result', tool_use_id: call.id, content: `Saved as draft ${drafts.length}: ${title}` };
}

/** A stream has no cost in its headers, because they come before it; the gateway's admin API knows it a moment after the end. */
async function costOf(requestId: string | null): Promise<number | null> {
  if (requestId === null) return null;
  const admin = process.env['TOLLGATE_ADMIN_URL'] ?? 'http://127.0.0.1:4101';
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const response = await fetch(`${admin}/api/requests/${requestId}`).catch(() => null);
    if (response?.ok) {
      const { request } = (await response.json()) as { request: { cost_usd: string | null; ended_at: string | null } };
      if (request.ended_at !== null) return Number(request.cost_usd);
    }
    await new Promise((wait) => setTimeout(wait, 100));
  }
  return null;
}

const input = createInterface({ input: process.stdin, ...(process.stdin.isTTY ? { output: process.stdout } : {}) });
input.setPrompt('\n> ');
input.prompt();
// The last line may be followed by the end while it is still being answered, and Node 24 does not prompt behind the end.
let ended = false;
input.once('close', () => (ended = true));
for await (const line of input) {
  if (line.trim() !== '') {
    try {
      const cost = await say(line);
      total += cost ?? 0;
      console.log(cost === null ? '\n' : `\n[$${cost.toFixed(6)}]`);
    } catch (cause) {
      if (!(cause instanceof Anthropic.APIError)) throw cause;
      // The author's message stays out of the history, so that it can be sent again.
      while (history.length > 0 && history.at(-1)?.role !== 'assistant') history.pop();
      console.log(`\nno answer: ${cause.apiMessage ?? cause.message}`);
    }
  }
  if (!ended) input.prompt();
}
console.log(`\n${drafts.length} drafts saved, $${total.toFixed(6)} spent`);
