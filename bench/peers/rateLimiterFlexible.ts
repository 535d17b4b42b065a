/** Apollo with rate-limiter-flexible on the same MongoDB, with the same write concern. */
import { RateLimiterMongo, RateLimiterRes } from 'rate-limiter-flexible';
import { serveMemories } from './memoryServer.js';
import { rejection } from './rejection.js';

const WINDOW_S = 86_400;

await serveMemories((connection, { limit }) => {
  const limiter = new RateLimiterMongo({
    storeClient: connection.getClient(),
    dbName: connection.name,
    keyPrefix: 'flexible',
    points: limit,
    duration: WINDOW_S,
  });
  return async (_, { tenantId }) => {
    try {
      await limiter.consume(tenantId);
    } catch (reason) {
      throw reason instanceof RateLimiterRes ? rejection('Rate limit exceeded') : reason;
    }
  };
});
