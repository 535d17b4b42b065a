import proxyAddr from '@fastify/proxy-addr';
import type { TrustedProxies } from '../common/network.js';

/** Creates a check whether a peer is a trusted proxy, which has many clients behind it. */
export function createProxyCheck(proxies: TrustedProxies): (address: string) => boolean {
  // If only the number of proxies is known, every peer is the nearest proxy.
  if (proxies === null || typeof proxies === 'number') return () => proxies !== null;
  const isTrusted = proxyAddr.compile(proxies);
  return (address) => isTrusted(address, 0);
}
