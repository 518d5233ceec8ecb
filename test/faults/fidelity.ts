// test/faults/fidelity.ts: random answers through the gateway, compared with what the provider sent, to the byte and to the token.

import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { admin, ask, eventually, newSession, question, type Row, type Scene } from './scene.ts';

/** xorshift32: a failing number can be run again. */
function numbers(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

/** What is odd about one answer; by its number alone. */
export function oddity(number: number): { stream: boolean; fault: string; output: number } {
  const pick = numbers(number);
  const faults: string[] = [];
  const stream = pick(5) > 0;
  if (pick(2) === 0) faults.push(['encoding:gzip', 'encoding:br', 'encoding:deflate'][pick(3)]!);
  if (pick(3) > 0) faults.push(`split:${Array.from({ length: 1 + pick(6) }, () => 1 + pick(pick(2) === 0 ? 3 : 400)).join(',')}`);
  if (pick(4) === 0) faults.push('invalid-utf8');
  if (stream) {
    if (pick(3) === 0) faults.push(['line-ends:cr', 'line-ends:crlf'][pick(2)]!);
    for (const fault of ['unknown-events', 'comments', 'multi-line', 'malformed-sse']) if (pick(6) === 0) faults.push(fault);
    if (pick(5) === 0) faults.push(`growing-input:${pick(20_000)}`);
  }
  if (pick(6) === 0) faults.push(['framing:length', 'framing:close', 'framing:chunked', 'trailers', 'continue:1', 'early-hints:1'][pick(6)]!);
  return { stream, fault: faults.join(';'), output: 1 + pick(60) };
}

/** Makes calls number `from` to `to`, so many at a time, and compares each. */
export async function compareAll(scene: Scene, from: number, to: number, atOnce = 8): Promise<void> {
  const session = newSession();
  let next = from;
  const bodies = new Map<string, string>();
  const worker = async (): Promise<void> => {
    while (next < to) {
      const number = next++;
      const { stream, fault, output } = oddity(number);
      const seen = await ask(scene.gateway.dataUrl, { session, fault, stream, body: question({ stream, messages: [{ role: 'user', content: `Number ${number}` }] }), headers: { 'x-standin-output': String(output) } });
      expect(seen, `number ${number}: ${fault}`).toMatchObject({ status: 200, ending: 'complete' });
      bodies.set(String(seen.headers['request-id']), createHash('sha256').update(seen.body).digest('hex'));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const sent = new Map(scene.standin.log.map((request) => [request.id, request.response]));
  for (const [id, sha] of bodies) expect(sha, id).toBe(sent.get(id)!.sha256);
  const rows = await eventually(() => allRows(scene, session), (all) => all.length === to - from && all.every((row) => row.outcome !== null), 15_000);
  for (const row of rows) {
    const { billed } = sent.get(String(row['upstream_request_id']))!;
    expect(row, String(row['upstream_request_id'])).toMatchObject({ estimated: false, tokens: { input: billed!.input_tokens, output: billed!.output_tokens } });
  }
  expect(rows).toHaveLength(to - from);
}

async function allRows(scene: Scene, session: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { rows: Row[]; next_cursor: string | null } = await admin(scene, `/api/requests?session=${session}&limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
    rows.push(...page.rows);
    cursor = page.next_cursor;
  }
  return rows;
}
