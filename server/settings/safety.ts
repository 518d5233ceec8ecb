// server/settings/safety.ts: what must hold of the config as a whole: no port open to others without credentials, no port for two, no body limit that can never be met.

import { isIPv6 } from 'node:net';
import type { HostPort } from '../domain/settings.ts';
import { Cursor } from './cursor.ts';
import type { ConfigDocument } from './document.ts';
import { isLoopback, parseHostPort, SECRET_LENGTH } from './fields.ts';
import type { Mistake } from './mistakes.ts';
import { configSchema } from './schema.ts';

/** Addresses that win over those in the file, as `host:port`; undefined leaves the file's. */
export interface Addresses {
  readonly listen?: string | undefined;
  readonly adminListen?: string | undefined;
}

export function safetyMistakes(document: ConfigDocument, overrides: Addresses): Mistake[] {
  const config = Cursor.root(document);
  return [...dataPortMistakes(config, document, overrides.listen), ...adminPortMistakes(config, document, overrides.adminListen), ...samePortMistakes(config, document, overrides), ...bodyMistakes(config.field('body'), document), ...queueMistakes(config, document)];
}

/** An address that cannot be read is reported by the schema, and counts as loopback here. */
const reachable = (address: string | null): boolean => {
  const parsed = address === null ? null : parseHostPort(address);
  return parsed !== null && !isLoopback(parsed.host);
};

function dataPortMistakes(config: Cursor, document: ConfigDocument, override: string | undefined): Mistake[] {
  const listen = config.field('listen');
  if (!reachable(override ?? listen.text()) || config.field('access').text() === 'keys') return [];
  const place = override === undefined ? listen.path : ['access'];
  return [document.mistake(place, 'other machines can reach the data port, and it asks for no key', '`access: keys`, or a loopback address such as 127.0.0.1:4100')];
}

function adminPortMistakes(config: Cursor, document: ConfigDocument, override: string | undefined): Mistake[] {
  const admin = config.field('admin');
  const token = admin.field('token');
  if (document.unfilled(token.path)) return [];
  const text = token.text() ?? '';
  if (text !== '' && text.length < SECRET_LENGTH) return [document.mistake(token.path, 'the admin token is too short', `at least ${SECRET_LENGTH} characters`)];
  if (text !== '' || !reachable(override ?? admin.field('listen').text())) return [];
  const place = token.written ? token.path : [...admin.path, 'listen'];
  return [document.mistake(place, 'other machines can reach the admin port, and it asks for no token', '`admin.token` to be set, or a loopback address such as 127.0.0.1:4101')];
}

/** Both ports on one address: whichever comes second cannot be opened. */
function samePortMistakes(config: Cursor, document: ConfigDocument, { listen, adminListen }: Addresses): Mistake[] {
  const fields = { data: config.field('listen'), admin: config.field('admin').field('listen') };
  // What cannot be read is reported by the schema.
  const written = (field: Cursor): HostPort | null => parseHostPort(field.text() ?? '');
  const data = listen !== undefined ? parseHostPort(listen) : fields.data.written ? written(fields.data) : configSchema.shape.listen.parse(undefined);
  const admin = adminListen !== undefined ? parseHostPort(adminListen) : fields.admin.written ? written(fields.admin) : configSchema.shape.admin.parse({}).listen;
  // Port 0 is another one for each.
  if (data === null || admin === null || data.port !== admin.port || data.port === 0 || !overlap(plainHost(data.host), plainHost(admin.host))) return [];
  const what = `the data port and the admin port are both on port ${data.port} of the same address: only one of them could be opened`;
  const expected = `another port for one of them, such as 127.0.0.1:${data.port === 65_535 ? 4101 : data.port + 1}`;
  const option = adminListen !== undefined ? '--admin-listen' : listen !== undefined ? '--listen' : null;
  if (option !== null) return [{ file: option, line: 0, column: 0, what, expected, suggestion: null }];
  return [document.mistake((fields.admin.written ? fields.admin : fields.data).path, what, expected)];
}

/** An address in one form: without the disguise of IPv4 as IPv6, `localhost` as what it means. */
function plainHost(host: string): string {
  const name = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (name === 'localhost') return '127.0.0.1';
  return isIPv6(name) ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name;
}

/** Whether both would take a connection to one address. `::` takes those of IPv4 too. */
const overlap = (one: string, other: string): boolean => one === other || one === '::' || other === '::' || (one === '0.0.0.0' && !isIPv6(other)) || (other === '0.0.0.0' && !isIPv6(one));

function bodyMistakes(body: Cursor, document: ConfigDocument): Mistake[] {
  const parsed = configSchema.shape.body.safeParse(body.value ?? {});
  if (!parsed.success) return [];
  return (['messages', 'batches'] as const)
    .filter((name) => parsed.data[name] > parsed.data.held)
    .map((name) => document.mistake(['body', body.field(name).written ? name : 'held'], `body.${name} is larger than body.held, so such a body could never be let in`, `body.held to be at least body.${name}`));
}

function queueMistakes(config: Cursor, document: ConfigDocument): Mistake[] {
  const length = config.field('upstream').field('queue').field('length');
  const most = configSchema.shape.max_in_flight.safeParse(config.field('max_in_flight').value);
  const { value } = length;
  // What is no number is reported by the schema.
  if ((typeof value !== 'number' && typeof value !== 'string') || !most.success || !(Number(value) >= most.data)) return [];
  return [document.mistake(length.path, `calls that wait count towards max_in_flight, which is ${most.data}: they could keep every other call out`, `fewer than ${most.data}`)];
}
