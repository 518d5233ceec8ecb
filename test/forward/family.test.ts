// test/forward/family.test.ts: a family of headers is taken out whole, and nothing else.

import { expect, test } from 'vitest';
import { withoutFamily } from '../../server/forward/headers.ts';

test('headers of the family stay behind, however they are spelled; all others keep their order and spelling', () => {
  const raw = ['Anthropic-RateLimit-Unified-Status', 'allowed', 'X-A', '1', 'anthropic-ratelimit-requests-limit', '50', 'anthropic-ratelimit-unified-reset', '9', 'x-a', '2'];
  expect(withoutFamily(raw, 'anthropic-ratelimit-unified-')).toEqual(['X-A', '1', 'anthropic-ratelimit-requests-limit', '50', 'x-a', '2']);
});
