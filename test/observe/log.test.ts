// test/observe/log.test.ts: a line of the log holds what is on the list and nothing else, whatever is thrown at it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLog } from '../../server/observe/log.ts';

function written(level: 'debug' | 'info' | 'warn' | 'error' = 'debug'): { log: ReturnType<typeof createLog>; lines: () => Record<string, unknown>[]; text: () => string } {
  let text = '';
  const log = createLog(level, { write: (chunk: string) => void (text += chunk) });
  return { log, text: () => text, lines: () => text.split('\n').slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test('a line has its time, level, event and fields', () => {
  const { log, lines } = written();
  log.warn('upstream_reset', { call: 'req_1', status: 502, ms: 12.5 });
  expect(lines()).toEqual([{ level: 'warn', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/), event: 'upstream_reset', call: 'req_1', status: 502, ms: 12.5 }]);
});

test('a field that is not on the list stays out, even when an object brings it', () => {
  const { log, text } = written();
  const careless = { call: 'req_1', headers: { 'x-api-key': 'sk-ant-api03-CANARY' }, err: new Error('sk-ant-api03-CANARY'), prompt: 'CANARY', status: 'CANARY'.length };
  log.error('oops', careless);
  expect(text()).not.toContain('CANARY');
});

test('lines below the level are not written, until the level changes', () => {
  const { log, lines } = written('warn');
  log.info('quiet');
  log.setLevel('debug');
  log.debug('loud');
  expect(lines().map((line) => line['event'])).toEqual(['loud']);
});

test.each([
  ['a line break', 'a\r\n{"level":"info","event":"forged"}'],
  ['a terminal escape', '\u001b[2J\u001b]0;owned\u0007'],
  ['a C1 control', '\u009b31m'],
  ['a line separator', 'a\u2028b\u2029c'],
  ['a turn of direction', 'a\u202eb\u2066c'],
  ['NUL and DEL', '\u0000\u007f'],
  ['a format directive', '%s %d %j %o'],
])('%s stays one harmless line', (_what, nasty) => {
  const { log, text, lines } = written();
  log.info(nasty, { detail: nasty });
  expect(lines()).toHaveLength(1);
  const [line] = lines();
  for (const value of [line?.['event'], line?.['detail']]) expect(String(value)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
  expect(text()).not.toContain('"event":"forged"');
});

test('a mistake of the config keeps the list of what would have been right; no other event and no other field has that room', () => {
  const { log, lines } = written();
  const long = 'ä'.repeat(600);
  log.error('config_mistake', { detail: long, reason: long });
  log.error('upstream_reset', { detail: long });
  const bytesOf = (at: number, field: string): number => Buffer.byteLength(String(lines()[at]?.[field]));
  expect([bytesOf(0, 'detail'), bytesOf(0, 'reason'), bytesOf(1, 'detail')]).toEqual([1_000, 256, 256]);
});

test('any text is cut at 256 bytes, whole characters, one parsable line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (detail) => {
      const { log, lines } = written();
      log.info('x', { detail });
      const value = String(lines()[0]?.['detail']);
      expect(lines()).toHaveLength(1);
      expect(Buffer.byteLength(value)).toBeLessThanOrEqual(256);
      expect(Buffer.from(value).toString('utf8')).toBe(value);
    }),
  );
});
