// test/long/attempts.test.ts: Claude Code in print mode meets every no of the gateway.

import { afterAll, beforeAll, describe, test, vi } from 'vitest';
import { CLAUDE_WITHOUT_BETAS, LATER, NEVER, claudeMeets, openPlaces, type Places } from '../flow/attempts.ts';
import { hasClaude } from '../flow/claude.ts';

vi.setConfig({ maxConcurrency: 2 });

let places: Places;
beforeAll(async () => {
  places = await openPlaces();
});
afterAll(() => places.close());

describe.concurrent('Claude Code', () => {
  test.skipIf(!hasClaude).for([...NEVER, ...LATER])('of %s makes the requests that are known of it, and no other', async (no, { skip }) => {
    if (!places.has(no)) skip();
    await claudeMeets(places, no);
  });

  test.skipIf(!hasClaude).for(['malformed', 'unpriced_model'] as const)('makes one request of %s where its betas are off', (no) => claudeMeets(places, no, CLAUDE_WITHOUT_BETAS));
});
