import { type Interval, nextBoundary } from '../calendar.js';
import { mockId } from '../ids.js';
import type { Kind, Stored } from '../storage/store.js';
import { idOf, type PriceBody, type SubscriptionBody, type SubscriptionItemBody } from '../wire.js';
import { isMetered } from './price.js';

/** An incomplete first payment is given up after this. */
const INCOMPLETE_LIFE_S = 23 * 3600;

/** An amount that waits for the next invoice. */
export interface PendingLine {
  itemId: string;
  price: string;
  product: string;
  amountCents: number;
  /** Present for metered usage; absent for a proration. */
  usage?: { quantity: number; unitAmount: string | null };
  description: string;
  fromS: number;
  untilS: number;
}

export interface SubscriptionHidden {
  /** Tries made after the first failed payment. */
  retries: number;
  /** When the latest invoice is tried again; when it is sent, by when it is to be paid. */
  retryAtS: number | null;
  pending: PendingLine[];
  /** The trial end that `trial_will_end` has been sent for. */
  trialEndSaid?: number;
  /** From when the metered items count, by item, where that is after their making. */
  countedFromS?: Record<string, number>;
}

export type StoredSubscription = Stored<SubscriptionBody, SubscriptionHidden>;

export const subscriptions: Kind<SubscriptionBody, SubscriptionHidden> = {
  object: 'subscription',
  prefix: 'sub',
  refs: ({ customer, status, items }) => ({
    customer: idOf(customer) ?? '',
    status,
    prices: items.data.map(({ price }) => price.id),
  }),
  dueAt(body, { retryAtS, trialEndSaid }) {
    const endings = [body.cancel_at, body.pause_collection?.resumes_at ?? null];
    switch (body.status) {
      case 'trialing':
        return earliest([
          ...endings,
          body.trial_end,
          trialEndSaid === body.trial_end ? null : noticeOf(body),
        ]);
      case 'active':
        return earliest([...endings, periodOf(body).end, retryAtS]);
      case 'past_due':
        return earliest([...endings, periodOf(body).end, retryAtS]);
      case 'incomplete':
        return body.created + INCOMPLETE_LIFE_S;
      case 'paused':
        return earliest(endings);
      case 'unpaid':
        return body.pause_collection?.resumes_at ?? null;
      default:
        return null;
    }
  },
};

const TRIAL_NOTICE_S = 3 * 86_400;

/** When `trial_will_end` is sent: three days before the end, or at once where the trial is shorter. */
export const noticeOf = ({ trial_end: endS }: SubscriptionBody): number | null =>
  endS === null ? null : endS - TRIAL_NOTICE_S;

function earliest(moments: (number | null)[]): number | null {
  const known = moments.filter((moment) => moment !== null);
  return known.length === 0 ? null : Math.min(...known);
}

export interface Period {
  start: number;
  end: number;
}

/** The current period: that of the item which ends first. */
export function periodOf({ items }: SubscriptionBody): Period {
  const ends = items.data.map((item) => ({ start: item.current_period_start, end: item.current_period_end }));
  return ends.reduce((first, period) => (period.end < first.end ? period : first));
}

/** Moves every item to a period. */
export function setPeriod(body: SubscriptionBody, { start, end }: Period): void {
  for (const item of body.items.data) {
    item.current_period_start = start;
    item.current_period_end = end;
  }
}

/**
 * Begins the next period of items, each in its own interval and all in the cycle of the subscription's anchor.
 * @param which those whose period has ended by then, or all
 * @returns those items
 */
export function beginPeriods(
  { items, billing_cycle_anchor: anchorS }: SubscriptionBody,
  startS: number,
  which: 'due' | 'all',
): SubscriptionItemBody[] {
  const begun = which === 'all' ? items.data : items.data.filter((item) => item.current_period_end <= startS);
  for (const item of begun) {
    const { start, end } = periodFrom(startS, anchorS, item.price);
    item.current_period_start = start;
    item.current_period_end = end;
  }
  return begun;
}

/** The period of a new item: that of the items paid as often, or the rest of the one that it would be in. */
export function periodOfNew(body: SubscriptionBody, price: PriceBody, nowS: number): Period {
  if (body.status === 'trialing') return periodOf(body);
  const alike = body.items.data.find((item) => sameCycle(item.price, price));
  return alike
    ? { start: alike.current_period_start, end: alike.current_period_end }
    : periodFrom(nowS, body.billing_cycle_anchor, price);
}

export const sameCycle = ({ recurring: one }: PriceBody, { recurring: other }: PriceBody): boolean =>
  one?.interval === other?.interval && one?.interval_count === other?.interval_count;

/** The period that begins at a moment, in the cycle of the subscription's anchor. */
export function periodFrom(startS: number, anchorS: number, price: PriceBody): Period {
  const { interval, interval_count: count } = price.recurring ?? { interval: 'month', interval_count: 1 };
  return { start: startS, end: nextBoundary(anchorS, interval as Interval, count, startS) };
}

export interface ItemTerms {
  price: PriceBody;
  /** Ignored for a metered price. */
  quantity: number;
  metadata: Record<string, string>;
  settings?: Partial<Pick<SubscriptionItemBody, 'tax_rates' | 'billing_thresholds'>>;
}

export function buildItem(
  subscription: string,
  { price, quantity, metadata, settings }: ItemTerms,
  period: Period,
  nowS: number,
): SubscriptionItemBody {
  return {
    id: mockId('si'),
    object: 'subscription_item',
    billing_thresholds: null,
    created: nowS,
    current_period_end: period.end,
    current_period_start: period.start,
    current_trial: null,
    discounts: [],
    metadata,
    plan: planOf(price),
    price,
    ...(isMetered(price) ? {} : { quantity }),
    subscription,
    tax_rates: [],
    ...settings,
  };
}

/** The older form of a price, which Stripe still sends next to it. */
export function planOf(price: PriceBody): SubscriptionItemBody['plan'] {
  return {
    id: price.id,
    object: 'plan',
    active: price.active,
    amount: price.unit_amount,
    amount_decimal: price.unit_amount_decimal,
    billing_scheme: price.billing_scheme,
    created: price.created,
    currency: price.currency,
    interval: price.recurring?.interval ?? 'month',
    interval_count: price.recurring?.interval_count ?? 1,
    livemode: false,
    metadata: price.metadata,
    meter: price.recurring?.meter ?? null,
    nickname: price.nickname,
    product: price.product,
    tiers_mode: null,
    transform_usage: null,
    trial_period_days: null,
    usage_type: price.recurring?.usage_type ?? 'licensed',
  };
}

export interface SubscriptionTerms {
  customer: string;
  currency: string;
  metadata: Record<string, string>;
  description: string | null;
  paymentMethod: string | null;
  trialEndS: number | null;
  /** Invoices are sent, and wait so long; null: charged automatically. */
  daysUntilDue: number | null;
  settings?: Partial<SubscriptionBody>;
  /** What happens at the end of a trial without a payment method. */
  missingPaymentMethod: 'cancel' | 'create_invoice' | 'pause';
}

/** @returns a subscription without items, not yet paid for */
export function buildSubscription(id: string, terms: SubscriptionTerms, nowS: number): SubscriptionBody {
  const { trialEndS } = terms;
  return {
    id,
    object: 'subscription',
    application: null,
    application_fee_percent: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: trialEndS ?? nowS,
    billing_cycle_anchor_config: null,
    billing_mode: { flexible: { proration_discounts: 'included' }, type: 'flexible', updated_at: nowS },
    billing_schedules: [],
    billing_thresholds: null,
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: null,
    cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
    collection_method: terms.daysUntilDue === null ? 'charge_automatically' : 'send_invoice',
    created: nowS,
    currency: terms.currency,
    customer: terms.customer,
    customer_account: null,
    days_until_due: terms.daysUntilDue,
    default_payment_method: terms.paymentMethod,
    default_source: null,
    default_tax_rates: [],
    description: terms.description,
    discounts: [],
    ended_at: null,
    invoice_settings: {
      account_tax_ids: null,
      custom_fields: null,
      description: null,
      footer: null,
      issuer: { type: 'self' },
    },
    items: { object: 'list', data: [], has_more: false, url: `/v1/subscription_items?subscription=${id}` },
    latest_invoice: null,
    livemode: false,
    managed_payments: { enabled: false },
    metadata: terms.metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null,
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: 'off',
    },
    pending_invoice_item_interval: null,
    pending_setup_intent: null,
    pending_update: null,
    schedule: null,
    start_date: nowS,
    status: trialEndS ? 'trialing' : 'incomplete',
    test_clock: null,
    transfer_data: null,
    trial_end: trialEndS,
    trial_settings: {
      end_behavior: { billing_cycle_anchor: null, missing_payment_method: terms.missingPaymentMethod },
    },
    trial_start: trialEndS ? nowS : null,
    ...terms.settings,
  };
}
