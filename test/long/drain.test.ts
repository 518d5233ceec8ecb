// test/long/drain.test.ts: two hundred streams when the gateway is told to stop, with half a minute to end in: all that can end do, all others are told why.

import { expect, test } from 'vitest';
import { ask, eventually, newSession, openScene, rowsOf, sceneConfig, PROVIDER_KEY } from '../faults/scene.ts';
import { startGateway } from '../flow/gateway.ts';

const STREAMS = 200;
const DRAIN_S = 30;
const PATIENT = { upstream: { idle_timeout: '60s', headers_timeout: '60s', stream_headers_timeout: '60s' } };

test.each([
  { name: 'streams of some eight seconds all end', everyMs: 40, cut: false },
  { name: 'streams of more than a minute all get an error event', everyMs: 400, cut: true },
])('$name', async ({ everyMs, cut }) => {
  const at = await openScene({ config: { drain: `${DRAIN_S}s`, log: { level: 'info' } }, ...PATIENT });
  try {
    const session = newSession();
    const began = performance.now();
    const seen = Array.from({ length: STREAMS }, () => ask(at.gateway.dataUrl, { stream: true, session, fault: `slow-events:${everyMs}`, headers: { 'x-standin-output': '800' } }));
    await eventually(() => at.standin.log.filter((one) => one.bodyComplete).length, (n) => n === STREAMS, 30_000);
    const told = performance.now();
    const code = await at.gateway.stop('SIGTERM');
    const tookS = (performance.now() - told) / 1_000;
    const streams = await Promise.all(seen);
    console.log(`${STREAMS} streams, told to stop after ${((told - began) / 1_000).toFixed(1)} s, ended ${tookS.toFixed(1)} s later with code ${code}`);
    expect(code).toBe(0);
    for (const one of streams) {
      expect(one).toMatchObject({ status: 200, ending: 'complete' });
      expect(one.body.toString().includes('event: message_stop')).toBe(!cut);
      expect(one.body.toString().includes('event: error')).toBe(cut);
    }
    if (cut) expect(tookS).toBeGreaterThan(DRAIN_S - 1);
    expect(tookS).toBeLessThan(DRAIN_S + 2);
    const again = await startGateway({ dataDir: at.gateway.dataDir, config: sceneConfig(at.standin.url, PATIENT), env: { PROVIDER_KEY } });
    const rows = await rowsOf({ gateway: again }, `${session}&limit=${STREAMS}`);
    expect(rows).toHaveLength(STREAMS);
    expect(new Set(rows.map((row) => row.outcome))).toEqual(new Set([cut ? 'drained' : 'ok']));
    expect(rows.every((row) => Number(row.cost_usd) > 0)).toBe(true);
    await again.close();
  } finally {
    await at.close();
  }
}, 180_000);
