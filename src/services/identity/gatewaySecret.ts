import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { unauthenticated } from '../../errors.js';

/** The header by which a gateway shows that it is one. */
export const GATEWAY_SECRET_HEADER = 'x-gateway-secret';

/**
 * A check of a request's headers for the gateway's secret, in a time that tells nothing of it.
 * @returns a function that throws UNAUTHENTICATED
 */
export function createGatewayCheck(secrets: readonly string[]): (headers: IncomingHttpHeaders) => void {
  // Digests are of one length, which timingSafeEqual needs.
  const digestOf = (text: string) => createHash('sha256').update(text).digest();
  const expected = secrets.map(digestOf);
  return (headers) => {
    const given = headers[GATEWAY_SECRET_HEADER];
    if (typeof given !== 'string' || given === '') {
      throw unauthenticated(
        `Only a gateway may call this: it sends GATEWAY_SECRET as the header ${GATEWAY_SECRET_HEADER}`,
      );
    }
    const digest = digestOf(given);
    if (!expected.some((secret) => timingSafeEqual(digest, secret))) {
      throw unauthenticated(`The header ${GATEWAY_SECRET_HEADER} is not this server's GATEWAY_SECRET`);
    }
  };
}
