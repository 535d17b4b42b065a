import { z } from 'zod';
import { billingSettings, itemSettings } from '../http/billingSettings.js';
import {
  clearable,
  expand,
  flag,
  ignoring,
  integer,
  listOf,
  metadata,
  natural,
  object,
  prorationBehavior,
  taxBehavior,
  text,
} from '../http/params.js';

const cancelAt = z.union([z.literal(''), z.enum(['min_period_end', 'max_period_end']), integer]).optional();
export const cancellationDetails = z
  .strictObject({
    comment: clearable.optional(),
    feedback: clearable.optional(),
    ...ignoring(text, 'feedback_option'),
  })
  .optional();
const priceData = z
  .strictObject({
    currency: text,
    product: text,
    unit_amount: natural,
    recurring: z.strictObject({
      interval: z.enum(['day', 'week', 'month', 'year']),
      interval_count: integer.optional(),
    }),
    tax_behavior: taxBehavior.optional(),
  })
  .optional();
const item = {
  price: text.optional(),
  price_data: priceData,
  quantity: natural.optional(),
  metadata,
  ...itemSettings.shape,
};
const discountTerms = z.strictObject({
  coupon: text.optional(),
  promotion_code: text.optional(),
  discount: text.optional(),
});
const shared = {
  cancel_at: cancelAt,
  cancel_at_period_end: flag.optional(),
  default_payment_method: text.optional(),
  description: clearable.optional(),
  discounts: listOf(discountTerms, 20).optional(),
  metadata,
  trial_end: z.union([z.literal('now'), integer]).optional(),
  trial_settings: z
    .strictObject({
      end_behavior: z.strictObject({ missing_payment_method: z.enum(['cancel', 'create_invoice', 'pause']) }),
    })
    .optional(),
  expand,
  ...billingSettings.shape,
  collection_method: z.enum(['charge_automatically', 'send_invoice']).optional(),
  days_until_due: natural.optional(),
  ...ignoring(flag, 'off_session'),
  ...ignoring(object, 'payment_settings'),
};
export const creation = z.strictObject({
  ...shared,
  customer: text,
  items: listOf(z.strictObject(item), 20),
  trial_period_days: natural.optional(),
  payment_behavior: z.enum(['allow_incomplete', 'default_incomplete', 'error_if_incomplete']).optional(),
  ...ignoring(z.looseObject({ type: z.enum(['classic', 'flexible']) }), 'billing_mode'),
  ...ignoring(prorationBehavior, 'proration_behavior'),
});
export const change = z.strictObject({
  ...shared,
  items: listOf(
    z.strictObject({
      ...item,
      id: text.optional(),
      deleted: flag.optional(),
      ...ignoring(flag, 'clear_usage'),
    }),
    20,
  ).optional(),
  pause_collection: z
    .union([
      z.literal(''),
      z.strictObject({
        behavior: z.enum(['keep_as_draft', 'mark_uncollectible', 'void']),
        resumes_at: integer.optional(),
      }),
    ])
    .optional(),
  proration_behavior: prorationBehavior.optional(),
  proration_date: integer.optional(),
  payment_behavior: z.enum(['allow_incomplete', 'default_incomplete', 'error_if_incomplete']).optional(),
  cancellation_details: cancellationDetails,
  billing_cycle_anchor: z.strictObject({ type: z.enum(['now', 'unchanged']) }).optional(),
});
