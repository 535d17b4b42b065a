import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { type BillingError, badInput, ErrorCode } from '../common/errors.js';
import { type ErrorFormat, expectedFailure } from '../directives/clientErrors.js';
import { stringifyResult } from '../directives/largeResults.js';
import type {
  LiveOperations,
  LiveRequest,
  LiveStream,
  ReceivedOperation,
} from '../directives/liveOperations.js';
import type { Callers } from '../services/accounts/callers.js';
import type { LiveEnd } from '../services/infrastructure/metrics.js';
import {
  type Ending,
  type LiveClient,
  type LiveClients,
  SLOW_READER,
} from '../services/realtime/liveClients.js';
import type { AccessLog } from './accessLog.js';
import { clientAddress } from './clientAddress.js';

const EVENT_STREAM = 'text/event-stream';

/** Endings after which the client must not connect again as it did: its stream is completed. */
const FINAL: readonly LiveEnd[] = ['credential', 'bounds', 'protocol'];
const MAX_PING_MS = 12_000;
const SLOW_MS = 10_000;
const RETRY_MS = 1_000;
/** Time for the last events to arrive. */
const CLOSE_MS = 1_000;
/** Browsers show an event stream as open only after its first bytes. */
const PING = ':\n\n';
const COMPLETE = 'event: complete\ndata:\n\n';
const nextEvent = (json: string): string => `event: next\ndata: ${json}\n\n`;

/** Whether a client asks for an event stream first. */
export function wantsEventStream({ headers }: FastifyRequest): boolean {
  const [first = ''] = (headers.accept ?? '').split(',');
  return first.split(';', 1)[0]?.trim().toLowerCase() === EVENT_STREAM;
}

/**
 * GraphQL over server-sent events, by the protocol of graphql-sse in its mode of distinct connections: one operation a
 * request, whose result or results are events. A rejected operation is an event too, because clients would take another
 * status for a failure of the network, and try again.
 */
export function createEventStreams(deps: {
  liveClients: LiveClients;
  operations: LiveOperations;
  callers: Callers;
  formatError: ErrorFormat;
  accessLog: AccessLog;
  /** @throws OPERATION_TOO_EXPENSIVE for a document that may not even be parsed */
  checkDocument: (text: string) => void;
  /** A connection without traffic is closed after this time. */
  stallTimeoutMs: number;
}): (request: FastifyRequest, reply: FastifyReply, received: ReceivedOperation) => Promise<FastifyReply> {
  const { liveClients, operations, callers, formatError, accessLog, checkDocument, stallTimeoutMs } = deps;
  const pingMs = Math.min(MAX_PING_MS, stallTimeoutMs / 2);

  async function run(request: FastifyRequest, received: ReceivedOperation, state: StreamState) {
    const address = clientAddress(request);
    const params = paramsOf(request.body);
    checkDocument(params.query);
    return operations.run(params, received, {
      async openStream(characters, endStream) {
        const { credential } = received;
        const caller = credential && (await callers.describe(credential, address));
        const client = liveClients.connect('sse', address, state.end);
        state.client = client;
        if (caller) client.identify(credential, caller);
        return client.openStream(characters, endStream);
      },
      // A request has one operation, and is answered once its stream listens.
      afterStreams: async () => undefined,
      end: state.end,
    });
  }

  /** Writes the messages as fast as the client reads them. */
  async function write(body: PassThrough, stream: LiveStream, state: StreamState): Promise<void> {
    const ping = setInterval(() => {
      if (!body.writableNeedDrain) body.write(PING);
    }, pingMs).unref();
    body.once('close', () => void stream.return());
    try {
      for await (const { json } of stream) {
        state.messages++;
        state.client?.sent();
        if (!body.write(nextEvent(json)) && !(await drained(body))) state.end(SLOW_READER);
      }
      body.end(state.ending ? lastEvents(state.ending) : COMPLETE);
    } catch (error) {
      const failure = expectedFailure(error);
      if (failure?.code === ErrorCode.SERVICE_UNAVAILABLE)
        body.end(lastEvents({ reason: 'unavailable', error: failure }));
      else body.end(errorEvent(formatError(toFormatted(error), error)) + COMPLETE);
    } finally {
      clearInterval(ping);
      await stream.return();
    }
  }

  return async (request, reply, received) => {
    const startedAtMs = performance.now();
    const state = createStreamState();
    reply.header('content-type', `${EVENT_STREAM}; charset=utf-8`).header('cache-control', 'no-store');
    // Proxies would collect messages until there are enough of them.
    reply.header('x-accel-buffering', 'no');
    try {
      const { response, stream } = await run(request, received, state);
      if (response.body.kind !== 'single') throw new Error('the response has several parts');
      for (const [name, value] of response.http.headers) reply.header(name, value);
      if (!stream) {
        state.client?.closed('client');
        const { status = 200 } = response.http;
        // Clients repeat a request that failed with this status, after the time that it names.
        return reply
          .code(status === 503 ? 503 : 200)
          .send(nextEvent(stringifyResult(response.body.singleResult)) + COMPLETE);
      }
      const body = new PassThrough();
      // A client that only closes its sending side may read on: but this one has asked for nothing else.
      request.raw.socket.once('end', () => body.destroy());
      state.close = () => {
        void stream.return();
        setTimeout(() => body.destroy(), CLOSE_MS).unref();
      };
      if (state.ending) state.close();
      body.on('error', () => undefined);
      body.once('close', () => {
        const { client, messages } = state;
        const reason = state.ending?.reason ?? 'client';
        client?.closed(reason);
        const { requestId, tenantId, keyId } = request.logged;
        accessLog.liveEnded({ requestId, transport: 'sse', tenantId, keyId, reason, messages, startedAtMs });
      });
      body.write(PING);
      void write(body, stream, state);
      return reply.send(body);
    } catch (error) {
      state.client?.closed('client');
      const failure = expectedFailure(error);
      if (!failure || failure.code === ErrorCode.SERVICE_UNAVAILABLE) {
        reply.removeHeader('content-type');
        throw error;
      }
      request.logged.code = failure.code;
      return reply.send(errorEvent(formattedOf(failure)) + COMPLETE);
    }
  };
}

interface StreamState {
  client: LiveClient | null;
  ending: Ending | null;
  messages: number;
  readonly end: (ending: Ending) => void;
  /** Set once the stream is open. */
  close: () => void;
}

function createStreamState(): StreamState {
  const state: StreamState = {
    client: null,
    ending: null,
    messages: 0,
    end(ending) {
      state.ending ??= ending;
      state.close();
    },
    close: () => undefined,
  };
  return state;
}

/** Waits until the client has read. @returns false if that takes too long, or the client is gone */
async function drained(body: PassThrough): Promise<boolean> {
  try {
    await once(body, 'drain', {
      signal: AbortSignal.any([AbortSignal.timeout(SLOW_MS), closedSignal(body)]),
    });
    return true;
  } catch {
    return false;
  }
}

function closedSignal(body: PassThrough): AbortSignal {
  const controller = new AbortController();
  body.once('close', () => controller.abort());
  return controller.signal;
}

const toFormatted = (error: unknown): GraphQLFormattedError =>
  new GraphQLError((error as Error).message).toJSON();

const errorEvent = (error: GraphQLFormattedError): string => nextEvent(JSON.stringify({ errors: [error] }));

const formattedOf = ({ message, code, status, details }: BillingError): GraphQLFormattedError => ({
  message,
  extensions: { ...details, code, http: { status } },
});

/** A stream that is not completed lets its client connect again. */
function lastEvents({ reason, error }: Ending): string {
  if (FINAL.includes(reason)) return errorEvent(formattedOf(error)) + COMPLETE;
  const isTold = reason === SLOW_READER.reason;
  return `${isTold ? errorEvent(formattedOf(error)) : `: ${error.code}: ${error.message}\n`}retry: ${RETRY_MS}\n\n`;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws BAD_USER_INPUT */
function paramsOf(body: unknown): LiveRequest {
  if (!isObject(body))
    throw badInput('body', 'must be a JSON object with query, and perhaps operationName and variables');
  const { query, operationName, variables, extensions } = body;
  if (typeof query !== 'string' || query === '') throw badInput('query', 'must be the text of a document');
  if (operationName != null && typeof operationName !== 'string')
    throw badInput('operationName', 'must be a string');
  if (variables != null && !isObject(variables)) throw badInput('variables', 'must be an object');
  if (extensions != null && !isObject(extensions)) throw badInput('extensions', 'must be an object');
  return { query, operationName, variables, extensions } as LiveRequest;
}
