import Stripe from 'stripe';
import type { StripeConfig } from '../../config.js';
import type { RequestRate } from './requestRate.js';

const TIMEOUT_MS = 20_000;
const MAX_RETRIES = 2;

/** The mock takes any. */
export const MOCK_KEY = 'sk_test_mock';

type HttpClient = ReturnType<typeof Stripe.createNodeHttpClient>;

/**
 * The one way to Stripe, in both modes: in mock mode the SDK's requests are handed to the mock inside the process.
 * @param mockFetch null in live mode
 * @param rate of live mode: the mock takes what comes; null: a person's few requests
 */
export function createStripeClient(
  config: Pick<StripeConfig, 'secretKey' | 'apiBase'>,
  mockFetch: typeof fetch | null,
  rate: RequestRate | null,
): Stripe {
  const shared = { timeout: TIMEOUT_MS, maxNetworkRetries: MAX_RETRIES, telemetry: false };
  if (mockFetch) {
    return new Stripe(MOCK_KEY, { ...shared, httpClient: Stripe.createFetchHttpClient(mockFetch) });
  }
  if (!config.secretKey) throw new Error('Live mode without a secret key');
  const { apiBase } = config;
  return new Stripe(config.secretKey, {
    ...shared,
    ...(rate && { httpClient: atRate(Stripe.createNodeHttpClient(), rate) }),
    ...(apiBase && {
      host: apiBase.hostname,
      port: apiBase.port || (apiBase.protocol === 'https:' ? 443 : 80),
      protocol: apiBase.protocol === 'https:' ? ('https' as const) : ('http' as const),
    }),
  });
}

/** The SDK's retries wait for their turn, too; the time that a request waits is not part of its timeout. */
function atRate(client: HttpClient, rate: RequestRate): HttpClient {
  return {
    getClientName: () => client.getClientName(),
    async makeRequest(host, port, path, method, ...rest) {
      await rate.turn(method, path);
      return client.makeRequest(host, port, path, method, ...rest);
    },
  };
}
