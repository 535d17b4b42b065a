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
  invoice_settings?: { default_payment_method?: string | undefined } | undefined;
}

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
  body.metadata = mergeMetadata(body.metadata, details.metadata);
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
