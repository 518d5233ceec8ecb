// test/long/reload-storm.test.ts: a hundred good configs and a hundred bad ones under load.

import { test } from 'vitest';
import { reloadStorm } from '../flow/reload-storm.ts';

test('a hundred good configs and a hundred bad ones: no call is lost, and the old config holds on a bad one', () => reloadStorm(100));
