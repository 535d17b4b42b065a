import type { ServerResponse } from 'node:http';

/** Calls it when the response has left or its client has gone; at once, if that has happened. */
export function whenClosed(response: ServerResponse, then: () => void): void {
  if (response.closed) then();
  else response.once('close', then);
}
