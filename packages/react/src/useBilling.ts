import type { BillingClient, TenantArguments, TierPrice } from '@continuum-billing/client';
import { useCallback, useState } from 'react';
import { useBillingContext } from './BillingProvider.js';
import { termsOf } from './prices.js';

/** A page where a person pays or manages the payment: Stripe's, or in mock mode the one that stands in for it. */
export interface PaymentPage {
  url: string;
}

export interface CheckoutOptions {
  tier: string;
  /** Default: the shortest interval's. */
  price?: TierPrice | null;
  /** Of a tier that is sold by the seat. Default: 1. */
  seats?: number | null;
  /** ISO 4217. Default: the catalogue's. */
  currency?: string | undefined;
  /** Where the checkout leads after it was paid. Default: this page. */
  successUrl?: string | undefined;
  /** Where it leads if the person goes back. Default: this page. */
  cancelUrl?: string | undefined;
}

export interface Billing {
  client: BillingClient;
  /** Names the tenant in calls of the client, where the provider has to. */
  tenant: TenantArguments;
  /** @throws BillingClientError */
  createCheckout(options: CheckoutOptions): Promise<PaymentPage>;
  /** A page at Stripe with the invoices and payment methods. @throws BillingClientError */
  createPortal(options?: { returnUrl?: string }): Promise<PaymentPage>;
  /** Reads everything that is shown again. */
  refetch(): Promise<void>;
}

const here = (): string => `${location.origin}${location.pathname}${location.search}`;

/** What the parts do, for buttons of your own. */
export function useBilling(): Billing {
  const { store } = useBillingContext();
  const { client, tenant } = store;
  const createCheckout = useCallback(
    async ({ tier, price = null, seats = null, currency, successUrl, cancelUrl }: CheckoutOptions) => {
      const { url, localUrl } = await client.createCheckoutSession({
        ...tenant,
        tier,
        ...termsOf(price, seats),
        ...(currency && { currency }),
        successUrl: successUrl ?? here(),
        cancelUrl: cancelUrl ?? here(),
      });
      return { url: localUrl ?? url };
    },
    [client, tenant],
  );
  const createPortal = useCallback(
    async ({ returnUrl }: { returnUrl?: string } = {}) => {
      const { url, localUrl } = await client.createPortalSession({
        ...tenant,
        returnUrl: returnUrl ?? here(),
      });
      return { url: localUrl ?? url };
    },
    [client, tenant],
  );
  return { client, tenant, createCheckout, createPortal, refetch: store.refetch };
}

/** Asks for a page, and goes there. */
export interface Departure {
  /** The button that was pressed: until the browser leaves the page, none works again. */
  leaving: string | null;
  error: unknown;
  /**
   * @param go called with the page instead of going there
   * @throws what went wrong, which is also in `error`
   */
  leave(
    button: string,
    ask: () => Promise<PaymentPage>,
    go?: ((page: PaymentPage) => unknown) | undefined,
  ): Promise<void>;
}

export function useDeparture(): Departure {
  const { onError } = useBillingContext();
  const [leaving, setLeaving] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  return {
    leaving,
    error,
    async leave(button, ask, go) {
      if (leaving) return;
      setLeaving(button);
      setError(null);
      try {
        const page = await ask();
        if (!go) {
          location.assign(page.url);
          return;
        }
        await go(page);
        setLeaving(null);
      } catch (thrown) {
        setLeaving(null);
        setError(thrown);
        onError(thrown);
        throw thrown;
      }
    },
  };
}
