import Stripe from 'stripe';
import type { StripeConfig } from '../../../config/stripeConfig.js';
import { notSent, withEndpoint } from './requestNotes.js';
import { endpointOf } from './requestRate.js';
import type { RequestSlots } from './requestSlots.js';

const TIMEOUT_MS = 20_000;
const MAX_RETRIES = 2;

/** The mock takes any. */
export const MOCK_KEY = 'sk_test_mock';

/**
 * The one way to Stripe, in both modes: in mock mode the SDK's requests are handed to the mock inside the process.
 * @param mockFetch null in live mode
 * @param turns of live mode: the mock takes what comes; null: a person's few requests
 */
export function createStripeClient(
  config: Pick<StripeConfig, 'secretKey' | 'apiBase'>,
  mockFetch: typeof fetch | null,
  turns: RequestSlots | null,
): Stripe {
  const shared = { timeout: TIMEOUT_MS, maxNetworkRetries: MAX_RETRIES, telemetry: false };
  if (mockFetch) {
    const httpClient = sending(Stripe.createFetchHttpClient(mockFetch), null);
    return new Stripe(MOCK_KEY, { ...shared, httpClient });
  }
  if (!config.secretKey) throw new Error('Live mode without a secret key');
  const { apiBase } = config;
  return new Stripe(config.secretKey, {
    ...shared,
    httpClient: sending(Stripe.createNodeHttpClient(), turns),
    ...(apiBase && {
      host: apiBase.hostname,
      port: apiBase.port || (apiBase.protocol === 'https:' ? 443 : 80),
      protocol: apiBase.protocol === 'https:' ? ('https' as const) : ('http' as const),
    }),
  });
}

/**
 * Each request waits for its turn, the SDK's retries too; the time that it waits is not part of its timeout. While it
 * cannot have one, the SDK gets a response that says so: see `notSent`.
 */
function sending(client: Stripe.HttpClient, turns: RequestSlots | null): Stripe.HttpClient {
  return {
    getClientName: () => client.getClientName(),
    async makeRequest(host, port, path, method, ...rest) {
      const endpoint = endpointOf(method, path);
      let end: (() => void) | undefined;
      try {
        end = await turns?.take(endpoint);
      } catch (error) {
        return notSent(error as Error);
      }
      try {
        return withEndpoint(await client.makeRequest(host, port, path, method, ...rest), endpoint);
      } finally {
        end?.();
      }
    },
  };
}

const MODE = /^[a-z]+_(test|live)_/;

/**
 * Whether a secret key belongs to Stripe's live mode: objects and events of the other mode are none of this server's.
 * @returns null for a key that does not say
 */
export function isLiveKey(secretKey: string): boolean | null {
  const mode = MODE.exec(secretKey)?.[1];
  return mode === undefined ? null : mode === 'live';
}
