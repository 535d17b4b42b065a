import type { IncomingMessage } from 'node:http';
import proxyAddr from '@fastify/proxy-addr';
import type { FastifyRequest } from 'fastify';
import { believedAddress, clientNetwork, type TrustedProxies } from '../common/network.js';

/** The client's address: the peer's, or the one that trusted proxies reported. */
export const clientAddress = (request: FastifyRequest): string =>
  believedAddress(request.ips ?? [request.ip]);

/** What a client is counted by: its IPv4 address or IPv6 /64. */
export const clientOf = (request: FastifyRequest): string => clientNetwork(clientAddress(request));

/** The same for a request that Fastify does not see. */
export function createAddressReader(proxies: TrustedProxies): (message: IncomingMessage) => string {
  const trust = trustProxy(proxies);
  const isTrusted = Array.isArray(trust) ? proxyAddr.compile(trust) : trust || (() => false);
  return (message) => believedAddress(proxyAddr.all(message, isTrusted));
}

/** Fastify's `trustProxy`: a number of proxies becomes a check of each address by its distance. */
export const trustProxy = (proxies: TrustedProxies) =>
  typeof proxies === 'number' ? (_address: string, hop: number) => hop < proxies : (proxies ?? false);

/** Creates a check whether a peer is a trusted proxy, which has many clients behind it. */
export function createProxyCheck(proxies: TrustedProxies): (address: string) => boolean {
  // If only the number of proxies is known, every peer is the nearest proxy.
  if (proxies === null || typeof proxies === 'number') return () => proxies !== null;
  const isTrusted = proxyAddr.compile(proxies);
  return (address) => isTrusted(address, 0);
}
