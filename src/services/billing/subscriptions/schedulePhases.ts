import type Stripe from 'stripe';

type Phase = Stripe.SubscriptionSchedule.Phase;
type PhaseParams = Stripe.SubscriptionScheduleUpdateParams.Phase;
type ItemParams = PhaseParams['items'][number];
type InvoiceItem = Phase['add_invoice_items'][number];
type InvoiceItemParams = NonNullable<PhaseParams['add_invoice_items']>[number];
type InvoiceSettings = NonNullable<Phase['invoice_settings']>;
type InvoiceSettingsParams = NonNullable<PhaseParams['invoice_settings']>;
type AutomaticTax = NonNullable<Phase['automatic_tax']>;
type Discount = Phase['discounts'][number];
type DiscountParams = Exclude<NonNullable<PhaseParams['discounts']>, ''>[number];

/**
 * Stripe unsets each parameter that an update of a schedule does not name. This type requires all of them, so that a
 * parameter that Stripe adds is a compile error until it is copied here.
 */
type Complete<Params> = { [Name in keyof Required<Params>]: Params[Name] | undefined };

/** @returns the running phase as update parameters that leave it unchanged */
export function unchangedPhase(phase: Phase): PhaseParams {
  const { start_date, end_date, trial, trial_end, billing_cycle_anchor, proration_behavior } = phase;
  return defined<PhaseParams>({
    ...settingsOf(phase),
    items: phase.items.map(itemOf),
    start_date,
    end_date,
    add_invoice_items: nonEmpty(phase.add_invoice_items.map(invoiceItemOf)),
    billing_cycle_anchor: billing_cycle_anchor ?? undefined,
    metadata: phase.metadata ?? undefined,
    proration_behavior,
    // The two cannot be combined.
    trial: trial || undefined,
    trial_end: trial ? undefined : (trial_end ?? undefined),
  });
}

/** The prices to replace. */
export interface Replacement {
  /** The price of the tier's item. */
  priceId: string;
  newPriceId: string;
  newQuantity: number;
  /** The prices that bill overage. */
  overagePriceIds: readonly string[];
  /** null: no overage is billed. */
  newOveragePriceId: string | null;
}

/** @returns the items and settings of a phase that differs from `phase` only in its prices */
export function successorOf(
  phase: Phase,
  { priceId, newPriceId, newQuantity, overagePriceIds, newOveragePriceId }: Replacement,
): PhaseParams {
  const isRemoved = ({ price }: Phase['items'][number]) => {
    const id = idOf(price);
    return overagePriceIds.includes(id) && id !== newOveragePriceId;
  };
  const items = phase.items.filter((item) => !isRemoved(item)).map(itemOf);
  const changed = items.map((item) =>
    item.price === priceId ? { ...item, price: newPriceId, quantity: newQuantity } : item,
  );
  const lacksOverage = newOveragePriceId && !items.some(({ price }) => price === newOveragePriceId);
  return {
    ...withoutNulls(settingsOf(phase)),
    items: lacksOverage ? [...changed, { price: newOveragePriceId }] : changed,
  };
}

/** The settings that apply to later phases too: not the dates, the trial or one-time items. */
function settingsOf(
  phase: Phase,
): Complete<
  Omit<
    PhaseParams,
    | 'items'
    | 'start_date'
    | 'end_date'
    | 'duration'
    | 'add_invoice_items'
    | 'billing_cycle_anchor'
    | 'metadata'
    | 'proration_behavior'
    | 'trial'
    | 'trial_end'
  >
> {
  const { automatic_tax: tax, transfer_data: transfer } = phase;
  return {
    application_fee_percent: phase.application_fee_percent ?? undefined,
    automatic_tax: tax && { enabled: tax.enabled, ...liabilityOf(tax.liability) },
    billing_thresholds: phase.billing_thresholds ? withoutNulls(phase.billing_thresholds) : undefined,
    collection_method: phase.collection_method ?? undefined,
    currency: phase.currency,
    default_payment_method: optionalIdOf(phase.default_payment_method),
    default_tax_rates: idsOf(phase.default_tax_rates),
    description: phase.description ?? undefined,
    // Without any, the customer's own discount applies, as before.
    discounts: nonEmpty(phase.discounts.flatMap(discountOf)),
    invoice_settings: phase.invoice_settings ? invoiceSettingsOf(phase.invoice_settings) : undefined,
    on_behalf_of: optionalIdOf(phase.on_behalf_of),
    transfer_data: transfer
      ? {
          ...withoutNulls({ amount_percent: transfer.amount_percent }),
          destination: idOf(transfer.destination),
        }
      : undefined,
  };
}

function itemOf({ price, quantity, ...item }: Phase['items'][number]): ItemParams {
  const usageGte = item.billing_thresholds?.usage_gte;
  return defined<ItemParams>({
    price: idOf(price),
    // A metered price has no quantity.
    quantity,
    billing_thresholds: usageGte == null ? undefined : { usage_gte: usageGte },
    discounts: nonEmpty(item.discounts.flatMap(discountOf)),
    metadata: item.metadata ?? undefined,
    tax_rates: idsOf(item.tax_rates),
    plan: undefined,
    price_data: undefined,
  });
}

function invoiceItemOf(item: InvoiceItem): InvoiceItemParams {
  return defined<InvoiceItemParams>({
    price: idOf(item.price),
    quantity: item.quantity ?? undefined,
    discountable: item.discountable ?? undefined,
    discounts: nonEmpty(item.discounts.flatMap(discountOf)),
    metadata: item.metadata ?? undefined,
    period: item.period,
    tax_rates: idsOf(item.tax_rates),
    price_data: undefined,
  });
}

function invoiceSettingsOf({
  account_tax_ids: taxIds,
  issuer,
  ...settings
}: InvoiceSettings): InvoiceSettingsParams {
  return {
    ...withoutNulls(settings),
    ...(taxIds && { account_tax_ids: taxIds.map(idOf) }),
    ...(issuer && { issuer: ownerOf(issuer) }),
  };
}

/** An active discount is named by its own id; named by its coupon it would start again. */
function discountOf({ discount, promotion_code: code, coupon }: Discount): DiscountParams[] {
  if (discount) return [{ discount: idOf(discount) }];
  if (code) return [{ promotion_code: idOf(code) }];
  return coupon ? [{ coupon: idOf(coupon) }] : [];
}

const liabilityOf = (liability: AutomaticTax['liability']) =>
  liability ? { liability: ownerOf(liability) } : {};

const ownerOf = ({ type, account }: { type: string; account?: string | { id: string } }) => ({
  type,
  ...(account && { account: idOf(account) }),
});

const idOf = (reference: string | { id: string }): string =>
  typeof reference === 'string' ? reference : reference.id;

const optionalIdOf = (reference: string | { id: string } | null): string | undefined =>
  reference ? idOf(reference) : undefined;

const idsOf = (references: (string | { id: string })[] | null | undefined): string[] | undefined =>
  nonEmpty((references ?? []).map(idOf));

const nonEmpty = <T>(list: T[]): T[] | undefined => (list.length > 0 ? list : undefined);

type WithoutNulls<T> = { [Name in keyof T]?: NonNullable<T[Name]> };

/** Removes null and undefined values. */
const withoutNulls = <T extends object>(object: T): WithoutNulls<T> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value != null)) as WithoutNulls<T>;

const defined = <T>(complete: Complete<Omit<T, 'duration'>>): T => withoutNulls(complete) as T;
