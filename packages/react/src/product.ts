import { useBillingContext } from './BillingProvider.js';
import { useBrand } from './hooks.js';

/** What the product is called, and where people get help. */
export interface Product {
  name: string;
  /** null: nowhere. */
  supportUrl: string | null;
}

/** From the provider, and otherwise as the server says. */
export function useProduct(): Product {
  const { productName, supportUrl } = useBillingContext();
  const { data: brand } = useBrand();
  const fromBrand = brand?.supportUrl ?? (brand?.supportEmail ? `mailto:${brand.supportEmail}` : null);
  return {
    name: productName ?? brand?.productName ?? '',
    supportUrl: supportUrl === undefined ? fromBrand : supportUrl,
  };
}
