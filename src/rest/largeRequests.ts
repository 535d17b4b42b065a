import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { createGate, SMALL_TEXT } from '../services/infrastructure/gate.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Releases the memory that was reserved for receiving the body. */
    bodyRead: () => void;
    /** Lets the next large document be parsed and validated. */
    documentRead: () => Promise<void> | undefined;
  }
}

/** Total size of bodies in memory, from their first byte until they are parsed. */
const MAX_RECEIVING_BYTES = 96 * 1_048_576;
/** The same for one client, so that a slow client does not keep others from sending. */
const MAX_RECEIVING_BYTES_EACH = 24 * 1_048_576;
const MAX_WAITING_EACH = 200;
const MAX_WAIT_MS = 10_000;
const MAX_PAUSE_MS = 200;

/** Limits the memory that large requests take while they are received, and how long parsing them delays other requests. */
export interface LargeRequests {
  /**
   * Parses one large body at a time, and lets the event loop run other work afterwards.
   * @throws SERVICE_UNAVAILABLE if the body has to wait too long; also what `parse` throws
   */
  parseBody<T>(request: FastifyRequest, parse: () => Promise<T>): Promise<T>;
  /**
   * Waits until the document may be parsed and validated. The next one may when `request.documentRead` is called or the
   * request is answered.
   * @throws SERVICE_UNAVAILABLE if the document has to wait too long
   */
  waitForDocument(request: FastifyRequest): Promise<void>;
  /** The same for a document that did not come in a request. @returns a function that lets the next one be parsed */
  waitForText(client: string): Promise<() => void>;
  isLarge(text: string): boolean;
}

/**
 * Adds hooks to the app. They run before those of all routes that are added later.
 * @param deps.maxBodyBytes the maximum body size of all routes
 * @param deps.clientOf the client that a request is counted for
 */
export function boundLargeRequests(
  app: FastifyInstance,
  { maxBodyBytes, clientOf }: { maxBodyBytes: number; clientOf: (request: FastifyRequest) => string },
): LargeRequests {
  const bounds = {
    maxWaiting: MAX_WAITING_EACH,
    maxWaitMs: MAX_WAIT_MS,
    busyMessage: 'Too many large requests are under way; try again shortly, or send less at once',
  };
  const receiving = createGate({
    ...bounds,
    maxUnits: MAX_RECEIVING_BYTES,
    maxUnitsEach: MAX_RECEIVING_BYTES_EACH,
  });
  const parsing = createGate({ ...bounds, maxUnits: 1, maxPauseMs: MAX_PAUSE_MS });

  /** The size of a body before its first byte is read. Without a content length, it is the maximum. */
  function bodyBytes({ headers }: FastifyRequest): number {
    if (headers['transfer-encoding'] !== undefined) return maxBodyBytes;
    return Math.min(Number(headers['content-length'] ?? 0), maxBodyBytes);
  }

  app.decorateRequest('bodyRead', nothing);
  app.decorateRequest('documentRead', nothing);

  app.addHook('onRequest', (request, _reply, done) => {
    const bytes = bodyBytes(request);
    // Small bodies are not counted: they take no more than the buffers of their connection.
    if (!(bytes > SMALL_TEXT)) return done();
    receiving.enter(clientOf(request), bytes).then((end) => {
      request.bodyRead = end;
      request.tracked.whenOver(end);
      done();
    }, done);
  });

  app.addHook('preHandler', (request, _reply, done) => {
    request.bodyRead();
    done();
  });

  return {
    isLarge: ({ length }) => length > SMALL_TEXT,
    async parseBody(request, parse) {
      const body = await parsing.run(clientOf(request), 1, parse);
      await nextTurn();
      return body;
    },
    waitForText: (client) => parsing.enter(client, 1),
    async waitForDocument(request) {
      const end = await parsing.enter(clientOf(request), 1);
      request.documentRead = () => {
        end();
        return nextTurn();
      };
      request.tracked.whenOver(end);
    },
  };
}

const nothing = () => undefined;
