// test/long/batch-results.test.ts: a result set of 100,000 items goes through, and is booked, without being held in memory.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startGateway } from '../flow/gateway.ts';

const ITEMS = 100_000;
const KEY = 'key-of-the-workspace';
/** About a kilobyte each, as an answer of a few hundred tokens has. */
const line = (n: number): string =>
  `${JSON.stringify({ custom_id: `item-${n}`, result: { type: 'succeeded', message: { id: `msg_${n}`, type: 'message', role: 'assistant', model: 'claude-haiku-4-5', content: [{ type: 'text', text: 'word '.repeat(120) }], stop_reason: 'end_turn', usage: { input_tokens: 100 + (n % 7), output_tokens: 120, service_tier: 'batch' } } } })}\n`;

/** What the process may take beyond what it took before. */
const MOST_GROWTH_MB = 50;

test('100,000 results are downloaded and booked at once, and the process grows by less than 50 MB', async () => {
  let ended = false;
  const provider = createServer(async (request, reply) => {
    const path = request.url ?? '';
    for await (const _ of request);
    if (!path.endsWith('/results')) {
      const batch = { id: 'msgbatch_01Large', type: 'message_batch', processing_status: ended ? 'ended' : 'in_progress', request_counts: { succeeded: ended ? ITEMS : 0 }, expires_at: new Date(Date.now() + 86_400_000).toISOString(), results_url: null };
      reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(batch));
      return;
    }
    reply.writeHead(200, { 'content-type': 'application/x-jsonl' });
    for (let n = 0; n < ITEMS; n += 100) {
      let text = '';
      for (let at = n; at < n + 100; at++) text += line(at);
      if (!reply.write(text)) await once(reply, 'drain');
    }
    reply.end();
  }).listen(0, '127.0.0.1');
  await once(provider, 'listening');
  const gateway = await startGateway({
    config: {
      access: 'keys', batches: { poll: '200ms' }, workspaces: [{ id: 'one' }], keys: [{ id: 'k', workspace: 'one', secret: KEY }],
      upstream: { origin: `http://127.0.0.1:${(provider.address() as AddressInfo).port}`, keys: { default: 'sk-ant-provider-key' } },
      budgets: [{ id: 'all', scope: { organization: true }, limit_usd: 1000, period: 'month' }],
    },
  });
  let sampling: NodeJS.Timeout | undefined;
  try {
    const headers = { 'x-api-key': KEY, 'anthropic-version': '2023-06-01', 'content-type': 'application/json' };
    const created = await fetch(`${gateway.dataUrl}/v1/messages/batches`, { method: 'POST', headers, body: JSON.stringify({ requests: [{ custom_id: 'a', params: { model: 'claude-haiku-4-5', max_tokens: 64, messages: [{ role: 'user', content: 'Hello' }] } }] }) });
    expect(created.status).toBe(200);
    const rssMb = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))![1]) / 1024;
    const before = rssMb();
    let peak = before;
    sampling = setInterval(() => (peak = Math.max(peak, rssMb())), 20);
    ended = true;
    let bytes = 0;
    const download = await fetch(`${gateway.dataUrl}/v1/messages/batches/msgbatch_01Large/results`, { headers });
    for await (const chunk of download.body!) bytes += chunk.length;
    expect(bytes).toBe(Array.from({ length: ITEMS }, (_, n) => line(n).length).reduce((a, b) => a + b));
    const downloaded = peak;
    // 100 to 106 prompt tokens and 120 of output, at half of 1 and 5 dollars per million. One item was held for, so only the sum tells the end.
    const expected = ((Array.from({ length: ITEMS }, (_, n) => (100 + (n % 7)) * 500 + 120 * 2_500).reduce((a, b) => a + b)) / 1e9).toFixed(9);
    await expect.poll(async () => ((await (await fetch(`${gateway.adminUrl}/api/budgets`)).json()) as { rows: { spent_usd: string }[] }).rows[0]!.spent_usd, { timeout: 120_000, interval: 200 }).toBe(expected);
    process.stdout.write(`resident memory: ${before.toFixed(0)} MB before, ${downloaded.toFixed(0)} MB at most while downloading, ${peak.toFixed(0)} MB at most until all was booked\n`);
    expect(peak - before).toBeLessThan(MOST_GROWTH_MB);
  } finally {
    clearInterval(sampling);
    await gateway.close();
    provider.closeAllConnections();
    provider.close();
  }
});
