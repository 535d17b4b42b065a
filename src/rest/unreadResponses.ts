import type { Socket } from 'node:net';
import type { Logger } from 'pino';

/** Limits the memory that responses take until their clients have read them. */
export interface UnreadResponses {
  /**
   * Counts a response that is handed over for sending. Above the limit, connections are closed: those of the client with
   * the most unread bytes first, and of these the oldest.
   * @returns a function to call when the response has been sent
   */
  add(receiver: Receiver, bytes: number): () => void;
}

export interface Receiver {
  readonly socket: Socket;
  /** What the response is counted for; called only above the limit. */
  client(): string;
}

interface Unread {
  receiver: Receiver;
  socket: Socket;
  bytes: number;
}

/** The memory that Node needs for a request and its response, without their bodies. */
const OVERHEAD_BYTES = 4_096;
/** Share of the limit that remains after closing connections, so that the next response does not exceed it again. */
const LEFT_AFTER_CUT = 0.75;

export function createUnreadResponses(deps: { maxBytes: number; log: Logger }): UnreadResponses {
  const { maxBytes, log } = deps;
  /** In the order in which they were sent. */
  const all = new Set<Unread>();
  let total = 0;

  function end(unread: Unread): void {
    if (all.delete(unread)) total -= unread.bytes;
  }

  /** @returns the number of connections that were closed, by client */
  function cutLargest(newest: Unread): Record<string, number> {
    const cutOf: Record<string, number> = {};
    const clients = new Map<string, { address: string; bytes: number; unread: Unread[] }>();
    for (const unread of all) {
      const address = unread.receiver.client();
      const client = clients.get(address) ?? { address, bytes: 0, unread: [] };
      clients.set(address, client);
      client.unread.push(unread);
      client.bytes += unread.bytes;
    }
    while (total > maxBytes * LEFT_AFTER_CUT) {
      const [largest] = [...clients.values()].sort((a, b) => b.bytes - a.bytes);
      const oldest = largest?.unread[0];
      // A single response may exceed the limit by itself.
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
    add(receiver, bodyBytes) {
      const unread = { receiver, socket: receiver.socket, bytes: bodyBytes + OVERHEAD_BYTES };
      all.add(unread);
      total += unread.bytes;
      if (total > maxBytes) log.warn({ cut: cutLargest(unread) }, 'connection.unread');
      return () => end(unread);
    },
  };
}
