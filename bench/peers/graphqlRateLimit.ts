/** Apollo with graphql-rate-limit as it is shipped: what was called is in the memory of the process. */
import { getGraphQLRateLimiter } from 'graphql-rate-limit';
import { type PeerContext, serveMemories } from './memoryServer.js';
import { rejection } from './rejection.js';

await serveMemories((_, { limit }) => {
  const limiter = getGraphQLRateLimiter({
    identifyContext: ({ tenantId }: PeerContext) => tenantId,
  });
  return async (args, context, info) => {
    // The window is a minute, for the store keeps and copies the instant of every call in it.
    const message = await limiter({ parent: null, args, context, info }, { max: limit, window: '1m' });
    if (message) throw rejection(message);
  };
});
