// test/long/budget-histories.test.ts: budgets hold over ten thousand random histories.

import { test } from 'vitest';
import { everyHistoryHolds } from '../admit/histories.ts';

test('ten thousand histories keep their books', { timeout: 1_800_000 }, () => everyHistoryHolds(10_000));
