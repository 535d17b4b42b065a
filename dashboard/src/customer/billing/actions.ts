import { useMutation } from '@apollo/client/react';
import { useState } from 'react';
import { explain } from '../../api/errors.js';
import { toast } from '../../design/index.js';
import { type Price, termsOf } from '../../prices/prices.js';
import { CHECKOUT, PORTAL } from './documents.js';

/** Where Stripe's pages lead back to. */
const here = () => `${location.origin}${location.pathname}`;

/** Leads to Stripe's pages, or in mock mode to those that stand in for them. */
export function useStripePages(tenantId: string) {
  const [checkout] = useMutation(CHECKOUT);
  const [portal] = useMutation(PORTAL);
  /** The button that was pressed: until the browser leaves the page, none works again. */
  const [leaving, setLeaving] = useState<string | null>(null);

  /** @throws what went wrong, for a dialog to show */
  async function leave(
    button: string,
    ask: () => Promise<{ url: string; localUrl: string | null } | null | undefined>,
  ) {
    if (leaving) return;
    setLeaving(button);
    try {
      const session = await ask();
      if (!session) throw new Error('The page for the payment was not created');
      location.assign(session.localUrl ?? session.url);
    } catch (error) {
      setLeaving(null);
      throw error;
    }
  }

  return {
    leaving,
    /** @param seats null: the tier is not sold by the seat */
    buy: (tier: string, price: Price | null, seats: number | null = null) =>
      leave(tier, async () => {
        const input = {
          tier: tier as never,
          ...termsOf(price, seats),
          successUrl: `${here()}?bought=${tier}`,
          cancelUrl: here(),
        };
        return (await checkout({ variables: { tenantId, input } })).data?.createCheckoutSession;
      }),
    manage: (button = 'portal') =>
      leave(button, async () => {
        const input = { returnUrl: here() };
        return (await portal({ variables: { tenantId, input } })).data?.createPortalSession;
      }).catch(showError),
  };
}

/** Of a button that has no dialog to say it. */
export function showError(error: unknown): void {
  const { title, message, advice } = explain(error);
  toast({ tone: 'danger', title, text: `${message} ${advice}`.trim() });
}

export type StripePages = ReturnType<typeof useStripePages>;
