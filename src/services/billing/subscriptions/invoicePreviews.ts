import type Stripe from 'stripe';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';

type Change = Stripe.InvoiceCreatePreviewParams.SubscriptionDetails;
type Taxed = Pick<BillingSubscriptionDoc, 'stripeSubscriptionId' | 'automaticTax'>;

/** What a change of a subscription would cost, computed by Stripe. */
export interface InvoicePreviews {
  /** The next invoice: at once with `always_invoice`, else that at the end of the period. */
  invoice(subscription: Taxed, change: Change): Promise<Stripe.Invoice>;
  /**
   * What each renewal costs afterwards, with its tax.
   * @param untaxedCents is returned where Stripe computes no tax, without a request
   */
  renewalCents<Cents extends number | null>(
    subscription: Taxed,
    items: Change['items'] & object,
    untaxedCents: Cents,
  ): Promise<number | Cents>;
}

export function createInvoicePreviews({ stripe }: { stripe: Stripe }): InvoicePreviews {
  /** Stripe rejects automatic tax for a subscription that is taxed in another way. */
  const paramsOf = ({ stripeSubscriptionId: subscription, automaticTax }: Taxed, details: Change) => ({
    subscription,
    subscription_details: details,
    ...(automaticTax && { automatic_tax: { enabled: true } }),
  });

  return {
    invoice: (subscription, change) => stripe.invoices.createPreview(paramsOf(subscription, change)),

    async renewalCents(subscription, items, untaxedCents) {
      if (!subscription.automaticTax) return untaxedCents;
      const details = { items, proration_behavior: 'none' as const };
      const renewal = { ...paramsOf(subscription, details), preview_mode: 'recurring' as const };
      const { total } = await stripe.invoices.createPreview(renewal);
      return total;
    },
  };
}
