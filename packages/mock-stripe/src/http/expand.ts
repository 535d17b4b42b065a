import { subscriptions } from '../objects/subscription.js';
import type { Tx } from '../storage/store.js';
import { invalidRequest } from './errors.js';

const MAX_DEPTH = 4;
/** A list inside another object has the default length. */
const MAX_NESTED = 10;
type Json = Record<string, unknown>;

/**
 * Replaces ids by the objects that they name, as `expand[]` asks: `latest_invoice`, `data.customer`,
 * `items.data.price`. `subscriptions` of a customer are its current ones, which only an expanded customer shows.
 * @returns a copy
 * @throws MockStripeError (400) for a path that leads nowhere
 */
export async function expandPaths(tx: Tx, answer: unknown, paths: readonly string[]): Promise<unknown> {
  const copy = structuredClone(answer) as Json;
  for (const path of paths) {
    const fields = path.split('.');
    if (fields.length > MAX_DEPTH) {
      throw invalidRequest(`You cannot expand more than ${MAX_DEPTH} levels of a property (${path}).`);
    }
    await expandField(tx, copy, fields, path);
  }
  return paths.some((path) => path.endsWith(CURRENCY_OPTIONS)) ? copy : withoutCurrencyOptions(copy);
}

const CURRENCY_OPTIONS = 'currency_options';

/** Stripe shows what a price costs in other currencies only where that is expanded. */
export function withoutCurrencyOptions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutCurrencyOptions);
  if (typeof value !== 'object' || value === null) return value;
  const { [CURRENCY_OPTIONS]: _, ...rest } = value as Json;
  const shown = (value as Json).object === 'price' ? rest : (value as Json);
  return Object.fromEntries(Object.entries(shown).map(([name, one]) => [name, withoutCurrencyOptions(one)]));
}

async function expandField(tx: Tx, holder: Json, fields: string[], path: string): Promise<void> {
  const [field, ...rest] = fields;
  if (field === undefined) return;
  let value = holder[field];
  if (field === 'subscriptions' && holder.object === 'customer')
    value = await currentSubscriptions(tx, String(holder.id));
  if (value === undefined)
    throw invalidRequest(`This property cannot be expanded (${path}).`, { param: 'expand' });
  if (typeof value === 'string') value = await loadOrReject(tx, value, path);
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value)
      items.push(typeof item === 'string' ? await loadOrReject(tx, item, path) : item);
    value = items;
  }
  holder[field] = value;
  const next = Array.isArray(value) ? value : [value];
  for (const item of next)
    if (typeof item === 'object' && item !== null) await expandField(tx, item, rest, path);
}

async function currentSubscriptions(tx: Tx, customer: string): Promise<Json> {
  const current = { 'refs.customer': customer, 'refs.status': { $nin: ['canceled', 'incomplete_expired'] } };
  const found = await tx.list(subscriptions, current, MAX_NESTED + 1);
  const data = found.slice(0, MAX_NESTED).map(({ body }) => body);
  const url = `/v1/customers/${customer}/subscriptions`;
  return { object: 'list', data, has_more: found.length > MAX_NESTED, url };
}

async function loadOrReject(tx: Tx, id: string, path: string): Promise<unknown> {
  const found = await load(tx, id);
  if (found === null)
    throw invalidRequest(`This property cannot be expanded (${path}).`, { param: 'expand' });
  return found;
}

async function load(tx: Tx, id: string): Promise<unknown> {
  const found = await tx.collections.objects.findOne({ _id: id }, tx.session ? { session: tx.session } : {});
  if (!found) return null;
  return found.deleted ? { id, object: found.object, deleted: true } : found.body;
}
