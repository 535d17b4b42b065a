import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { createGate, SMALL_TEXT } from '../services/infrastructure/gate.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Ends what its body takes of the memory for bodies that arrive. */
    bodyRead: () => void;
    /** Ends its turn to have its document parsed and validated. */
    documentRead: () => Promise<void> | undefined;
  }
}

/** In memory at once, from their first byte until they are parsed. */
const MAX_RECEIVING_BYTES = 96 * 1_048_576;
/** Of one client: others can send while it sends slowly, or nothing more. */
const MAX_RECEIVING_BYTES_EACH = 24 * 1_048_576;
const MAX_WAITING_EACH = 200;
const MAX_WAIT_MS = 10_000;
const MAX_PAUSE_MS = 200;

/** Bounds the memory that large requests take while they arrive, and the time that parsing them takes from others. */
export interface LargeRequests {
  /**
   * Parses a body when it is its turn. What comes after it, comes in another turn of the event loop.
   * @throws SERVICE_UNAVAILABLE when it has to wait for too long, and what `parse` throws
   */
  parseBody<T>(request: FastifyRequest, parse: () => Promise<T>): Promise<T>;
  /**
   * Waits until it is the document's turn, which ends when `request.documentRead` is called or the request is answered.
   * @throws SERVICE_UNAVAILABLE
   */
  waitForDocument(request: FastifyRequest): Promise<void>;
  isLarge(text: string): boolean;
}

/**
 * Adds its hooks, which come before those of all routes that are added later.
 * @param deps.maxBodyBytes of every route
 * @param deps.clientOf by whom requests are counted
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

  /** Before the first byte is read. Without a length it may be as long as is allowed. */
  function bodyBytes({ headers }: FastifyRequest): number {
    if (headers['transfer-encoding'] !== undefined) return maxBodyBytes;
    return Math.min(Number(headers['content-length'] ?? 0), maxBodyBytes);
  }

  app.decorateRequest('bodyRead', nothing);
  app.decorateRequest('documentRead', nothing);

  app.addHook('onRequest', (request, _reply, done) => {
    const bytes = bodyBytes(request);
    // Smaller ones need not be counted: the buffers of their connection hold as much.
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
