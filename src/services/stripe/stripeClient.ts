import Stripe from 'stripe';
import type { StripeConfig } from '../../config.js';

const TIMEOUT_MS = 20_000;
const MAX_RETRIES = 2;

/**
 * The one way to Stripe, in both modes: in mock mode the SDK's requests are handed to the mock inside the process.
 * @param mockFetch null in live mode
 */
export function createStripeClient(
  config: Pick<StripeConfig, 'secretKey' | 'apiBase'>,
  mockFetch: typeof fetch | null,
): Stripe {
  const shared = { timeout: TIMEOUT_MS, maxNetworkRetries: MAX_RETRIES, telemetry: false };
  if (mockFetch) {
    return new Stripe('sk_test_mock', { ...shared, httpClient: Stripe.createFetchHttpClient(mockFetch) });
  }
  if (!config.secretKey) throw new Error('Live mode without a secret key');
  const { apiBase } = config;
  return new Stripe(config.secretKey, {
    ...shared,
    ...(apiBase && {
      host: apiBase.hostname,
      port: apiBase.port || (apiBase.protocol === 'https:' ? 443 : 80),
      protocol: apiBase.protocol === 'https:' ? ('https' as const) : ('http' as const),
    }),
  });
}
