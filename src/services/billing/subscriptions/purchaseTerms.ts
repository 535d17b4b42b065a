import type Stripe from 'stripe';
import type { StripeConfig } from '../../../config/stripeConfig.js';

/**
 * What requests that begin something at Stripe say on tax and invoices. A subscription keeps what it began with, so that
 * no change of a tier fails for a missing address, or overwrites what the operator set at Stripe for one customer.
 */
export interface PurchaseTerms {
  checkout: Pick<
    Stripe.Checkout.SessionCreateParams,
    'billing_address_collection' | 'automatic_tax' | 'tax_id_collection' | 'customer_update'
  >;
  /** Of the subscription that a checkout starts; its tax follows from the checkout. */
  checkoutSubscription: { invoice_settings?: InvoiceSettings };
  /** Of a subscription that is started without a checkout. */
  subscription: { automatic_tax?: { enabled: true }; invoice_settings?: InvoiceSettings };
  /** Of a price that is made for one subscription. */
  price: { tax_behavior?: 'exclusive' | 'inclusive' };
  /** For invoices that are not of a subscription. */
  customer: { invoice_settings?: Omit<InvoiceSettings, 'description'> };
}

interface InvoiceSettings {
  description?: string;
  footer?: string;
  custom_fields?: { name: string; value: string }[];
}

export function purchaseTermsOf({ tax, invoices }: Pick<StripeConfig, 'tax' | 'invoices'>): PurchaseTerms {
  const { description, footer, customFields } = invoices;
  const onEach = {
    ...(footer && { footer }),
    ...(customFields.length > 0 && { custom_fields: [...customFields] }),
  };
  const onSubscription = settingsOf({ ...(description && { description }), ...onEach });
  return {
    checkout: {
      billing_address_collection: tax.addressCollection,
      ...(tax.automatic && { automatic_tax: { enabled: true } }),
      ...(tax.collectsIds && { tax_id_collection: { enabled: true } }),
      ...customerUpdateOf(tax),
    },
    checkoutSubscription: onSubscription,
    subscription: { ...(tax.automatic && { automatic_tax: { enabled: true } }), ...onSubscription },
    price: { ...(tax.behavior && { tax_behavior: tax.behavior }) },
    customer: settingsOf(onEach),
  };
}

/** Without them, Stripe rejects a checkout of an existing customer: tax needs its address, a tax id its name. */
function customerUpdateOf({ automatic, collectsIds, addressCollection }: StripeConfig['tax']) {
  if (!automatic && !collectsIds && addressCollection === 'auto') return {};
  return { customer_update: { address: 'auto' as const, ...(collectsIds && { name: 'auto' as const }) } };
}

const settingsOf = <Settings extends object>(settings: Settings): { invoice_settings?: Settings } =>
  Object.keys(settings).length > 0 ? { invoice_settings: settings } : {};
