import type { Catalogue } from '../../catalogue/catalogue.js';
import { soldNameOf } from '../../catalogue/displayNames.js';
import type { Brand } from '../../config/brand.js';

/** The names of a tier's products at Stripe, as people read them at checkout and on invoices. */
export function productNames({ productName }: Brand, catalogue: Catalogue, tier: string) {
  const name = `${productName} ${soldNameOf(catalogue, tier)}`;
  return { tier: name, overage: `${name}: calls past the daily quota` };
}
