// test/grafana/promtool.ts: whether Prometheus and its promtool are here.

import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';

export const here = (program: 'prometheus' | 'promtool'): boolean => spawnSync(program, ['--version']).status === 0;

/** A workstation may go without Prometheus; where a test run is the last word before a release it may not. */
export function notNeeded(): void {
  expect(process.env['CI']).not.toBe('true');
}
