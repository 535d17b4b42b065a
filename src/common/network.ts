import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether a server that listens on the host is reachable only from its own machine. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase();
  if (name === 'localhost') return true;
  // The block list also recognizes an IPv4 address in IPv6 notation.
  return isIP(name) !== 0 && loopback.check(name, isIPv4(name) ? 'ipv4' : 'ipv6');
}

const MAX_HOPS = 10;
/** The prefix length of private networks (fc00::/7). A shorter prefix would trust strangers. */
const MIN_PREFIX_LENGTH = 7;
/** The names of networks that proxy-addr knows. */
const NETWORK_NAMES = ['loopback', 'linklocal', 'uniquelocal'];

/** The number of proxies in front of the server, or their addresses and networks; null if there are none. */
export type TrustedProxies = number | string[] | null;

/** @returns undefined for a text that is not a number or a list of networks, or that would trust everyone */
export function parseTrustedProxies(text: string): TrustedProxies | undefined {
  if (text === 'false' || text === '0') return null;
  if (/^\d+$/.test(text)) return Number(text) <= MAX_HOPS ? Number(text) : undefined;
  const networks = text.split(',').map((network) => network.trim());
  return networks.every(isProxyNetwork) ? networks : undefined;
}

function isProxyNetwork(text: string): boolean {
  if (NETWORK_NAMES.includes(text) || isIP(text) !== 0) return true;
  const [address = '', length = '', ...rest] = text.split('/');
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : 0;
  if (rest.length > 0 || !/^\d{1,3}$/.test(length)) return false;
  return Number(length) >= MIN_PREFIX_LENGTH && Number(length) <= bits;
}

/**
 * The client's address, as far as the chain can be trusted: the peer, then what each trusted proxy reported.
 * @param chain Fastify's `request.ips`, which begins with the peer
 */
export function believedAddress(chain: readonly string[]): string {
  let believed = '';
  for (const entry of chain) {
    const address = addressIn(entry);
    // If a proxy reports no valid address, the proxy itself is the last known address.
    if (address === null) break;
    believed = address;
  }
  return believed;
}

/** Removes the port, which some proxies add: `192.0.2.1:5000`, `[2001:db8::1]:5000`. */
function addressIn(entry: string): string | null {
  const text = /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry;
  return isIP(text) === 0 ? null : text;
}

/**
 * The network within which a client can change its address: an IPv4 address, or the /64 of an IPv6 address. Clients are
 * counted by it.
 * @param address everything that is not an IP address counts as one client
 */
export function clientNetwork(address: string): string {
  if (isIPv4(address)) return address;
  const [bare = ''] = address.split('%', 1);
  if (!isIPv6(bare)) return 'unknown';
  const groups = ipv6Groups(bare);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped)
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join('.');
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}

/** @param address a valid one @returns its eight groups of 16 bits */
function ipv6Groups(address: string): number[] {
  // The last 32 bits may be written as an IPv4 address.
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [a * 256 + +b, c * 256 + +d].map((group) => group.toString(16)).join(':'),
  );
  const [head = '', tail] = hex.split('::');
  const groupsOf = (text: string) =>
    text
      .split(':')
      .filter(Boolean)
      .map((group) => Number.parseInt(group, 16));
  const [first, last] = [groupsOf(head), groupsOf(tail ?? '')];
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}
