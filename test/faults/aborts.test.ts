// test/faults/aborts.test.ts: sixty clients that leave at random points.

import { afterAll, beforeAll, test } from 'vitest';
import { leaveAtRandom } from './aborts.ts';
import { openScene, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ config: { log: { level: 'info' }, on_abort: 'cut' }, upstream: { idle_timeout: '20s', headers_timeout: '20s', stream_headers_timeout: '20s' } });
});
afterAll(() => scene.close());

test('60 clients leave at random points: one row each, none free once it had begun, and no connection is left', () => leaveAtRandom(scene, 60));
