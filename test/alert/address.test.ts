// test/alert/address.test.ts: messages go out to the world, never to this machine, its network or a cloud's metadata, however the address is written.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { post } from '../../server/alert/post.ts';
import { startReceiver, type Receiver } from './receiver.ts';

let canary: Receiver;
beforeAll(async () => {
  canary = await startReceiver();
});
afterAll(() => canary.close());

const send = (url: string, privateAddresses = false, addresses: readonly string[] = []) => post({ url, headers: {}, body: '{}' }, { privateAddresses, resolve: async () => addresses });
const port = () => new URL(canary.url).port;

test.each([
  '127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '0.0.0.0', '0', '[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[::ffff:0:127.0.0.1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]',
  '10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '169.254.169.254', '[::ffff:169.254.169.254]', '[fe80::1]', '[fd00:ec2::254]', '[fc00::1]', '100.100.100.200', '224.0.0.1', '255.255.255.255', '198.18.0.1',
])('nothing is sent to %s', async (host) => {
  expect(await send(`http://${host}:${port()}/hook`)).toMatchObject({ status: null, hopeless: true });
  expect(canary.received).toHaveLength(0);
});

test.each([
  { name: 'of this machine', addresses: ['127.0.0.1'] },
  { name: 'of the world and of this machine', addresses: ['93.184.216.34', '127.0.0.1'] },
  { name: 'of nobody', addresses: [] },
])('a name $name is not sent to', async ({ addresses }) => {
  expect(await send(`http://rebinding.example:${port()}/hook`, false, addresses)).toMatchObject({ status: null, hopeless: true });
  expect(canary.received).toHaveLength(0);
});

test.each(['169.254.169.254', '[fe80::1]', '0.0.0.0', '[fd00:ec2::254]'])('%s is not sent to even where private addresses are open', async (host) => {
  expect(await send(`http://${host}:${port()}/hook`, true)).toMatchObject({ status: null, hopeless: true });
});

test.each(['file:///etc/passwd', 'ftp://127.0.0.1/x', 'gopher://127.0.0.1/x'])('%s is no address for a message', async (url) => {
  expect(await send(url, true)).toMatchObject({ status: null, hopeless: true });
});

test('a private address is sent to where the config says so, and a name is looked up once', async () => {
  let asked = 0;
  const resolve = async () => {
    asked += 1;
    return asked === 1 ? ['127.0.0.1'] : ['169.254.169.254'];
  };
  expect(await post({ url: `http://inside.example:${port()}/hook`, headers: {}, body: '{}' }, { privateAddresses: true, resolve })).toMatchObject({ status: 200 });
  expect(asked).toBe(1);
  expect(canary.received.at(-1)?.headers.host).toBe(`inside.example:${port()}`);
});

test('a redirect is not followed', async () => {
  const before = canary.received.length;
  canary.answers.push({ status: 302, headers: { location: canary.url } });
  expect(await send(canary.url, true)).toMatchObject({ status: 302, hopeless: true });
  expect(canary.received).toHaveLength(before + 1);
});
