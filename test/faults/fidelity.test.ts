// test/faults/fidelity.test.ts: a thousand random answers arrive as they were sent, and are read exactly.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareAll, oddity } from './fidelity.ts';
import { openScene, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ config: { log: { level: 'info' } }, upstream: { headers_timeout: '20s', stream_headers_timeout: '20s', idle_timeout: '20s' } });
});
afterAll(() => scene.close());

test('the answers are of many kinds', () => {
  const kinds = new Set(Array.from({ length: 1_000 }, (_, number) => oddity(number).fault));
  expect(kinds.size).toBeGreaterThan(500);
});

test('1,000 answers, cut anywhere, encoded or not, valid or not, have the digest that the provider sent, and exact usage', () => compareAll(scene, 0, 1_000), 300_000);
