import type { z } from 'zod';
import type { billingSettings, itemSettings } from '../http/billingSettings.js';
import { taxRates } from '../objects/taxRate.js';
import type { Tx } from '../storage/store.js';
import type { PhaseBody, SubscriptionBody, SubscriptionItemBody } from '../wire.js';

/** How a subscription, or a phase of a schedule, is billed: stored and returned, without effect on an invoice. */
export type BillingSettings = z.infer<typeof billingSettings>;
export type ItemSettings = z.infer<typeof itemSettings>;

type Settings = Pick<
  SubscriptionBody,
  | 'application_fee_percent'
  | 'automatic_tax'
  | 'billing_thresholds'
  | 'default_tax_rates'
  | 'invoice_settings'
  | 'on_behalf_of'
  | 'transfer_data'
>;

/** @returns what the parameters set, as Stripe shows it; what they do not name is not in it */
export async function settingsFrom(tx: Tx, params: BillingSettings): Promise<Partial<Settings>> {
  const { automatic_tax: tax, billing_thresholds: thresholds, transfer_data: transfer } = params;
  const shown: { [Name in keyof Settings]: unknown } = {
    application_fee_percent: params.application_fee_percent,
    automatic_tax: tax && { disabled_reason: null, enabled: tax.enabled, liability: tax.liability ?? null },
    billing_thresholds: thresholds && {
      amount_gte: thresholds.amount_gte ?? null,
      reset_billing_cycle_anchor: thresholds.reset_billing_cycle_anchor ?? null,
    },
    default_tax_rates: params.default_tax_rates && (await ratesOf(tx, params.default_tax_rates)),
    invoice_settings: params.invoice_settings && { ...NO_INVOICE_SETTINGS, ...params.invoice_settings },
    on_behalf_of: params.on_behalf_of,
    transfer_data: transfer && {
      amount_percent: transfer.amount_percent ?? null,
      destination: transfer.destination,
    },
  };
  const cleared = thresholds === '' ? { billing_thresholds: null } : {};
  return { ...Object.fromEntries(Object.entries(shown).filter(([, value]) => value)), ...cleared };
}

/** @returns the same of an item */
export async function itemSettingsFrom(
  tx: Tx,
  { tax_rates: rates, billing_thresholds: thresholds }: ItemSettings,
): Promise<Partial<Pick<SubscriptionItemBody, 'tax_rates' | 'billing_thresholds'>>> {
  return {
    ...(rates && { tax_rates: await ratesOf(tx, rates) }),
    ...(thresholds !== undefined && { billing_thresholds: thresholds || null }),
  };
}

async function ratesOf(tx: Tx, ids: readonly string[]) {
  return Promise.all(ids.map(async (id) => (await tx.get(taxRates, id, 'tax_rates')).body));
}

const NO_INVOICE_SETTINGS = {
  account_tax_ids: null,
  custom_fields: null,
  description: null,
  footer: null,
  issuer: { type: 'self' as const },
};

/** What a subscription has where neither its phase nor its schedule says anything. */
const UNSET: Settings = {
  application_fee_percent: null,
  automatic_tax: { disabled_reason: null, enabled: false, liability: null },
  billing_thresholds: null,
  default_tax_rates: [],
  invoice_settings: NO_INVOICE_SETTINGS,
  on_behalf_of: null,
  transfer_data: null,
};

/** Gives a subscription the settings of its phase: what the phase does not have is unset. */
export function takeSettings(body: SubscriptionBody, phase: PhaseBody): void {
  const { days_until_due: daysUntilDue = null, ...invoiceSettings } = phase.invoice_settings ?? {};
  const own = { ...phase, invoice_settings: phase.invoice_settings && invoiceSettings };
  for (const name of Object.keys(UNSET) as (keyof Settings)[]) {
    Object.assign(body, { [name]: own[name] ?? UNSET[name] });
  }
  body.collection_method = phase.collection_method ?? 'charge_automatically';
  body.days_until_due = body.collection_method === 'send_invoice' ? daysUntilDue : null;
  body.default_payment_method = phase.default_payment_method as SubscriptionBody['default_payment_method'];
  body.description = phase.description;
}

/** The settings of a subscription, as a phase of a schedule has them. */
export function phaseSettingsOf(body: SubscriptionBody): Partial<PhaseBody> {
  const { application_fee_percent, automatic_tax, billing_thresholds, on_behalf_of, transfer_data } = body;
  return {
    application_fee_percent,
    automatic_tax,
    billing_thresholds,
    on_behalf_of,
    transfer_data,
    collection_method: body.collection_method,
    default_payment_method: body.default_payment_method,
    default_tax_rates: body.default_tax_rates ?? [],
    description: body.description,
    invoice_settings: { ...body.invoice_settings, days_until_due: body.days_until_due },
  } as Partial<PhaseBody>;
}
