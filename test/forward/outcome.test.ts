// test/forward/outcome.test.ts: what to call the way a call ended.

import { expect, test } from 'vitest';
import { NO_SERVER_TOOLS, NO_TOKENS, type Reading } from '../../server/domain/usage.ts';
import { outcomeOf, type Ended } from '../../server/forward/outcome.ts';

const usage = { tokens: NO_TOKENS, serverTools: NO_SERVER_TOOLS, parts: [], modelServed: null, speed: null, serviceTier: null, inferenceGeo: null };
const reading: Reading = { usage, complete: true, contentBytes: 10, stopReason: 'end_turn', errorType: null, errorCode: null, firstContentAt: 1, obstacle: null };
const ended: Ended = { stop: 'whole', status: 200, clientGone: false, clientMissed: false, billed: true, streamed: true, jsonOrStream: true, responseBytes: 100, reading };
const json = { streamed: false };

test.each<{ name: string; how: Partial<Ended>; says?: Partial<Reading>; outcome: string }>([
  { name: 'that came to its end', how: {}, outcome: 'ok' },
  { name: 'whose answer reached max_tokens', how: {}, says: { stopReason: 'max_tokens' }, outcome: 'truncated' },
  { name: 'that never left', how: { stop: 'connect_failed', status: null }, outcome: 'connect_failed' },
  { name: 'that got no headers in time', how: { stop: 'headers_timeout', status: null }, outcome: 'upstream_timeout' },
  { name: 'whose stream fell silent', how: { stop: 'idle_timeout' }, outcome: 'upstream_timeout' },
  { name: 'that was reset', how: { stop: 'reset' }, outcome: 'upstream_reset' },
  { name: 'whose answer was no HTTP', how: { stop: 'garbled', status: null }, outcome: 'upstream_protocol' },
  { name: 'that we cut because its client had left', how: { stop: 'cut', clientGone: true, clientMissed: true }, says: { complete: false, stopReason: null }, outcome: 'client_abort' },
  { name: 'whose client hung up on the last event', how: { stop: 'cut', clientGone: true }, outcome: 'ok' },
  { name: 'whose client left and missed the rest, which we read', how: { clientGone: true, clientMissed: true }, outcome: 'client_abort' },
  { name: 'in JSON whose client left before it was whole', how: { ...json, clientGone: true, clientMissed: true }, outcome: 'client_abort' },
  { name: 'that the end of the gateway cut', how: { stop: 'drained' }, outcome: 'drained' },
  { name: 'whose stream ended without its last word', how: {}, says: { complete: false, stopReason: null }, outcome: 'upstream_reset' },
  { name: 'whose stream ended without its last word and without any usage', how: {}, says: { usage: null, complete: false, stopReason: null }, outcome: 'upstream_reset' },
  { name: 'whose stream told how it stopped, but neither its usage nor its end', how: {}, says: { usage: null, complete: false, stopReason: 'end_turn' }, outcome: 'upstream_reset' },
  { name: 'whose stream came to its end without any usage', how: {}, says: { usage: null, complete: false, ended: true }, outcome: 'ok' },
  { name: 'whose stream reached max_tokens without any usage', how: {}, says: { usage: null, complete: false, ended: true, stopReason: 'length' }, outcome: 'truncated' },
  { name: 'whose stream came to its end without the prompt in its usage', how: {}, says: { complete: false, ended: true, promptUntold: true }, outcome: 'ok' },
  { name: 'whose stream was cut without the prompt in its usage', how: {}, says: { complete: false, promptUntold: true }, outcome: 'upstream_reset' },
  { name: 'whose client hung up on the last event of such a stream', how: { stop: 'cut', clientGone: true }, says: { complete: false, ended: true, promptUntold: true }, outcome: 'ok' },
  { name: 'whose stream came to its end without a final count', how: {}, says: { complete: false, ended: true }, outcome: 'upstream_reset' },
  { name: 'whose stream nobody can decode', how: {}, says: { usage: null, complete: false, stopReason: null, obstacle: 'undecodable' }, outcome: 'ok' },
  { name: 'whose stream had no byte', how: { responseBytes: 0 }, says: { usage: null, complete: false, contentBytes: 0, stopReason: null }, outcome: 'upstream_protocol' },
  { name: 'whose stream ended in an error event', how: {}, says: { complete: false, errorType: 'overloaded_error' }, outcome: 'upstream_error' },
  { name: 'answered with a 429', how: { ...json, status: 429 }, says: { usage: null }, outcome: 'upstream_error' },
  { name: 'answered with a 529', how: { ...json, status: 529 }, says: { usage: null }, outcome: 'upstream_error' },
  { name: 'answered with a 400', how: { ...json, status: 400 }, says: { usage: null }, outcome: 'client_error' },
  { name: 'answered with a page', how: { ...json, jsonOrStream: false }, says: { usage: null }, outcome: 'upstream_protocol' },
  { name: 'answered with a 502 and a page', how: { ...json, status: 502, jsonOrStream: false }, says: { usage: null }, outcome: 'upstream_protocol' },
  { name: 'answered with nothing', how: { ...json, responseBytes: 0 }, says: { usage: null }, outcome: 'upstream_protocol' },
  { name: 'answered with JSON that is none', how: json, says: { usage: null, obstacle: 'unparsable' }, outcome: 'upstream_protocol' },
  { name: 'answered with JSON without usage', how: json, says: { usage: null }, outcome: 'ok' },
  { name: 'answered in an encoding that nobody reads', how: json, says: { usage: null, obstacle: 'undecodable' }, outcome: 'ok' },
  { name: 'for a file, answered with bytes', how: { ...json, billed: false, jsonOrStream: false }, says: { usage: null }, outcome: 'ok' },
])('a call $name is $outcome', ({ how, says, outcome }) => {
  expect(outcomeOf({ ...ended, ...how, reading: { ...reading, ...says } })).toBe(outcome);
});
