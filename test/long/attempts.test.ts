// test/long/attempts.test.ts: Claude Code in print mode meets every no of the gateway.

import { afterAll, beforeAll, describe, test, vi } from 'vitest';
import { LATER, NEVER, claudeMeets, openPlaces, type Places } from '../flow/attempts.ts';
import { hasClaude } from '../flow/claude.ts';

vi.setConfig({ maxConcurrency: 2 });

let places: Places;
beforeAll(async () => {
  places = await openPlaces();
});
afterAll(() => places.close());

describe.concurrent('Claude Code', () => {
  test.skipIf(!hasClaude).for([...NEVER, ...LATER])('of %s makes no request in vain', async (no, { skip }) => {
    if (!places.has(no)) skip();
    await claudeMeets(places, no);
  });
});
