// test/http/vectors.test.ts: published smuggling and malformed requests: what the provider gets is what the gateway answered for, one call for one call.

import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { admin, eventually, metric, openScene, type Scene } from '../faults/scene.ts';
import { BODY, message } from './raw.ts';
import { DISGUISES, MALFORMED, SMUGGLED_PATH, SMUGGLING, type Vector } from './vectors.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
beforeEach(() => scene.standin.forget());
afterAll(() => scene.close());

const AT_ONCE = 64;
/** Something that is not over is not answered; this long is looked for an answer all the same. */
const WAITS_MS = 400;

interface Heard {
  readonly statuses: readonly number[];
  readonly closed: boolean;
}

/** Sends the vector and, when it is answered, an honest call behind it on the same connection. */
function converse({ bytes, leads }: Vector): Promise<Heard> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(scene.gateway.dataUrl);
    let text = '';
    let followed = false;
    const statuses = (): number[] => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1])).filter((status) => status >= 200);
    const socket = connect(Number(port), hostname, () => socket.write(Buffer.from(bytes, 'latin1')));
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ statuses: statuses(), closed });
    };
    // A refusal whose rest is not read is followed by two seconds in which the rest may still come.
    const timer = setTimeout(() => finish(false), leads === 'waits' ? WAITS_MS : 20_000);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const [first, second] = statuses();
      if (first !== undefined && !followed && text.includes('\r\n\r\n')) {
        followed = true;
        socket.write(Buffer.from(message(), 'latin1'));
      }
      if (second !== undefined) finish(false);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => finish(true));
  });
}

async function check(vectors: readonly Vector[]): Promise<void> {
  let next = 0;
  const wrong: string[] = [];
  const say = (vector: Vector, what: string): void => void wrong.push(`${vector.name}: ${what}`);
  const worker = async (): Promise<void> => {
    for (let vector = vectors[next++]; vector !== undefined; vector = vectors[next++]) {
      const { statuses, closed } = await converse(vector);
      const told = `${statuses.join(', ')}${closed ? ', closed' : ''}`;
      if (vector.leads === 'served' && (statuses.length !== 2 || statuses.some((status) => status !== 200))) say(vector, told);
      if (vector.leads === 'waits' && statuses.length > 0) say(vector, told);
      if (vector.leads === 'answered' && (statuses.length !== 2 || statuses[0] !== 400 || statuses[1] !== 200)) say(vector, told);
      if (vector.leads === 'refused' && (!closed || statuses.length > 1 || statuses.some((status) => status < 400))) say(vector, told);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  expect(wrong).toEqual([]);
  const { log } = scene.standin;
  const many = (how: Vector['leads']): number => vectors.filter(({ leads }) => leads === how).length;
  // One for each that was served, and one for the call behind it.
  expect(log.map(({ method, url }) => `${method} ${url}`)).toEqual(Array(2 * many('served') + many('answered')).fill('POST /v1/messages'));
  for (const request of log) {
    expect(request.body.toString()).toBe(BODY);
    const names = request.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
    for (const name of ['transfer-encoding', 'transfer_encoding', 'trailer', 'expect']) expect(names).not.toContain(name);
    expect(names.filter((name) => name === 'content-length')).toHaveLength(1);
    expect(request.rawHeaders.join('\n')).not.toMatch(/elsewhere|text\/evil|Bearer other/);
  }
}

test.each([
  { name: `the ${SMUGGLING.length} smuggling cases of Http11Probe`, vectors: SMUGGLING },
  { name: `the ${MALFORMED.length} malformed cases of Http11Probe`, vectors: MALFORMED },
  { name: `${DISGUISES.length} disguises of a transfer coding, beside a length`, vectors: DISGUISES },
])('$name are served as one call, or refused with their connection closed', ({ vectors }) => check(vectors), 60_000);

test('after all of them the gateway has counted as many calls as the provider saw, holds nothing, and serves the next', async () => {
  const { rows } = await admin<{ rows: { outcome: string; refusal: string | null }[] }>(scene, '/api/requests?limit=1000');
  const served = rows.filter(({ outcome }) => outcome !== 'refused');
  expect(served).toHaveLength(scene.standin.requests());
  expect(new Set(served.map(({ outcome }) => outcome))).toEqual(new Set(['truncated']));
  expect(JSON.stringify(rows)).not.toContain(SMUGGLED_PATH);
  await eventually(() => metric(scene, 'tollgate_requests_in_flight'), (n) => n === 0);
  expect(await metric(scene, 'tollgate_open_holds')).toBe(0);
  expect(await metric(scene, 'tollgate_requests_total', { outcome: 'truncated' })).toBe(scene.standin.requests());
  expect(scene.gateway.output()).not.toContain('"call_failed"');
  expect((await converse({ name: 'honest', bytes: message(), leads: 'served' })).statuses).toEqual([200, 200]);
});
