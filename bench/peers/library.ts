/** Apollo with our library, on the same MongoDB: it verifies the key, and counts the call on disk before the resolver. */
import { apolloLimits, enforceLimits } from '@continuum-billing/limits';
import { directLimits } from '../../src/directLimits.js';
import { serveMemories } from './memoryServer.js';

await serveMemories(undefined, async (schema, { mongodbUri }) => {
  const limits = await directLimits({ mongodbUri, upgradeUrl: 'http://localhost/upgrade' });
  return { schema: enforceLimits(schema, { limits }), plugins: [apolloLimits()] };
});
