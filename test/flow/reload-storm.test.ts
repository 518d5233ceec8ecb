// test/flow/reload-storm.test.ts: configs change under load, good and bad in turn; a hundred of each are in test/long.

import { test } from 'vitest';
import { reloadStorm } from './reload-storm.ts';

test('seven good configs and as many bad ones under load: no call is lost, and the old config holds on a bad one', () => reloadStorm(7));
