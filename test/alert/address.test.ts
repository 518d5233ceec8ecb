// test/alert/address.test.ts: the dispatcher sends to the world, never to this machine, its network or a cloud's metadata, however the address is written; a canary counts what arrives.

import { createServer, type AddressInfo, type Server } from 'node:net';
import { hostname } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemResolver, type Resolver } from '../../server/alert/address.ts';
import { Outbox } from '../../server/alert/outbox.ts';
import type { Delivery, Notice } from '../../server/domain/alert.ts';
import { epochMs } from '../../server/domain/ids.ts';
import type { Channel } from '../../server/domain/settings.ts';
import { startReceiver, type Receiver } from './receiver.ts';

/** Connections to any address of this machine, at the one port that all URLs name. */
let canary: Server;
let touched = 0;
let port = 0;
/** What may be reached, once private addresses are open. */
let receiver: Receiver;

beforeAll(async () => {
  canary = createServer((socket) => {
    touched += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => canary.listen({ port: 0, host: '::' }, resolve));
  port = (canary.address() as AddressInfo).port;
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.close();
  await new Promise((resolve) => canary.close(resolve));
});

const channelTo = (url: string, type: Channel['type'] = 'webhook'): Channel => ({
  id: 'ops', type, minSeverity: 'info', quiet: null, repeatMs: null, fallback: null,
  fields: new Map<string, unknown>(type === 'email' ? [['smtp', url], ['from', 'a@example.com'], ['to', ['b@example.com']]] : [['url', url], ['routing_key', 'R0123456789ABCDEF0123456789ABCDE']]),
});

const notice: Notice = {
  id: 'n', type: 'alert.firing', fingerprint: 'f', incident: 'i', rule: 'budget', scope: 's', at: epochMs(0), since: epochMs(0), peak: 1, ackedBy: null, repeated: false, resolved: false,
  severity: 'critical', title: 't', text: 'x', facts: [], value: 1, threshold: 1, unit: 'usd', notify: null,
};

/** Through the outbox, as every alert goes; the one try that there was. */
async function sent(channel: Channel, { privateAddresses = false, resolve = systemResolver }: { privateAddresses?: boolean; resolve?: Resolver } = {}): Promise<Delivery> {
  let now = 0;
  const box = new Outbox({ gatherMs: () => 0, now: () => epochMs(now), reach: () => ({ privateAddresses, resolve }), dashboardUrl: () => null, random: () => 0.5 });
  box.configure([channel]);
  box.add(notice);
  now = 60_000;
  await box.pump();
  expect(box.log()).toHaveLength(1);
  return box.log()[0]!;
}

/** Names that nobody has, with the addresses that an attacker's server would give them. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'metadata.google.internal': ['169.254.169.254'], 'instance-data': ['169.254.169.254'], 'kubernetes.default.svc': ['10.96.0.1'], 'localtest.example': ['127.0.0.1'], 'v6.localtest.example': ['::1'],
  'mapped.example': ['::ffff:169.254.169.254'], 'both.example': ['93.184.216.34', '127.0.0.1'], 'later.example': ['2606:2800:220:1::1', 'fd00:ec2::254'], 'nobody.example': [], '127.0.0.1.nip.example': ['127.0.0.1'],
};
const named: Resolver = async (host) => NAMES[host] ?? systemResolver(host);

/** Never, whatever the config opens: unspecified, link-local, metadata, multicast, reserved, and what carries such an address within it. */
const NEVER = [
  '0.0.0.0', '0', '0x0', '[::]', '[0:0:0:0:0:0:0:0]', '[::ffff:0.0.0.0]',
  '169.254.169.254', '2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '0xa9.0xfe.0xa9.0xfe', '169.254.43518', '[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]', '[0:0:0:0:0:ffff:a9fe:a9fe]', '[::169.254.169.254]', '[64:ff9b::a9fe:a9fe]', '[64:ff9b:1::a9fe:a9fe]', '[2002:a9fe:a9fe::]', '[2001:0:a9fe:a9fe::1]',
  '[fe80::1]', '[fec0::1]', '[fd00:ec2::254]', '[fd20:ce::254]', '100.100.100.200', '[::ffff:100.100.100.200]', '168.63.129.16', '192.0.0.192', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255', '[ff02::1]', '[2001:db8::1]',
  'metadata.google.internal', 'instance-data', 'mapped.example', 'later.example', 'nobody.example',
];

/** Only where the config opens private addresses: this machine and private networks. */
const PRIVATE = [
  '127.0.0.1', '127.1', '127.0.1', '127.127.127.127', '2130706433', '017700000001', '0x7f000001', '0x7f.1', '0177.0.0.1', '0x7f.0x0.0x0.0x1', '127.0.0.1.', '１２７.０.０.１', '127。0。0。1', '①②⑦.⓪.⓪.①', '%31%32%37.0.0.1',
  '[::1]', '[0:0:0:0:0:0:0:1]', '[0000::0001]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[::ffff:0:127.0.0.1]',
  '10.0.0.1', '167772161', '172.16.0.1', '172.31.255.255', '192.168.1.1', '3232235777', '0300.0250.1.1', '100.64.0.1', '[::ffff:10.0.0.1]', '[fc00::1]', '[fd12:3456::1]',
  'localhost', 'LOCALHOST', 'kubernetes.default.svc', 'localtest.example', 'v6.localtest.example', 'both.example', '127.0.0.1.nip.example',
];

/** Other parts of an address, which must not hide its host. */
const DRESSED = (host: string): string[] => [
  `http://user:password@${host}:${port}/`, `http://hooks.slack.com@${host}:${port}/`, `http://hooks.slack.com%2f@${host}:${port}/`, `http://${host}:${port}#@hooks.slack.com/`, `http://${host}:${port}?@hooks.slack.com/`,
  `http://${host}:${port}\\@hooks.slack.com/`, `http:\\\\${host}:${port}\\`, `http:/${host}:${port}/`, `http:${host}:${port}/`, `HTTP://${host}:${port}/`, `http://${host}:0${port}/`, `http://\t${host}:${port}/`, `https://${host}:${port}/`,
];

/** No way to send a message. */
const SCHEMES = ['file:///etc/passwd', 'ftp://127.0.0.1/x', 'gopher://127.0.0.1/x', 'data:text/plain,x', 'unix:/var/run/docker.sock', 'javascript:alert(1)', 'ws://127.0.0.1/', 'blob:http://127.0.0.1/x', 'dict://127.0.0.1:11211/stats'];

const CASES: { url: string; privateAddresses: boolean }[] = [
  ...[...NEVER, ...PRIVATE].map((host) => ({ url: `http://${host}:${port}/hook`, privateAddresses: false })),
  ...NEVER.map((host) => ({ url: `http://${host}:${port}/hook`, privateAddresses: true })),
  ...DRESSED('127.0.0.1').map((url) => ({ url, privateAddresses: false })),
  ...DRESSED('169.254.169.254').map((url) => ({ url, privateAddresses: true })),
  ...SCHEMES.map((url) => ({ url, privateAddresses: true })),
];

test('none of the ways to write a forbidden address is sent to: the canary hears nothing, and nothing is tried again', async () => {
  const cases = CASES.map((one) => ({ ...one, url: one.url.replace(':0/', `:${port}/`) }));
  expect(new Set(cases.map(({ url }) => url)).size).toBeGreaterThanOrEqual(110);
  for (const { url, privateAddresses } of cases) {
    const { result, status, detail } = await sent(channelTo(url), { privateAddresses, resolve: named });
    expect({ url, privateAddresses, result, status, detail }).toEqual({ url, privateAddresses, result: 'dead', status: null, detail: expect.any(String) });
  }
  expect(touched).toBe(0);
});

test('a name of this machine is none of the world, as the system itself resolves it', async () => {
  const { result, status } = await sent(channelTo(`http://${hostname()}:${port}/hook`));
  // It is refused, or it has no address at all; then there will be another try.
  expect([['dead', null], ['retry', null]]).toContainEqual([result, status]);
  expect(touched).toBe(0);
});

test.each(['slack', 'teams', 'webhook', 'pagerduty', 'alertmanager'] as const)('a channel of the kind %s is guarded', async (type) => {
  expect(await sent(channelTo(`http://127.0.0.1:${port}/hook`, type))).toMatchObject({ result: 'dead', status: null, detail: expect.stringContaining('private_addresses') });
  expect(touched).toBe(0);
});

test.each(['127.0.0.1', '[::1]', 'localhost', '2130706433', '169.254.169.254', '[::ffff:169.254.169.254]'])('a mail server at %s is guarded', async (host) => {
  expect(await sent(channelTo(`smtp://${host}:${port}`, 'email'), { resolve: named })).toMatchObject({ result: 'dead', status: null });
  expect(touched).toBe(0);
});

test('a name that answers differently the second time is asked once, and the address that was checked is the one that is connected to', async () => {
  let asked = 0;
  const rebinding: Resolver = async () => [++asked === 1 ? '127.0.0.1' : '169.254.169.254'];
  const to = new URL(receiver.url);
  to.hostname = 'rebinding.example';
  expect(await sent(channelTo(to.href), { privateAddresses: true, resolve: rebinding })).toMatchObject({ result: 'delivered', status: 200 });
  expect(asked).toBe(1);
  expect(receiver.received.at(-1)?.headers.host).toBe(to.host);
});

test.each([301, 302, 303, 307, 308])('a redirect by %i is not followed', async (status) => {
  const before = receiver.received.length;
  receiver.answers.push({ status, headers: { location: `http://127.0.0.1:${port}/` } });
  expect(await sent(channelTo(receiver.url), { privateAddresses: true })).toMatchObject({ result: 'dead', status });
  expect(receiver.received).toHaveLength(before + 1);
  expect(touched).toBe(0);
});

test('an answer without end is read to 64 KB and no further', async () => {
  receiver.answers.push({ status: 200, body: 'x'.repeat(8 * 1024 * 1024) });
  expect(await sent(channelTo(receiver.url), { privateAddresses: true })).toMatchObject({ result: 'delivered', detail: 'x'.repeat(200) });
});

test('a private address is sent to where the config says so', async () => {
  expect(await sent(channelTo(receiver.url), { privateAddresses: true })).toMatchObject({ result: 'delivered', status: 200 });
  expect(await sent(channelTo(receiver.url))).toMatchObject({ result: 'dead', status: null });
});
