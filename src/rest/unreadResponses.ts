import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

/** Bounds the memory that responses take until their clients have read them. */
export interface UnreadResponses {
  /**
   * Counts a response that is handed over to be sent. Past the bound clients are cut: first the one that leaves the most
   * bytes unread, which of its connections has waited longest.
   * @returns ends it; to be called when the response has left
   */
  add(request: FastifyRequest, bytes: number): () => void;
}

interface Unread {
  request: FastifyRequest;
  socket: Socket;
  bytes: number;
}

/** The memory that Node holds for a request and its response, without their bodies. */
const OVERHEAD_BYTES = 4_096;
/** Of the bound: so much is left after clients were cut, so that not every further response needs a look at all. */
const LEFT_AFTER_CUT = 0.75;

/** @param deps.clientOf by whom responses are counted */
export function createUnreadResponses(deps: {
  maxBytes: number;
  clientOf: (request: FastifyRequest) => string;
  log: Logger;
}): UnreadResponses {
  const { maxBytes, clientOf, log } = deps;
  /** In the order in which they were sent. */
  const all = new Set<Unread>();
  let total = 0;

  function end(unread: Unread): void {
    if (all.delete(unread)) total -= unread.bytes;
  }

  /** @returns how many connections it cut of each client */
  function cutLargest(newest: Unread): Record<string, number> {
    const cutOf: Record<string, number> = {};
    const clients = new Map<string, { address: string; bytes: number; unread: Unread[] }>();
    for (const unread of all) {
      const address = clientOf(unread.request);
      const client = clients.get(address) ?? { address, bytes: 0, unread: [] };
      clients.set(address, client);
      client.unread.push(unread);
      client.bytes += unread.bytes;
    }
    while (total > maxBytes * LEFT_AFTER_CUT) {
      const [largest] = [...clients.values()].sort((a, b) => b.bytes - a.bytes);
      const oldest = largest?.unread[0];
      // One response may be larger than all may be together.
      if (!largest || !oldest || oldest === newest) break;
      const cut = largest.unread.filter(({ socket }) => socket === oldest.socket);
      largest.unread = largest.unread.filter(({ socket }) => socket !== oldest.socket);
      for (const unread of cut) {
        largest.bytes -= unread.bytes;
        end(unread);
      }
      oldest.socket.destroy();
      cutOf[largest.address] = (cutOf[largest.address] ?? 0) + 1;
    }
    return cutOf;
  }

  return {
    add(request, bodyBytes) {
      const unread = { request, socket: request.raw.socket, bytes: bodyBytes + OVERHEAD_BYTES };
      all.add(unread);
      total += unread.bytes;
      if (total > maxBytes)
        log.warn({ event: 'connection.unread', cut: cutLargest(unread) }, 'connection.unread');
      return () => end(unread);
    },
  };
}
