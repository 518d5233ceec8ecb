// test/store/opener.mjs: a process of its own that opens a ledger and says how it went; `stay` keeps it open, `work` writes calls until it is killed.

import { openLedger } from '../../dist/server/store/sqlite/open-ledger.js';

const [, , file, mode, prefix, durability] = process.argv;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const say = (line) => process.stdout.write(`${line}\n`);

try {
  const { ledger, recovery } = await openLedger({
    file,
    workerEntry: new URL('../../dist/server/store/sqlite/writer.js', import.meta.url),
    timezone: 'Europe/Berlin',
    durability: durability ?? 'normal',
    retentionDays: 36_500,
    declared: { keys: [], workspaces: new Map() },
    log: quiet,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
  });
  if (mode === undefined) {
    await ledger.close();
    say(JSON.stringify({ code: null }));
  } else {
    say(`open ${recovery.crashed}`);
    if (mode === 'stay') setInterval(() => {}, 60_000);
    if (mode === 'work') await Promise.all(Array.from({ length: 16 }, (_, lane) => work(ledger, lane)));
  }
} catch (error) {
  say(JSON.stringify({ code: error.code, message: error.message }));
}

/** Calls one after the other, each of which costs 1,000 nano-dollars and held 7,000; a line on stdout for every promise that the ledger kept. */
async function work(ledger, lane) {
  for (let i = 0; ; i++) {
    const id = `req_${prefix}_${lane}_${i}`;
    const at = Date.now();
    const tags = new Map();
    const caller = { workspace: 'w', workflow: `f${lane % 3}`, key: null, user: `u${lane % 5}`, session: null, action: null, tags, priority: 'interactive', upstream: { kind: 'callers_own' } };
    const intent = { id, admittedAt: at, caller, endpoint: 'messages', stream: false, modelRequested: 'm', clientRetry: null, decisions: [] };
    if (i % 7 === 6) {
      await ledger.refuse({ ...intent, endedAt: at, refusal: 'rate_limited', status: 429, durationMs: 1 });
      say(`refused ${id}`);
      continue;
    }
    await ledger.open({ ...intent, modelSent: 'm', held: 7_000n, price: null });
    say(`opened ${id}`);
    const none = { input: 1, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0, output: 2 };
    await ledger.settle({
      id, endedAt: at, outcome: 'ok', status: 200, timeToFirstTokenMs: null, durationMs: 20, overheadMs: 1, stopReason: 'end_turn', upstreamRequestId: null, errorType: null,
      requestBytes: 1, responseBytes: 1,
      attempts: [{ number: 1, startedAt: at, status: 200, outcome: 'ok', upstreamRequestId: null, headersMs: 3, durationMs: 19, errorType: null }],
      cost: { lines: [], total: 1_000n, tokens: none, serverTools: { webSearch: 0, webFetch: 0, codeExecution: 0 }, parts: [], estimated: false, estimateMethod: null, cacheSavings: 0n,
        modelServed: 'm', speed: null, serviceTier: null, inferenceGeo: null, prices: [], basis: 'listed' },
    });
    say(`settled ${id}`);
  }
}
