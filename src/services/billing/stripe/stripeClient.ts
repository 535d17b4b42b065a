import Stripe from 'stripe';
import type { StripeConfig } from '../../../config/stripeConfig.js';
import type { Metrics, StripeResult } from '../../infrastructure/metrics.js';
import { permissionFor } from './permissions.js';
import { notSent, withEndpoint } from './requestNotes.js';
import { endpointOf } from './requestRate.js';
import type { RequestSlots } from './requestSlots.js';

const TIMEOUT_MS = 20_000;
const MAX_RETRIES = 2;

/** The mock accepts any key. */
export const MOCK_KEY = 'sk_test_mock';

/**
 * The only Stripe client, in both modes: in mock mode the SDK's requests go to the mock inside the process.
 * @param mockFetch null in live mode
 * @param slots limits the request rate in live mode; null: no limit, for a script that makes few requests
 */
export function createStripeClient(
  config: Pick<StripeConfig, 'secretKey' | 'apiBase'>,
  mockFetch: typeof fetch | null,
  slots: RequestSlots | null,
  metrics: Metrics,
): Stripe {
  const shared = { timeout: TIMEOUT_MS, maxNetworkRetries: MAX_RETRIES, telemetry: false };
  if (mockFetch) {
    const httpClient = withSlots(Stripe.createFetchHttpClient(mockFetch), null, metrics);
    return new Stripe(MOCK_KEY, { ...shared, httpClient });
  }
  if (!config.secretKey) throw new Error('Live mode needs STRIPE_SECRET_KEY');
  const { apiBase } = config;
  return new Stripe(config.secretKey, {
    ...shared,
    httpClient: withSlots(Stripe.createNodeHttpClient(), slots, metrics),
    ...(apiBase && {
      host: apiBase.hostname,
      port: apiBase.port || (apiBase.protocol === 'https:' ? 443 : 80),
      protocol: apiBase.protocol === 'https:' ? ('https' as const) : ('http' as const),
    }),
  });
}

/**
 * Each request waits for a slot, the SDK's retries included. The wait is not part of the request's timeout. If there is
 * no slot, the SDK gets a response that says so: see `notSent`.
 */
function withSlots(
  client: Stripe.HttpClient,
  slots: RequestSlots | null,
  metrics: Metrics,
): Stripe.HttpClient {
  return {
    getClientName: () => client.getClientName(),
    async makeRequest(host, port, path, method, ...rest) {
      const endpoint = endpointOf(method, path);
      // A listed endpoint is never an id.
      const label = permissionFor(endpoint) === null ? 'other' : endpoint;
      let end: (() => void) | undefined;
      try {
        end = await slots?.take(endpoint);
      } catch (error) {
        metrics.stripeAnswered(label, 'not_sent', performance.now());
        return notSent(error as Error);
      }
      const startedAtMs = performance.now();
      try {
        const response = await client.makeRequest(host, port, path, method, ...rest);
        metrics.stripeAnswered(label, resultOf(response.getStatusCode()), startedAtMs);
        return withEndpoint(response, endpoint);
      } catch (error) {
        metrics.stripeAnswered(label, 'no_response', startedAtMs);
        throw error;
      } finally {
        end?.();
      }
    },
  };
}

function resultOf(status: number): StripeResult {
  if (status < 400) return 'ok';
  if (status === 429) return 'rate_limited';
  return status < 500 ? 'rejected' : 'failed';
}

const MODE = /^[a-z]+_(test|live)_/;

/**
 * Whether a secret key belongs to Stripe's live mode. Events of the other mode are ignored.
 * @returns null for a key that does not show its mode
 */
export function isLiveKey(secretKey: string): boolean | null {
  const mode = MODE.exec(secretKey)?.[1];
  return mode === undefined ? null : mode === 'live';
}

/** Which Stripe a server talks to. */
export type ServerMode = 'mock' | 'test' | 'live';

/** A key that does not show its mode is taken for one of live mode, where more care is needed. */
export function serverMode({ mode, secretKey }: Pick<StripeConfig, 'mode' | 'secretKey'>): ServerMode {
  if (mode === 'mock') return 'mock';
  return isLiveKey(secretKey ?? '') === false ? 'test' : 'live';
}
