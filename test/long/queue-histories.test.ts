// test/long/queue-histories.test.ts: the queue before the provider holds over five thousand random histories.

import { test } from 'vitest';
import { everyQueueHolds } from '../admit/queue-histories.ts';

test('five thousand histories are bounded, in order, on time, and lose nothing', { timeout: 1_800_000 }, () => everyQueueHolds(5_000));
