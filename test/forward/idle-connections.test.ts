// test/forward/idle-connections.test.ts: how long a connection to the provider that nobody uses stays open.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import type { Settings } from '../../server/domain/settings.ts';
import { createUpstream } from '../../server/forward/upstream.ts';

const upstreamTo = (origin: string): Settings['upstream'] => ({
  origin, keys: new Map([['default', 'sk-1']]), connectTimeoutMs: 5_000, streamHeadersTimeoutMs: 5_000, headersTimeoutMs: 5_000, idleTimeoutMs: 5_000, connections: 1,
  retry: { on: new Set(), most: 0, budget: 0.1, maxWaitMs: 10_000 }, queue: { below: 0.1, maxWaitMs: 30_000, length: 500 }, failover: [],
});

afterEach(() => vi.useRealTimers());

test.each([
  { says: 'nothing', hint: null, staysMs: 4_000 },
  { says: 'that it keeps it for five seconds', hint: 'timeout=5', staysMs: 3_000 },
  { says: 'that it keeps it for a minute', hint: 'timeout=60', staysMs: 58_000 },
  { says: 'that it keeps it for an hour', hint: 'timeout=3600', staysMs: 60_000 },
])('where the provider says $says, it stays for $staysMs ms', async ({ hint, staysMs }) => {
  // It closes none itself, and says what the case says.
  const provider = createServer({ keepAliveTimeout: 0 }, (_, reply) => reply.writeHead(200, hint === null ? {} : { 'keep-alive': hint }).end('{}'));
  await once(provider.listen(0, '127.0.0.1'), 'listening');
  const upstream = createUpstream(upstreamTo(`http://127.0.0.1:${(provider.address() as AddressInfo).port}`), () => 0);
  try {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { body } = await upstream.own.get('/v1/models', [], new AbortController().signal);
    for await (const _ of body) continue;
    // It is free for another call one turn of the event loop after its answer, and idle from then on.
    for (let n = 0; n < 3; n++) await turn();
    vi.advanceTimersByTime(staysMs - 1);
    expect(upstream.sockets).toBe(1);
    vi.advanceTimersByTime(1);
    expect(upstream.sockets).toBe(0);
  } finally {
    vi.useRealTimers();
    await upstream.close();
    provider.close();
    provider.closeAllConnections();
  }
});
