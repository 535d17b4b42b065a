import type { BrandQuery } from '../generated/graphql.js';
import { graphql } from '../generated/index.js';
import { createClient } from './client.js';

export type Brand = BrandQuery['brand'];

/** How the product is called and looks. Anyone may read it. */
export const BRAND = graphql(`
  query Brand {
    brand {
      productName
      logoUrl
    }
  }
`);

/** For what anyone may read. */
export const publicClient = createClient({ session: null });

/** @param brand absent while it is not known. @returns how the operator's pages are called */
export const operatorName = (brand: Brand | undefined): string =>
  `${brand?.productName ?? 'Continuum'} Billing`;

/** From this server, by whatever name the browser knows it: the policy allows pictures of this origin only. */
export function pathOf(url: string): string {
  const { pathname, search } = new URL(url, location.href);
  return `${pathname}${search}`;
}
