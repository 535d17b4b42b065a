import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The part of Sentry that takes events. */
export interface SentryReceiver {
  dsn: string;
  // biome-ignore lint/suspicious/noExplicitAny: events are what the tests look into
  events: any[];
  /** All that arrived, as it arrived: paths, headers and bodies. */
  received: string[];
  /** The status of the next responses. */
  status: number;
  close(): void;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export async function startSentryReceiver(): Promise<SentryReceiver> {
  const server = createServer(async (request, response) => {
    const text = await textOf(request);
    receiver.received.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}\n${text}`);
    const lines = text.split('\n').filter(Boolean);
    // An envelope: its header, then a header and a body for each item.
    for (let i = 1; i + 1 < lines.length; i += 2)
      if (JSON.parse(lines[i] as string).type === 'event')
        receiver.events.push(JSON.parse(lines[i + 1] as string));
    response.writeHead(receiver.status, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: SentryReceiver = {
    dsn: `http://publickey@127.0.0.1:${port}/42`,
    events: [],
    received: [],
    status: 200,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return receiver;
}
