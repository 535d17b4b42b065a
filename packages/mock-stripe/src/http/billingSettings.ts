import { z } from 'zod';
import { clearable, decimal, flag, integer, listOf, natural, text } from './params.js';

const owner = z.strictObject({ type: z.enum(['account', 'self']), account: text.optional() });
const rates = listOf(text, 20).optional();
export const automaticTax = z.strictObject({ enabled: flag, liability: owner.optional() });
export const customFields = listOf(z.strictObject({ name: text.max(40), value: text.max(140) }), 4);
export const invoiceSettings = z.strictObject({
  account_tax_ids: listOf(text).optional(),
  custom_fields: customFields.optional(),
  description: clearable.max(1_500).optional(),
  footer: clearable.max(5_000).optional(),
  issuer: owner.optional(),
});

/** How a subscription, or a phase of a schedule, is billed. */
export const billingSettings = z.strictObject({
  application_fee_percent: decimal.optional(),
  automatic_tax: automaticTax.optional(),
  billing_thresholds: z
    .union([
      z.literal(''),
      z.strictObject({ amount_gte: natural.optional(), reset_billing_cycle_anchor: flag.optional() }),
    ])
    .optional(),
  default_tax_rates: rates,
  invoice_settings: invoiceSettings.extend({ days_until_due: natural.optional() }).optional(),
  on_behalf_of: text.optional(),
  transfer_data: z.strictObject({ amount_percent: decimal.optional(), destination: text }).optional(),
});

/** The same of an item. */
export const itemSettings = z.strictObject({
  tax_rates: rates,
  billing_thresholds: z.union([z.literal(''), z.strictObject({ usage_gte: integer })]).optional(),
});
