import { BillingProvider, PricingTable } from '@continuum-billing/react';
import { useEffect } from 'react';
import { PageHeader, setLocale } from '../../design/index.js';
import { supportOf, useBrand } from '../brand.js';
import { publicClient } from '../client.js';
import { useMemoriesOf } from '../memories.js';
import { Shell } from '../Shell.js';

setLocale(navigator.language);

/** Prices for anyone. Who reads it is not known, so that it leads to the product to buy. */
export default function UpgradePage() {
  const brand = useBrand();
  const { productName, upgradesInProduct } = brand;
  useEffect(() => {
    document.documentElement.lang = 'en';
  }, []);
  return (
    <Shell>
      <PageHeader
        title="Plans and prices"
        description={
          upgradesInProduct
            ? `Choose a plan in ${productName}. You can change or cancel it at any time.`
            : `To choose or change a plan, sign in to ${productName} and open billing there.`
        }
      />
      <BillingProvider
        client={publicClient}
        tenant={null}
        locale={navigator.language}
        productName={productName}
        supportUrl={supportOf(brand)?.href ?? null}
      >
        <Prices />
      </BillingProvider>
    </Shell>
  );
}

function Prices() {
  const { upgradeUrl, upgradesInProduct } = useBrand();
  const memoriesOf = useMemoriesOf();
  return (
    <PricingTable
      heading="h2"
      tierDetails={memoriesOf}
      tierHref={() => (upgradesInProduct ? upgradeUrl : null)}
    />
  );
}
