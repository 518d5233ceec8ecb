// server/alert/address.ts: which addresses a message may go to: none of this machine, of its network or of the cloud's metadata, unless the config opens the private ones.

import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

const blockList = (ranges: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const range of ranges) {
    const [net = '', bits = ''] = range.split('/');
    list.addSubnet(net, Number(bits), net.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
};

/** This machine and private networks (RFC 1918, RFC 6598, RFC 4193): allowed where the config says so. */
const PRIVATE = blockList(['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '::1/128', 'fc00::/7']);

/** Never: unspecified, link-local with the metadata of clouds, protocol and test ranges, multicast, reserved (RFC 6890), and IPv6 that carries an IPv4 address elsewhere (RFC 6052, 3056, 4380). */
const NEVER = blockList([
  '0.0.0.0/8', '169.254.0.0/16', '192.0.0.0/24', '192.0.2.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '100.100.100.200/32', '168.63.129.16/32',
  '::/128', 'fe80::/10', 'fec0::/10', 'ff00::/8', '64:ff9b::/96', '64:ff9b:1::/48', '2001::/23', '2001:db8::/32', '2002::/16', '100::/64', 'fd00:ec2::254/128', 'fd20:ce::254/128',
]);

/** @param address an IP address as text */
export function mayReach(address: string, privateToo: boolean): boolean {
  const plain = unmapped(address);
  const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(plain) === 0 || NEVER.check(plain, family)) return false;
  return privateToo || !PRIVATE.check(plain, family);
}

/** `::ffff:a.b.c.d`, `::ffff:0:a.b.c.d` and `::a.b.c.d` reach the IPv4 address that they hold. */
function unmapped(address: string): string {
  if (isIP(address) !== 6) return address;
  // The URL parser writes an IPv6 address in its shortest form, with the IPv4 part as two groups.
  const short = new URL(`http://[${address.split('%')[0]}]/`).hostname.slice(1, -1);
  const match = /^::(?:ffff:(?:0:)?)?([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (!match) return short;
  const high = Number.parseInt(match[1] as string, 16);
  const low = Number.parseInt(match[2] as string, 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

export interface Resolver {
  /** Every address of a name. */
  (host: string): Promise<readonly string[]>;
}

export const systemResolver: Resolver = async (host) => (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);

/**
 * The address to connect to, and no other: a name that is asked for twice can answer differently.
 * @throws AddressRefused when any address of the host may not be reached
 */
export async function checkedAddress(host: string, privateToo: boolean, resolve: Resolver): Promise<string> {
  const bare = host.replace(/^\[|\]$/g, '');
  const addresses = isIP(bare) === 0 ? await resolve(bare) : [bare];
  const first = addresses[0];
  if (first === undefined) throw new AddressRefused('the name has no address');
  if (!addresses.every((address) => mayReach(address, privateToo))) {
    throw new AddressRefused(privateToo ? 'the address is link-local, reserved or of cloud metadata' : 'the address is on this machine, in a private network or reserved; `alerts.private_addresses: true` opens private ones');
  }
  return first;
}
