import { useMemo } from 'react';
import { useSubscription, useTenant, useTiers } from './hooks.js';
import type { Account } from './planState.js';

/** What the parts of the plan need together. */
export function useAccount(): { account: Account | null; error: Error | null; refetch(): Promise<unknown> } {
  const tiers = useTiers();
  const subscription = useSubscription();
  const tenant = useTenant();
  const account = useMemo(
    () =>
      tiers.data && subscription.data && tenant.data
        ? { tiers: tiers.data, subscription: subscription.data, tenant: tenant.data }
        : null,
    [tiers.data, subscription.data, tenant.data],
  );
  return {
    account,
    error: tiers.error ?? subscription.error ?? tenant.error,
    refetch: () => Promise.all([tiers.refetch(), subscription.refetch(), tenant.refetch()]),
  };
}
