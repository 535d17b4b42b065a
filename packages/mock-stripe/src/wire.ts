import type Stripe from 'stripe';

/** A Stripe object as it travels in JSON: the SDK's own type, with decimals still strings. */
export type Wire<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends Stripe.Decimal
    ? string
    : T extends (infer Element)[]
      ? Wire<Element>[]
      : T extends object
        ? { [Key in keyof T]: Wire<T[Key]> }
        : T;

export type CustomerBody = Wire<Stripe.Customer>;
export type ProductBody = Wire<Stripe.Product>;
export type PriceBody = Wire<Stripe.Price>;
export type TaxRateBody = Wire<Stripe.TaxRate>;
export type TaxIdBody = Wire<Stripe.TaxId>;
export type PaymentMethodBody = Wire<Stripe.PaymentMethod>;
export type SessionBody = Wire<Stripe.Checkout.Session>;
export type LineItemBody = Wire<Stripe.LineItem>;
export type SubscriptionBody = Wire<Stripe.Subscription>;
export type SubscriptionItemBody = Wire<Stripe.SubscriptionItem>;
export type ScheduleBody = Wire<Stripe.SubscriptionSchedule>;
export type PhaseBody = Wire<Stripe.SubscriptionSchedule.Phase>;
export type InvoiceBody = Wire<Stripe.Invoice>;
export type InvoiceLineBody = Wire<Stripe.InvoiceLineItem>;
export type PortalSessionBody = Wire<Stripe.BillingPortal.Session>;
export type PortalConfigurationBody = Wire<Stripe.BillingPortal.Configuration>;
export type WebhookEndpointBody = Wire<Stripe.WebhookEndpoint>;
export type CouponBody = Wire<Stripe.Coupon>;
export type PromotionCodeBody = Wire<Stripe.PromotionCode>;
export type DiscountBody = Wire<Stripe.Discount>;
/** The part of an account that is stored. */
export type AccountBody = Pick<
  Wire<Stripe.Account>,
  'id' | 'object' | 'charges_enabled' | 'details_submitted' | 'payouts_enabled' | 'type'
> & {
  created: number;
};
/** The part of a charge that is stored. */
export type ChargeBody = Pick<
  Wire<Stripe.Charge>,
  | 'id'
  | 'object'
  | 'amount'
  | 'amount_captured'
  | 'amount_refunded'
  | 'captured'
  | 'created'
  | 'currency'
  | 'customer'
  | 'description'
  | 'disputed'
  | 'livemode'
  | 'metadata'
  | 'paid'
  | 'refunded'
  | 'status'
>;
/** The part of a dispute that is stored. */
export type DisputeBody = Pick<
  Wire<Stripe.Dispute>,
  | 'id'
  | 'object'
  | 'amount'
  | 'charge'
  | 'created'
  | 'currency'
  | 'evidence_details'
  | 'is_charge_refundable'
  | 'livemode'
  | 'metadata'
  | 'reason'
  | 'status'
>;
export type MeterBody = Wire<Stripe.Billing.Meter>;
export type MeterEventBody = Wire<Stripe.Billing.MeterEvent>;
export type MeterSummaryBody = Wire<Stripe.Billing.MeterEventSummary>;

/** The part of every event that does not depend on its type. */
export interface EventBody {
  id: string;
  object: 'event';
  api_version: string;
  created: number;
  data: { object: unknown; previous_attributes?: Record<string, unknown> };
  livemode: boolean;
  pending_webhooks: number;
  request: { id: string | null; idempotency_key: string | null } | null;
  type: string;
}

export interface ListBody<T> {
  object: 'list';
  data: T[];
  has_more: boolean;
  url: string;
}

/** The id behind a field that may hold an id or the object itself. */
export function idOf(value: string | { id?: string } | null | undefined): string | null {
  if (value == null) return null;
  return typeof value === 'string' ? value : (value.id ?? null);
}
