import { ApolloProvider, useQuery } from '@apollo/client/react';
import { useEffect, useState } from 'react';
import { publicClient } from '../../api/brand.js';
import {
  ButtonAnchor,
  ErrorState,
  PageHeader,
  PriceCards,
  Skeleton,
  Stack,
  setLocale,
} from '../../design/index.js';
import { graphql } from '../../generated/index.js';
import { type Cycle, cyclesOf, priceAt } from '../../prices/prices.js';
import { supportOf, useBrand } from '../brand.js';
import { CycleSwitch } from '../plans/CycleSwitch.js';
import { TierCard } from '../plans/TierCard.js';
import { type Tier, trialText } from '../plans/tierTerms.js';
import { Shell } from '../Shell.js';

const PRICES = graphql(`
  query Prices {
    tiers {
      ...TierTerms
    }
  }
`);

/** Prices for anyone. Who reads it is not known, so that it leads to the product to buy. */
export default function UpgradePage() {
  return (
    <ApolloProvider client={publicClient}>
      <Shell>
        <Prices />
      </Shell>
    </ApolloProvider>
  );
}

setLocale(navigator.language);

function Prices() {
  const { data, error, refetch } = useQuery(PRICES);
  const brand = useBrand();
  const { productName, upgradeUrl, upgradesInProduct } = brand;
  const support = supportOf(brand);
  const [cycle, setCycle] = useState<Cycle | null>(null);
  useEffect(() => {
    document.documentElement.lang = 'en';
  }, []);
  return (
    <Stack>
      <PageHeader
        title="Plans and prices"
        description={
          upgradesInProduct
            ? `Choose a plan in ${productName}. You can change or cancel it at any time.`
            : `To choose or change a plan, sign in to ${productName} and open billing there.`
        }
      />
      {data ? (
        <>
          <CycleSwitch cycles={cyclesOf(data.tiers)} value={cycle} onChange={setCycle} />
          <PriceCards label="Plans">
            {data.tiers.map((tier) => (
              <TierCard
                key={tier.name}
                heading="h2"
                tier={tier}
                price={priceAt(tier, cycle)}
                note={noteOf(tier)}
                action={actionOf(tier)}
              />
            ))}
          </PriceCards>
        </>
      ) : error ? (
        <ErrorState error={error} onRetry={refetch} />
      ) : (
        <Skeleton lines={12} />
      )}
    </Stack>
  );

  function actionOf({ checkout, displayName }: Tier) {
    if (!upgradesInProduct) return null;
    if (checkout === 'CONTACT_SALES')
      return support && <ButtonAnchor href={support.href}>Contact us</ButtonAnchor>;
    return (
      <ButtonAnchor href={upgradeUrl} variant={checkout === 'NONE' ? 'secondary' : 'primary'}>
        Choose {displayName}
      </ButtonAnchor>
    );
  }

  function noteOf(tier: Tier) {
    const { checkout, trialDays } = tier;
    if (checkout === 'CONTACT_SALES' && !upgradesInProduct && support)
      return <a href={support.href}>Contact us</a>;
    return trialDays > 0 && trialText(tier);
  }
}
