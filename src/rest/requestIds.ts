import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const REQUEST_ID_HEADER = 'x-request-id';

/** What a client may send. Anything else could break a log line, or the systems that search for it. */
const WELL_FORMED = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * The id that a request has in the logs, in the audit log and in its response: the one that a client or a proxy sent, so
 * that the same id is found on both sides, else a new one.
 */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers[REQUEST_ID_HEADER];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : randomUUID();
}
