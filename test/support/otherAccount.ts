import type { Clock } from '../../src/common/clock.js';
import { mockOf } from './billing.js';
import { moveToLiveMode, type TestDatabase } from './database.js';
import { startTestServer, type TestServer } from './server.js';
import { openStripeBridge } from './stripeBridge.js';

/**
 * A server on the database of others, whose key belongs to another account of Stripe: the same API, and none of the
 * objects.
 */
export async function startOnOtherAccount(
  { uri, connection }: Pick<TestDatabase, 'uri' | 'connection'>,
  clock: Clock,
): Promise<TestServer> {
  const other = await startTestServer({ clock });
  const bridge = await openStripeBridge(mockOf(other).fetch);
  await moveToLiveMode(connection);
  const wrong = await startTestServer({
    clock,
    uri,
    env: {
      STRIPE_SECRET_KEY: 'sk_test_of_another_account',
      STRIPE_WEBHOOK_SECRET: 'whsec_of_the_tests',
      STRIPE_PRICE_PRO: 'price_pro',
      STRIPE_API_BASE: bridge.url,
    },
  });
  return {
    ...wrong,
    async stop() {
      await wrong.stop();
      await bridge.close();
      await other.stop();
    },
  };
}
