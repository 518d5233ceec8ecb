// test/identify/trace-id.test.ts: only a header that W3C Trace Context allows names a trace.

import { expect, test } from 'vitest';
import { traceIdOf } from '../../server/identify/trace-id.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

test.each([`00-${TRACE}-${PARENT}-01`, `00-${TRACE}-${PARENT}-00`, `00-${TRACE}-${PARENT}-ff`, `01-${TRACE}-${PARENT}-01`, `cc-${TRACE}-${PARENT}-01-what-later-versions-say`])('%s names one', (header) => {
  expect(traceIdOf(header)).toBe(TRACE);
});

test.each([
  undefined, '', TRACE, `00-${TRACE}-${PARENT}`, `00-${TRACE}-${PARENT}-1`, `00-${TRACE}-${PARENT}-01-more`, `01-${TRACE}-${PARENT}-01more`, `ff-${TRACE}-${PARENT}-01`, `0-${TRACE}-${PARENT}-01`,
  `00-${'0'.repeat(32)}-${PARENT}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`, `00-${TRACE.toUpperCase()}-${PARENT}-01`, `00-${TRACE.slice(1)}-${PARENT}-01`, `00-${TRACE}-${PARENT.slice(1)}-01`,
  `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`, `00-${TRACE.slice(1)}g-${PARENT}-01`, ` 00-${TRACE}-${PARENT}-01`,
])('%j names none', (header) => {
  expect(traceIdOf(header)).toBe(null);
});
