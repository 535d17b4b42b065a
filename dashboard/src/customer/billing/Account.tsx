import { useQuery } from '@apollo/client/react';
import { useCallback, useEffect, useState } from 'react';
import { useSearchParams } from 'react-router';
import { Button, Callout, ErrorState, Grid, PageHeader, Skeleton, Stack } from '../../design/index.js';
import { useBrand } from '../brand.js';
import { Shell } from '../Shell.js';
import { AlertsCard, InvoicesCard, PaymentCard } from './AccountCards.js';
import { useStripePages } from './actions.js';
import { type Account as AccountData, ALERTS, PLAN, USAGE } from './documents.js';
import { OverageDialog } from './OverageDialog.js';
import { PlanBadge, PlanNotices, planSentence } from './PlanSummary.js';
import { Plans } from './Plans.js';
import { isPaid } from './planState.js';
import { OverageCard, UsageCards } from './UsageCards.js';
import { useBilling } from './useBilling.js';

/** The page of one tenant: where it stands, and what it can buy. */
export function Account({ tenantId, returnUrl }: { tenantId: string; returnUrl: string | null }) {
  const { productName } = useBrand();
  const variables = { tenantId };
  const plan = useQuery(PLAN, { variables });
  const usage = useQuery(USAGE, { variables });
  const { client } = plan;
  const readAll = useCallback(
    // What Stripe has is read again too: invoices and payment methods follow a change of the plan.
    () => client.refetchQueries({ include: 'active' }),
    [client],
  );
  const minute = usage.data?.minute;
  useBilling({
    tenantId,
    minuteEndsAt: minute && minute.apiCalls > 0 ? minute.resetsAt : null,
    onUsage: () => usage.refetch(),
    onPlan: readAll,
    onAlert: () => client.refetchQueries({ include: [ALERTS] }),
    // Without what only Stripe has.
    onPoll: () => client.refetchQueries({ include: [PLAN, USAGE, ALERTS] }),
  });
  const pages = useStripePages(tenantId);
  const [overageOpen, setOverageOpen] = useState(false);
  const account = plan.data;

  if (!account) {
    return (
      <Shell returnUrl={returnUrl}>
        <PageHeader title="Billing" />
        {plan.error ? <ErrorState error={plan.error} onRetry={plan.refetch} /> : <Skeleton lines={12} />}
      </Shell>
    );
  }
  const { subscription, tenant } = account;
  const pay = (
    <Button pending={pages.leaving === 'pay'} onClick={() => pages.manage('pay')}>
      Pay or update the payment method
    </Button>
  );
  return (
    <Shell returnUrl={returnUrl} account={tenant.name}>
      <Stack>
        <PageHeader
          title={`${subscription.tier.displayName} plan`}
          badges={<PlanBadge plan={subscription} />}
          description={planSentence(account, productName)}
          actions={
            <Button variant={isPaid(subscription) ? 'secondary' : 'primary'} onClick={showPlans}>
              {isPaid(subscription) ? 'Change plan' : 'Choose a plan'}
            </Button>
          }
        />
        <Bought account={account} onRead={readAll} />
        <PlanNotices account={account} pay={pay} onChanged={readAll} />
        {plan.error && (
          <Callout tone="warning" title="This page could not be brought up to date">
            It shows what was known before.
          </Callout>
        )}
        <UsageCards usage={usage.data} error={usage.error} onRetry={usage.refetch} />
        {usage.data && <OverageCard overage={usage.data.overage} onChange={() => setOverageOpen(true)} />}
        <Plans account={account} pages={pages} onChanged={readAll} />
        <Grid>
          <PaymentCard
            tenantId={tenantId}
            isCustomer={isPaid(subscription) || subscription.stripeSubscriptionId !== null}
            pages={pages}
          />
          <AlertsCard tenantId={tenantId} />
        </Grid>
        <InvoicesCard tenantId={tenantId} />
        {overageOpen && usage.data && (
          <OverageDialog
            tenantId={tenantId}
            overage={usage.data.overage}
            onClose={() => setOverageOpen(false)}
            onChanged={() => usage.refetch()}
          />
        )}
      </Stack>
    </Shell>
  );
}

/** The keyboard goes on from there, too. */
function showPlans(): void {
  const heading = document.getElementById('plans');
  heading?.scrollIntoView({ block: 'start' });
  heading?.focus({ preventScroll: true });
}

/** After the checkout. Stripe may tell the server a moment after the person is back. */
function Bought({ account, onRead }: { account: AccountData; onRead(): unknown }) {
  const [search, setSearch] = useSearchParams();
  const [bought, setBought] = useState(() => search.get('bought'));
  const [waited, setWaited] = useState(0);
  // Reloading the page does not thank again.
  useEffect(() => {
    if (search.has('bought')) setSearch({}, { replace: true });
  }, [search, setSearch]);
  const tier = account.tiers.find(({ name }) => name === bought);
  const isThere = tier?.name === account.subscription.tier.name;
  useEffect(() => {
    if (!tier || isThere || waited >= MAX_WAITS) return;
    const timer = setTimeout(() => {
      setWaited((count) => count + 1);
      void onRead();
    }, WAIT_MS);
    return () => clearTimeout(timer);
  }, [tier, isThere, waited, onRead]);
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
