import type { Kind, Stored } from '../storage/store.js';
import { idOf, type PhaseBody, type ScheduleBody, type SubscriptionBody } from '../wire.js';
import { type ItemTerms, type Period, periodOf } from './subscription.js';

export type StoredSchedule = Stored<ScheduleBody>;

export const schedules: Kind<ScheduleBody> = {
  object: 'subscription_schedule',
  prefix: 'sub_sched',
  refs: ({ customer, subscription, status }) => ({
    customer: idOf(customer) ?? '',
    subscription: idOf(subscription) ?? '',
    status,
  }),
};

export interface PhaseTerms {
  items: PhaseBody['items'];
  metadata: Record<string, string>;
  discounts: PhaseBody['discounts'];
  proration: 'always_invoice' | 'create_prorations' | 'none';
  settings: Partial<PhaseBody>;
}

export function buildPhase(period: Period, currency: string, terms: PhaseTerms): PhaseBody {
  return {
    add_invoice_items: [],
    application_fee_percent: null,
    billing_cycle_anchor: null,
    billing_thresholds: null,
    collection_method: null,
    currency,
    default_payment_method: null,
    default_tax_rates: [],
    description: null,
    discounts: terms.discounts,
    end_date: period.end,
    invoice_settings: null,
    items: terms.items,
    metadata: terms.metadata,
    on_behalf_of: null,
    proration_behavior: terms.proration,
    start_date: period.start,
    transfer_data: null,
    trial_end: null,
    ...terms.settings,
  };
}

/** @param terms of a metered price without a quantity */
export function buildPhaseItem(
  price: string,
  terms: { quantity: number | undefined; metadata: Record<string, string> } & NonNullable<
    ItemTerms['settings']
  >,
): PhaseBody['items'][number] {
  const { quantity, ...settings } = terms;
  return {
    billing_thresholds: null,
    discounts: [],
    plan: price,
    price,
    ...(quantity === undefined ? {} : { quantity }),
    tax_rates: [],
    ...settings,
  } as PhaseBody['items'][number];
}

/** @returns a schedule whose one phase is the subscription as it is, to the end of its period */
export function buildSchedule(
  id: string,
  subscription: SubscriptionBody,
  settings: Partial<PhaseBody>,
  nowS: number,
): ScheduleBody {
  const period = periodOf(subscription);
  const phase = buildPhase(period, subscription.currency, {
    items: subscription.items.data.map(({ price, quantity, metadata, tax_rates, billing_thresholds }) =>
      buildPhaseItem(price.id, { quantity, metadata, tax_rates, billing_thresholds }),
    ),
    metadata: subscription.metadata,
    discounts: subscription.discounts.map((discount) => ({
      coupon: null,
      discount: idOf(discount),
      promotion_code: null,
    })) as PhaseBody['discounts'],
    proration: 'create_prorations',
    settings,
  });
  return {
    id,
    object: 'subscription_schedule',
    application: null,
    billing_mode: subscription.billing_mode as ScheduleBody['billing_mode'],
    canceled_at: null,
    completed_at: null,
    created: nowS,
    current_phase: { start_date: period.start, end_date: period.end },
    customer: idOf(subscription.customer) ?? '',
    customer_account: null,
    default_settings: {
      application_fee_percent: null,
      billing_cycle_anchor: 'automatic',
      billing_thresholds: null,
      collection_method: 'charge_automatically',
      default_payment_method: null,
      description: null,
      invoice_settings: {
        account_tax_ids: null,
        custom_fields: null,
        days_until_due: null,
        description: null,
        footer: null,
        issuer: { type: 'self' },
      },
      on_behalf_of: null,
      transfer_data: null,
    },
    end_behavior: 'release',
    livemode: false,
    metadata: {},
    pause_schedules: [],
    phases: [phase],
    released_at: null,
    released_subscription: null,
    status: 'active',
    subscription: subscription.id,
    test_clock: null,
  };
}
