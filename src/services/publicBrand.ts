import type { Brand, Logo } from '../config/brand.js';

export const LOGO_PATH = '/brand/logo';

/** The brand as pages and clients of the API see it. */
export interface PublicBrand {
  read(): Omit<Brand, 'logo'> & {
    logoUrl: string | null;
    /** Where a person upgrades. */
    upgradeUrl: string;
    /** Whether that is in the team's own product. */
    upgradesInProduct: boolean;
  };
  readonly logo: Logo | null;
}

export function createPublicBrand(deps: {
  brand: Brand;
  /** `UPGRADE_URL`; null: this server's price page. */
  ownUpgradeUrl: string | null;
  publicUrl: () => string;
  upgradeUrl: () => string;
}): PublicBrand {
  const { publicUrl, upgradeUrl, ownUpgradeUrl } = deps;
  const { logo, ...brand } = deps.brand;
  return {
    logo,
    read: () => ({
      ...brand,
      // With the digest browsers may keep the image for good.
      logoUrl: logo && `${publicUrl()}${LOGO_PATH}?v=${logo.digest}`,
      upgradeUrl: upgradeUrl(),
      upgradesInProduct: ownUpgradeUrl !== null,
    }),
  };
}
