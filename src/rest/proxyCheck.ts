import proxyAddr from '@fastify/proxy-addr';
import type { TrustedProxies } from '../common/network.js';

/** Whether who connects is one of the proxies that are trusted: behind it there are many clients. */
export function createProxyCheck(proxies: TrustedProxies): (address: string) => boolean {
  // With a number of hops whoever connects is the nearest proxy.
  if (proxies === null || typeof proxies === 'number') return () => proxies !== null;
  const isTrusted = proxyAddr.compile(proxies);
  return (address) => isTrusted(address, 0);
}
