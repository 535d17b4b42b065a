import { BlockList, isIP } from 'node:net';

/** A set of IP addresses, written as networks in CIDR notation. */
export interface Networks {
  includes(address: string): boolean;
}

/**
 * Ranges without public servers: the special-purpose registries of IANA (RFC 6890), and the address of Azure's metadata
 * service. Public IPv6 addresses are only in 2000::/3, which also excludes IPv4 addresses in IPv6 notation (mapped,
 * compatible, NAT64).
 */
const NOT_PUBLIC_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
const PUBLIC_IPV6 = ['2000::/3'];
const NOT_PUBLIC_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'];

const CIDR = /^([0-9A-Fa-f.:]+)\/(\d{1,3})$/;

/** @param text such as `10.0.0.0/8` or `fd00::/8` */
export function isNetwork(text: string): boolean {
  const [, address = '', prefix] = CIDR.exec(text) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(prefix) <= (family === 4 ? 32 : 128);
}

/** @param cidrs networks that `isNetwork` accepts */
export function createNetworks(cidrs: readonly string[]): Networks {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return {
    includes: (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6'),
  };
}

const notPublicIpv4 = createNetworks(NOT_PUBLIC_IPV4);
const publicIpv6 = createNetworks(PUBLIC_IPV6);
const notPublicIpv6 = createNetworks(NOT_PUBLIC_IPV6);

/** Whether an IP address may belong to a server on the open internet. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !notPublicIpv4.includes(address);
  return publicIpv6.includes(address) && !notPublicIpv6.includes(address);
}
