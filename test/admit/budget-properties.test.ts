// test/admit/budget-properties.test.ts: budgets hold over random histories; ten thousand of them run in test/long.

import { test } from 'vitest';
import { everyHistoryHolds } from './histories.ts';

test('it admits what fits and nothing else, says why, and its sums are those of the rows: admissions, settlements early and late, crashes, clock steps, edits, grants', { timeout: 60_000 }, () => everyHistoryHolds(200));
