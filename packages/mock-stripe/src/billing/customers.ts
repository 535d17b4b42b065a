import { type MetadataChange, mergeMetadata } from '../http/params.js';
import { mockId } from '../ids.js';
import { buildCustomer, customers, type StoredCustomer } from '../objects/customer.js';
import type { Change } from '../operation.js';
import type { CustomerBody } from '../wire.js';
import { attachCard } from './cards.js';

/** What may be set of a customer; an empty string clears. */
export interface CustomerDetails {
  email?: string | undefined;
  name?: string | undefined;
  description?: string | undefined;
  phone?: string | undefined;
  balance?: number | undefined;
  preferred_locales?: string[] | undefined;
  metadata?: MetadataChange;
  /** What is left out of an address is empty. */
  address?: AddressTerms | '' | undefined;
  tax_exempt?: 'exempt' | 'none' | 'reverse' | '' | undefined;
  invoice_settings?:
    | {
        default_payment_method?: string | undefined;
        custom_fields?: { name: string; value: string }[] | undefined;
        footer?: string | undefined;
      }
    | undefined;
}

type Address = NonNullable<CustomerBody['address']>;
export type AddressTerms = { [Part in keyof Address]?: string | undefined };

export const addressOf = ({
  city,
  country,
  line1,
  line2,
  postal_code: postalCode,
  state,
}: AddressTerms): Address => ({
  city: city || null,
  country: country || null,
  line1: line1 || null,
  line2: line2 || null,
  postal_code: postalCode || null,
  state: state || null,
});

export async function applyDetails(
  change: Change,
  body: CustomerBody,
  details: CustomerDetails,
): Promise<void> {
  if (details.email !== undefined) body.email = details.email || null;
  if (details.name !== undefined) body.name = details.name || null;
  if (details.description !== undefined) body.description = details.description || null;
  if (details.phone !== undefined) body.phone = details.phone || null;
  if (details.balance !== undefined) body.balance = details.balance;
  if (details.preferred_locales !== undefined) body.preferred_locales = details.preferred_locales;
  if (details.address !== undefined) body.address = details.address ? addressOf(details.address) : null;
  if (details.tax_exempt !== undefined) body.tax_exempt = details.tax_exempt || 'none';
  body.metadata = mergeMetadata(body.metadata, details.metadata);
  const { custom_fields: customFields, footer } = details.invoice_settings ?? {};
  if (customFields) body.invoice_settings.custom_fields = customFields.length > 0 ? customFields : null;
  if (footer !== undefined) body.invoice_settings.footer = footer || null;
  const method = details.invoice_settings?.default_payment_method;
  if (method === '') body.invoice_settings.default_payment_method = null;
  else if (method !== undefined) {
    const param = 'invoice_settings[default_payment_method]';
    body.invoice_settings.default_payment_method = await attachCard(change, body, method, param);
  }
}

/** Creates a customer with its event, then attaches its cards. */
export async function createCustomer(
  change: Change,
  details: CustomerDetails & { payment_method?: string | undefined },
): Promise<StoredCustomer> {
  const body = buildCustomer(mockId(customers.prefix), change.nowS);
  const { invoice_settings: settings, payment_method: method, ...plain } = details;
  await applyDetails(change, body, plain);
  const stored = await change.tx.insert(customers, body.id, body, null);
  await change.emit('customer.created', body);
  if (method) await attachCard(change, body, method, 'payment_method');
  if (settings) {
    await applyDetails(change, body, { invoice_settings: settings });
    await change.tx.save(customers, stored);
  }
  return stored;
}
