import type { BrandQuery } from '../generated/graphql.js';
import { graphql } from '../generated/index.js';

export type Brand = BrandQuery['brand'];

/** How the product is called and looks. Anyone may read it. */
export const BRAND = graphql(`
  query Brand {
    brand {
      productName
      logoUrl
      supportEmail
      supportUrl
      upgradeUrl
      upgradesInProduct
    }
  }
`);

/** From this server, by whatever name the browser knows it: the policy allows pictures of this origin only. */
export function pathOf(url: string): string {
  const { pathname, search } = new URL(url, location.href);
  return `${pathname}${search}`;
}
