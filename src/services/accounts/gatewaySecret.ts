import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { unauthenticated } from '../../common/errors.js';
import type { GuessLimit } from './guessLimit.js';

/** The header by which a gateway shows that it is one. */
export const GATEWAY_SECRET_HEADER = 'x-gateway-secret';

/**
 * A check of a request's headers for one of the gateway's secrets, in a time that tells nothing of them.
 * @returns a function that throws UNAUTHENTICATED, and RATE_LIMITED after too many wrong secrets of one address
 */
export function createGatewayCheck(
  secrets: readonly string[],
  guesses: GuessLimit,
): (headers: IncomingHttpHeaders, address: string) => void {
  // Digests are of one length, which timingSafeEqual needs.
  const digestOf = (text: string) => createHash('sha256').update(text).digest();
  const expected = secrets.map(digestOf);
  return (headers, address) => {
    const given = headers[GATEWAY_SECRET_HEADER];
    if (typeof given !== 'string' || given === '') {
      throw unauthenticated(
        `Only a gateway may call this: it sends GATEWAY_SECRET as the header ${GATEWAY_SECRET_HEADER}`,
      );
    }
    const digest = digestOf(given);
    if (!expected.some((secret) => timingSafeEqual(digest, secret))) {
      guesses.count({ keyId: null, address });
      throw unauthenticated(`The header ${GATEWAY_SECRET_HEADER} is not this server's GATEWAY_SECRET`);
    }
  };
}
