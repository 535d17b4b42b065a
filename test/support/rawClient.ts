import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A client that sends bytes as it likes, and reads when it likes. */
export interface RawClient {
  socket: Socket;
  /** All that was received so far. */
  received(): string;
  write(text: string): void;
  /** Resolves when the received text matches. Rejects when the connection ends before. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves when the connection has ended, by whatever end. @returns all that was received */
  ended(): Promise<string>;
}

/**
 * @param options.reads false: receives nothing until its socket is resumed
 * @param options.from its own address: any of 127.0.0.0/8
 */
export async function connectRaw(
  url: string,
  { reads = true, from }: { reads?: boolean; from?: string } = {},
): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true, localAddress: from });
  let received = '';
  // A reset is an end like another.
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await Promise.race([once(socket, 'connect'), closed]);
  const onData = (chunk: Buffer) => {
    received += chunk.toString('latin1');
  };
  socket.on('data', onData);
  if (!reads) socket.pause();
  return {
    socket,
    received: () => received,
    write: (text) => void socket.write(text, 'latin1'),
    async until(pattern) {
      while (!pattern.test(received)) {
        const isClosed = await Promise.race([
          closed.then(() => true),
          once(socket, 'data').then(() => false),
        ]);
        if (isClosed && !pattern.test(received))
          throw new Error(`The connection ended before ${pattern}: ${received}`);
      }
      return received;
    },
    async ended() {
      await closed;
      return received;
    },
  };
}

/** The bytes of a request with a JSON body. */
export function rawPost(path: string, headers: Record<string, string>, body: unknown): string {
  const text = JSON.stringify(body);
  const lines = Object.entries({ host: 'test', 'content-type': 'application/json', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}
