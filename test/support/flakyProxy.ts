import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createListener, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** Stands between a client and a server, and loses what it is asked to. */
export interface FlakyProxy {
  url: string;
  /** The bodies of the requests that came, in order. */
  bodies: string[];
  /** The next answers get lost, after the server has given them: the client's connection is killed instead. */
  loseAnswers(count: number): void;
  /** The next requests are answered here, without the server. */
  answerNext(status: number, headers: Record<string, string>, count?: number): void;
  /** The next request is passed on, and its answer never is. @returns when the server has answered */
  holdNext(): Promise<void>;
  /** Kills every connection. */
  cut(): void;
  stop(): Promise<void>;
}

/** @param target where the server is now: it may be another one later */
export async function startFlakyProxy(target: () => string): Promise<FlakyProxy> {
  const bodies: string[] = [];
  const sockets = new Set<Socket>();
  const own: { status: number; headers: Record<string, string> }[] = [];
  let answersToLose = 0;
  let onHeld: (() => void) | null = null;

  async function forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    bodies.push(body.toString());
    const answer = own.shift();
    if (answer) {
      outgoing.writeHead(answer.status, answer.headers).end();
      return;
    }
    const { method = 'POST', headers, url = '/' } = incoming;
    const held = onHeld;
    onHeld = null;
    const onward = request(new URL(url, target()), { method, headers });
    outgoing.once('close', () => onward.destroy());
    onward.once('error', () => incoming.socket.destroy());
    onward.once('response', async (response) => {
      if (held) {
        await buffer(response);
        held();
        return;
      }
      if (answersToLose > 0) {
        answersToLose--;
        await buffer(response);
        incoming.socket.destroy();
        return;
      }
      outgoing.writeHead(response.statusCode ?? 500, response.headers);
      response.once('error', () => incoming.socket.destroy());
      response.pipe(outgoing);
      outgoing.flushHeaders();
    });
    onward.end(body);
  }

  const server = createServer((incoming, outgoing) => {
    forward(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    bodies,
    loseAnswers(count) {
      answersToLose = count;
    },
    holdNext: () =>
      new Promise((resolve) => {
        onHeld = resolve;
      }),
    answerNext(status, headers, count = 1) {
      for (let i = 0; i < count; i++) own.push({ status, headers });
    },
    cut,
    async stop() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

/** @returns an address where nobody listens */
export async function closedAddress(): Promise<string> {
  const listener = createListener().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, 'close');
  return `http://127.0.0.1:${port}`;
}
