import {
  CurrentPlan,
  PricingTable,
  useBilling,
  useSubscription,
  useTenant,
  useTiers,
} from '@continuum-billing/react';
import { useEffect, useState } from 'react';
import { useSearchParams } from 'react-router';
import { Button, Callout, Grid, PageHeader, Stack, usePageTitle } from '../../design/index.js';
import { useMemoriesOf } from '../memories.js';
import { Shell } from '../Shell.js';
import { AlertsCard, InvoicesCard, PaymentCard } from './AccountCards.js';
import { OverageCard } from './OverageCard.js';
import { UsageCards } from './UsageCards.js';

/** Where the checkout leads back to. */
const here = () => `${location.origin}${location.pathname}`;

/** The page of one tenant: where it stands, and what it can buy. */
export function Account({ returnUrl }: { returnUrl: string | null }) {
  const { data: tenant } = useTenant();
  const { data: subscription } = useSubscription();
  const { data: tiers } = useTiers();
  const memoriesOf = useMemoriesOf();
  if (!tenant || !subscription || !tiers) {
    return (
      <Shell returnUrl={returnUrl}>
        <PageHeader title="Billing" />
        <CurrentPlan variant="plain" />
      </Shell>
    );
  }
  return (
    <Shell returnUrl={returnUrl} account={tenant.name}>
      <Title text={`${subscription.tier.displayName} plan`} />
      <Stack>
        <CurrentPlan
          variant="plain"
          heading="h1"
          onChangePlan={showPlans}
          canCancel={false}
          canManagePayment={false}
          returnUrl={here()}
        />
        <Bought />
        <UsageCards />
        <OverageCard />
        <section aria-labelledby="plans">
          <Stack tight>
            <h2 id="plans" tabIndex={-1}>
              Plans
            </h2>
            <PricingTable
              tierDetails={memoriesOf}
              newSubscriptionRedirectUrl={({ name }) => `${here()}?bought=${name}`}
              cancelUrl={here()}
            />
          </Stack>
        </section>
        <Grid>
          <PaymentCard returnUrl={here()} />
          <AlertsCard />
        </Grid>
        <InvoicesCard />
      </Stack>
    </Shell>
  );
}

function Title({ text }: { text: string }) {
  usePageTitle(text);
  return null;
}

/** The keyboard goes on from there, too. */
function showPlans(): void {
  const heading = document.getElementById('plans');
  heading?.scrollIntoView({ block: 'start' });
  heading?.focus({ preventScroll: true });
}

/** After the checkout. Stripe may tell the server a moment after the person is back. */
function Bought() {
  const { data: subscription } = useSubscription();
  const { data: tiers = [] } = useTiers();
  const { refetch } = useBilling();
  const [search, setSearch] = useSearchParams();
  const [bought, setBought] = useState(() => search.get('bought'));
  const [waited, setWaited] = useState(0);
  // Reloading the page does not thank again.
  useEffect(() => {
    if (search.has('bought')) setSearch({}, { replace: true });
  }, [search, setSearch]);
  const tier = tiers.find(({ name }) => name === bought);
  const isThere = tier?.name === subscription?.tier.name;
  useEffect(() => {
    if (!tier || isThere || waited >= MAX_WAITS) return;
    const timer = setTimeout(() => {
      setWaited((count) => count + 1);
      void refetch();
    }, WAIT_MS);
    return () => clearTimeout(timer);
  }, [tier, isThere, waited, refetch]);
  if (!tier) return null;
  const close = (
    <Button size="small" onClick={() => setBought(null)}>
      Close
    </Button>
  );
  if (isThere) {
    return (
      <Callout tone="success" title={`Thank you. You are on ${tier.displayName} now.`} actions={close}>
        Its limits and features are yours from this moment.
      </Callout>
    );
  }
  return (
    <Callout title={`${tier.displayName} is being set up`} actions={waited >= MAX_WAITS && close}>
      {waited < MAX_WAITS
        ? 'We wait for the confirmation of the payment. This takes a few seconds.'
        : 'The payment is not confirmed yet. Some ways to pay take days. Your plan changes as soon as it is; you need not wait here.'}
    </Callout>
  );
}

const WAIT_MS = 2_000;
const MAX_WAITS = 30;
