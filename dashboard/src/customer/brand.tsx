import type { Brand } from '@continuum-billing/react';
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import { setProductName } from '../design/index.js';
import { publicClient } from './client.js';

/** While the server cannot be reached, the page says so under this name. */
const UNKNOWN: Brand = {
  productName: 'Billing',
  logoUrl: null,
  accentColor: null,
  supportEmail: null,
  supportUrl: null,
  upgradeUrl: '/upgrade',
  upgradesInProduct: false,
};

const BrandContext = createContext<Brand>(UNKNOWN);

export function useBrand(): Brand {
  return useContext(BrandContext);
}

/** Nothing is shown before the name is known, which takes as long as one small request. */
export function BrandProvider({ children }: { children: ReactNode }) {
  const [brand, setBrand] = useState<Brand | null>(null);
  useEffect(() => {
    publicClient
      .brand()
      .catch(() => UNKNOWN)
      .then((known) => {
        setProductName(known.productName);
        setBrand(known);
      });
  }, []);
  return brand && <BrandContext value={brand}>{children}</BrandContext>;
}

/** Where a person gets help; null if the team has not said. */
export function supportOf({
  supportUrl,
  supportEmail,
}: Pick<Brand, 'supportUrl' | 'supportEmail'>): { href: string; label: string } | null {
  if (supportUrl) return { href: supportUrl, label: 'Get help' };
  return supportEmail ? { href: `mailto:${supportEmail}`, label: supportEmail } : null;
}
