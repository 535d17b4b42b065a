// A team's own page with the parts. What it shows is in its address.

import type { Tier, TierPrice } from '@continuum-billing/client';
import {
  BillingProvider,
  CurrentPlan,
  type PaymentPage,
  PricingTable,
  type TextOverrides,
  UsageMeter,
} from '@continuum-billing/react';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '@continuum-billing/react/styles.css';
import './app.css';

const query = new URLSearchParams(location.search);
const url = query.get('billing') ?? '';
const tenant = query.get('tenant');

async function fetchToken() {
  const response = await fetch(`/token?tenant=${tenant}`, { method: 'POST' });
  if (!response.ok) throw new Error(`The token route answered ${response.status}`);
  return response.json();
}

const GERMAN: TextOverrides = {
  language: 'de',
  today: 'Heute',
  calls: (_count, shown) => `${shown} Aufrufe`,
  planTitle: (tier) => `Tarif ${tier}`,
  per: ({ interval }) => (interval === 'YEAR' ? 'im Jahr' : 'im Monat'),
};

const texts = query.get('locale') === 'de' ? GERMAN : undefined;

/** Where the team handles it itself, the page's title says what the table handed over. */
const say = (...words: unknown[]) => {
  document.title = words.join(' ');
};
const handled = query.get('handle');
const onSelect = (tier: Tier, price: TierPrice | null) => say(tier.name, price?.unitAmount, price?.interval);
const onCheckout = ({ url: page }: PaymentPage, { name }: Tier) => say(name, page);

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <BillingProvider
      url={url}
      token={tenant ? fetchToken : undefined}
      locale={query.get('locale') ?? 'en-US'}
      timeZone={query.get('timeZone') ?? undefined}
      live={query.get('live') !== 'false'}
      texts={texts}
    >
      <main>
        <h1>Lamps</h1>
        {tenant && (
          <>
            <CurrentPlan changePlanHref="#plans" />
            <UsageMeter />
            <UsageMeter period="MINUTE" />
            <UsageMeter entitlement="bytes" />
            <UsageMeter entitlement="members" />
          </>
        )}
        <h2 id="plans">Plans</h2>
        <PricingTable
          highlightedTier="PRO"
          tierHref={({ name }) => `/signup?plan=${name}`}
          onSelect={handled === 'choice' ? onSelect : undefined}
          onCheckout={handled === 'checkout' ? onCheckout : undefined}
        />
      </main>
    </BillingProvider>
  </StrictMode>,
);
