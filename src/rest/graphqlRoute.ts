import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ApolloServer, BaseContext } from '@apollo/server';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { badInput } from '../common/errors.js';
import type { Tracing } from '../services/infrastructure/tracing.js';
import { wantsEventStream } from './eventStreams.js';
import type { LargeRequests } from './largeRequests.js';

/** The parameters of GraphQL over HTTP that matter before Apollo reads them. */
interface Parameters {
  query?: unknown;
}

/** Mounts an Apollo Server at a path. A large document waits for its turn before it is parsed. */
export function mountGraphql<C extends BaseContext>(
  server: FastifyInstance,
  route: {
    url: string;
    method: HTTPMethods[];
    apollo: ApolloServer<C>;
    context: (request: FastifyRequest) => Promise<C>;
    largeRequests: LargeRequests;
    tracing: Tracing | null;
    /** @throws OPERATION_TOO_EXPENSIVE, BAD_USER_INPUT for a document that may not even be parsed */
    checkDocument: (text: string) => void;
    /** Throws for a request whose body may not even be read. */
    before?: (request: FastifyRequest, reply: FastifyReply) => void;
    /** Answers clients that ask for an event stream. */
    events?: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;
  },
): void {
  const { url, method, apollo, context, largeRequests, tracing, checkDocument, before, events } = route;
  const single = fastifyApolloHandler(apollo, { context });
  const handler = async (request: FastifyRequest, reply: FastifyReply) =>
    events && wantsEventStream(request) ? events(request, reply) : single.call(server, request, reply);
  /** The rejection is an event for a client that asks for events. */
  function check(request: FastifyRequest, text: string): void {
    if (!events || !wantsEventStream(request)) checkDocument(text);
  }

  async function checkLarge(request: FastifyRequest, text: string): Promise<void> {
    await largeRequests.waitForDocument(request);
    check(request, text);
    await nextTurn();
  }

  server.route({
    url,
    method,
    schema: { hide: true },
    onRequest: (request, reply, done) => {
      // Apollo's handler builds a URL from it.
      if (!URL.canParse(`${request.protocol}://${request.hostname}/`))
        throw badInput('Host', 'the header is missing, or is no name of a host');
      before?.(request, reply);
      done();
    },
    preHandler: (request, _reply, done) => {
      const { body, query } = request as { body: Parameters | null; query: Parameters };
      const text = body?.query ?? query.query;
      if (typeof text !== 'string') return done();
      if (largeRequests.isLarge(text)) {
        checkLarge(request, text).then(() => done(), done);
        return;
      }
      check(request, text);
      done();
    },
    handler: tracing
      ? (request, reply) => tracing.operation(() => handler(request, reply), request.logged)
      : handler,
  });
}
