import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An HTTP server that keeps what it receives. */
interface Receiver {
  port: number;
  /** All that arrived, as it arrived: paths, headers and bodies. */
  received: string[];
  /** The status of the next responses. */
  status: number;
  close(): void;
}

/** The part of Sentry that takes events. */
export interface SentryReceiver extends Receiver {
  dsn: string;
  // biome-ignore lint/suspicious/noExplicitAny: events are what the tests look into
  events: any[];
}

/** A collector of traces that speaks OTLP. */
export interface TraceReceiver extends Receiver {
  endpoint: string;
  spans: ReceivedSpan[];
}

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  status: { code: number };
  attributes: Record<string, unknown>;
  resource: Record<string, unknown>;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export async function startReceiver(take: (text: string) => void = () => undefined): Promise<Receiver> {
  const server = createServer(async (request, response) => {
    const text = await textOf(request);
    receiver.received.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}\n${text}`);
    take(text);
    response.writeHead(receiver.status, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: Receiver = {
    port: (server.address() as AddressInfo).port,
    received: [],
    status: 200,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return receiver;
}

export async function startSentryReceiver(): Promise<SentryReceiver> {
  const events: SentryReceiver['events'] = [];
  const receiver = await startReceiver((text) => {
    const lines = text.split('\n').filter(Boolean);
    // An envelope: its header, then a header and a body for each item.
    for (let i = 1; i + 1 < lines.length; i += 2)
      if (JSON.parse(lines[i] as string).type === 'event') events.push(JSON.parse(lines[i + 1] as string));
  });
  return Object.assign(receiver, { events, dsn: `http://publickey@127.0.0.1:${receiver.port}/42` });
}

interface OtlpAttribute {
  key: string;
  value: Record<string, unknown>;
}

const attributesOf = (list: OtlpAttribute[]): Record<string, unknown> =>
  Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]]));

export async function startTraceReceiver(): Promise<TraceReceiver> {
  const spans: ReceivedSpan[] = [];
  const receiver = await startReceiver((text) => {
    for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans)
      for (const scope of scopeSpans)
        for (const span of scope.spans)
          spans.push({
            ...span,
            attributes: attributesOf(span.attributes),
            resource: attributesOf(resource.attributes),
          });
  });
  return Object.assign(receiver, { spans, endpoint: `http://127.0.0.1:${receiver.port}` });
}
