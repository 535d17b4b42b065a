import type {
  BillingClient,
  Entitlement,
  Subscription,
  Tenant,
  TenantArguments,
  Tier,
  Usage,
  UsagePeriod,
} from '@continuum-billing/client';
import { useCallback, useEffect, useSyncExternalStore } from 'react';
import { useBillingContext } from './BillingProvider.js';
import type { Resource, ResourceState } from './resource.js';
import { type Topic, usageKey } from './store.js';

/** What was read, how it failed, and how to read it again. */
export interface BillingQuery<T> extends ResourceState<T> {
  refetch(): Promise<void>;
}

type OperationResult<TName extends keyof BillingClient> = BillingClient[TName] extends (
  ...args: never
) => Promise<infer TResult>
  ? TResult
  : never;

export type PaymentMethods = OperationResult<'paymentMethods'>;
export type Brand = OperationResult<'brand'>;

const NOTHING: ResourceState<never> = { data: undefined, error: null, isLoading: false };
const ignore = () => () => undefined;
const nothing = () => NOTHING;

function useResource<T>(resource: Resource<T> | null): BillingQuery<T> {
  const state = useSyncExternalStore<ResourceState<T>>(
    resource?.subscribe ?? ignore,
    resource?.get ?? nothing,
    resource?.get ?? nothing,
  );
  const refetch = useCallback(async () => resource?.refetch(), [resource]);
  return { ...state, refetch };
}

/**
 * Reads something else of the tenant with the provider's client, once for all who use the same key.
 * @param topic what changes it: it is read again then, and after each change by a part. null: nothing; it is also read if nobody
 *   is signed in
 */
export function useBillingQuery<T>(
  key: string,
  load: (client: BillingClient, tenant: TenantArguments) => Promise<T>,
  topic: Topic | null = 'subscription',
): BillingQuery<T> {
  const { store } = useBillingContext();
  const { client, tenant, hasTenant } = store;
  return useResource(
    hasTenant || topic === null ? store.resource(key, topic, () => load(client, tenant)) : null,
  );
}

/** The tiers for sale, the smallest first. Needs no token. */
export function useTiers(): BillingQuery<Tier[]> {
  const { store } = useBillingContext();
  return useResource(store.resource('tiers', null, () => store.client.tiers()));
}

/** The product's name and where its help is, as the server says. Needs no token. */
export function useBrand(): BillingQuery<Brand> {
  const { store } = useBillingContext();
  return useResource(store.resource('brand', null, () => store.client.brand()));
}

/** The subscription, followed live. A tenant that never paid has one to the default tier. */
export const useSubscription = (): BillingQuery<Subscription> =>
  useBillingQuery('subscription', (client, tenant) => client.subscription(tenant));

/** The tenant itself. */
export const useTenant = (): BillingQuery<Tenant> =>
  useBillingQuery('tenant', (client, { tenantId, externalId }) =>
    client.tenant({ id: tenantId, externalId }),
  );

export const usePaymentMethods = (): BillingQuery<PaymentMethods> =>
  useBillingQuery('paymentMethods', (client, tenant) => client.paymentMethods(tenant));

/** Usage of the current window, followed live. */
export function useUsage(period: UsagePeriod = 'DAY'): BillingQuery<Usage> {
  const query = useBillingQuery<Usage>(
    usageKey(period),
    (client, tenant) => client.usage({ ...tenant, period }),
    'usage',
  );
  const { data, refetch } = query;
  useAfter(data && data.apiCalls > 0 ? data.resetsAt : null, refetch);
  return query;
}

/** What the tenant may do and has: features, limits, what is stored, settings. Followed live. */
export function useEntitlements(): BillingQuery<Entitlement[]> {
  const query = useBillingQuery('entitlements', (client, tenant) => client.entitlements(tenant), 'usage');
  const { data, refetch } = query;
  const ends = (data ?? []).flatMap(({ resetsAt, used }) => (resetsAt && used ? [resetsAt] : []));
  useAfter(ends.sort()[0] ?? null, refetch);
  return query;
}

const MAX_TIMER_MS = 2 ** 31 - 1;
/** The clocks of two machines differ. */
const LATER_MS = 1_000;

/** Calls back when a window has ended: then there is nothing used of the next one, of which no message comes. */
function useAfter(at: string | null, callback: () => unknown): void {
  useEffect(() => {
    if (at === null) return;
    const wait = Math.max(Date.parse(at) - Date.now(), 0) + LATER_MS;
    const timer = setTimeout(callback, Math.min(wait, MAX_TIMER_MS));
    return () => clearTimeout(timer);
  }, [at, callback]);
}
