import { useQuery } from '@apollo/client/react';
import { CreditCard, Receipt } from 'lucide-react';
import {
  Badge,
  Button,
  Callout,
  Card,
  type Column,
  ConnectionTable,
  EmptyState,
  ErrorState,
  formatCount,
  formatDay,
  formatEnum,
  formatMoney,
  formatNumber,
  Grid,
  Id,
  KeyValue,
  LinkOut,
  Row,
  Skeleton,
  Stack,
  Status,
  Time,
  UsageBar,
  WithNote,
} from '../../design/index.js';
import type {
  TenantBillingQuery,
  TenantInvoicesQuery,
  TenantPaymentMethodsQuery,
  TenantUsageReportsQuery,
  TrialEndWithoutCard,
} from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { priceText } from '../../prices/prices.js';
import { endWithoutCard } from '../../prices/trialEnd.js';
import { RoleGate } from '../session.js';
import { StripeObject } from './StripeNow.js';
import { isContract, isEnding, isSubscribed, useTenantPage } from './tenantPage.js';
import { calls } from './words.js';

const BILLING = graphql(`
  query TenantBilling($tenantId: ID!) {
    subscription(tenantId: $tenantId) {
      ...SubscriptionFacts
    }
    overage(tenantId: $tenantId) {
      ...OverageNow
    }
    explainTier(tenantId: $tenantId) {
      stripe {
        customerId
        subscriptionId
      }
    }
  }
`);

const INVOICES = graphql(`
  query TenantInvoices($tenantId: ID!, $after: String) {
    invoices(tenantId: $tenantId, first: 12, after: $after) {
      edges {
        node {
          id
          number
          status
          createdAt
          currency
          totalCents
          taxCents
          amountDueCents
          amountPaidCents
          amountRemainingCents
          hostedUrl
          pdfUrl
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const PAYMENT_METHODS = graphql(`
  query TenantPaymentMethods($tenantId: ID!) {
    paymentMethods(tenantId: $tenantId) {
      id
      type
      brand
      last4
      expMonth
      expYear
      isDefault
    }
  }
`);

const REPORTS = graphql(`
  query TenantUsageReports($tenantId: ID!, $after: String) {
    usageReports(tenantId: $tenantId, first: 10, after: $after) {
      edges {
        node {
          tenantId
          id
          kind
          status
          quantity
          at
          reportedAt
          error
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/** What the tenant bought, owes and paid. */
export function Billing() {
  const { tenantId } = useTenantPage();
  const { data, error, refetch } = useQuery(BILLING, { variables: { tenantId } });
  return (
    <Stack>
      {!data ? (
        <Card>{error ? <ErrorState error={error} onRetry={refetch} /> : <Skeleton lines={6} />}</Card>
      ) : (
        <>
          {error && <Callout tone="warning">It could not be read again. {error.message}</Callout>}
          <Grid>
            <SubscriptionCard subscription={data.subscription} stripe={data.explainTier.stripe ?? null} />
            <Stack>
              <OverageCard overage={data.overage} />
              <PaymentMethods />
            </Stack>
          </Grid>
        </>
      )}
      <Invoices />
      <UsageReports />
    </Stack>
  );
}

function SubscriptionCard({
  subscription,
  stripe,
}: {
  subscription: TenantBillingQuery['subscription'];
  stripe: TenantBillingQuery['explainTier']['stripe'] | null;
}) {
  const { act } = useTenantPage();
  const { tier, price, seats, status, currentPeriodStart, currentPeriodEnd, cancelAt } = subscription;
  const ending = isEnding(subscription);
  const subscribed = isSubscribed(subscription);
  const contract = isContract(subscription);
  return (
    <Card
      title="Subscription"
      actions={
        <RoleGate role="OWNER">
          {contract ? null : subscribed ? (
            <>
              {!ending && (
                <Button size="small" variant="ghost" onClick={() => act('cancel')}>
                  Cancel…
                </Button>
              )}
              {(ending || subscription.scheduledTier || status === 'PAUSED') && (
                <Button size="small" onClick={() => act('resume')}>
                  Resume…
                </Button>
              )}
              {subscription.paymentPause === null ? (
                <Button size="small" onClick={() => act('changeTier')}>
                  Change tier…
                </Button>
              ) : (
                <Button size="small" onClick={() => act('resumePayments')}>
                  Resume payments…
                </Button>
              )}
            </>
          ) : (
            <Button size="small" onClick={() => act('checkout')}>
              Create a checkout link…
            </Button>
          )}
        </RoleGate>
      }
    >
      <Stack tight>
        {ending && (
          <Callout tone="warning" title="It ends soon">
            The subscription ends on <Time at={cancelAt ?? currentPeriodEnd} />; until then the tier stays.
          </Callout>
        )}
        <KeyValue
          items={[
            ['Status', <Status value={status} />],
            ['Tier', `${tier.name}, version ${tier.version}`],
            ['Price', priceText(tier, price)],
            price?.perSeat && ['Seats', formatNumber(seats)],
            contract && [
              'Contract',
              <>
                until <Time at={cancelAt} />; it is changed and ended at Stripe
              </>,
            ],
            currentPeriodStart && [
              'Current period',
              <>
                <Time at={currentPeriodStart} /> to <Time at={currentPeriodEnd} />
              </>,
            ],
            status === 'TRIALING' && [
              'Trial ends',
              <>
                <Time at={subscription.trialEnd} />
                <AfterTrial tier={tier} />
              </>,
            ],
            subscription.paymentPause && [
              'Payments',
              subscription.paymentPause.resumesAt ? (
                <>
                  paused until <Time at={subscription.paymentPause.resumesAt} />
                </>
              ) : (
                'paused until they are resumed'
              ),
            ],
            subscription.scheduledTier && [
              'Scheduled',
              <>
                {subscription.scheduledTier}
                {subscription.scheduledPrice && `, ${priceText(tier, subscription.scheduledPrice)},`} from{' '}
                <Time at={subscription.scheduledAt} />
              </>,
            ],
            stripe && ['Customer', <StripeObject kind="customers" id={stripe.customerId} />],
            stripe && ['Subscription id', <StripeObject kind="subscriptions" id={stripe.subscriptionId} />],
          ]}
        />
      </Stack>
    </Card>
  );
}

const AFTER_TRIAL: Record<TrialEndWithoutCard, string> = {
  CANCEL: 'the subscription ends',
  PAUSE: 'the subscription is paused',
  INVOICE: 'the first payment is overdue',
};

/** What happens at the end of the trial, by what is there to pay with now. */
function AfterTrial({ tier }: { tier: TenantBillingQuery['subscription']['tier'] }) {
  const { tenantId } = useTenantPage();
  const { data } = useQuery(PAYMENT_METHODS, { variables: { tenantId } });
  if (!data) return null;
  return data.paymentMethods.length > 0
    ? '; then its payment method is charged'
    : `; then ${AFTER_TRIAL[endWithoutCard(tier)]}, because it has no payment method`;
}

function OverageCard({ overage }: { overage: TenantBillingQuery['overage'] }) {
  const { act } = useTenantPage();
  const { monthlyCapCents, priceCents, perCalls, currency, costCents, unbilledCents, usedCalls } = overage;
  const cap = monthlyCapCents ?? null;
  const sold = priceCents !== null && priceCents !== undefined;
  return (
    <Card
      title="Overage"
      description={
        sold
          ? `${formatMoney(priceCents, currency)} for ${calls(perCalls ?? 1)} beyond the daily quota`
          : 'None is sold at present'
      }
      actions={
        <RoleGate role="OWNER">
          <Button size="small" onClick={() => act('overage')}>
            Set cap…
          </Button>
        </RoleGate>
      }
    >
      {cap === null ? (
        <p>
          Off: calls are rejected once the daily quota is used up.
          {unbilledCents > 0 && ` ${formatMoney(unbilledCents, currency)} are still to be invoiced.`}
        </p>
      ) : (
        <UsageBar
          label="This month (UTC)"
          used={costCents}
          limit={cap}
          format={(cents) => formatMoney(cents, currency)}
          note={`${calls(usedCalls)}; ${formatMoney(unbilledCents, currency)} not invoiced yet`}
        />
      )}
    </Card>
  );
}

type Method = TenantPaymentMethodsQuery['paymentMethods'][number];

function PaymentMethods() {
  const { tenantId } = useTenantPage();
  const { data, error, refetch } = useQuery(PAYMENT_METHODS, { variables: { tenantId } });
  const methods = data?.paymentMethods;
  return (
    <Card title="Payment methods">
      {!methods ? (
        error ? (
          <ErrorState error={error} onRetry={refetch} />
        ) : (
          <Skeleton lines={2} />
        )
      ) : methods.length === 0 ? (
        <EmptyState title="None at Stripe" icon={CreditCard}>
          A person adds one when they pay, or on the customer’s page.
        </EmptyState>
      ) : (
        <KeyValue
          items={methods.map((method): [string, React.ReactNode] => [nameOf(method), factsOf(method)])}
        />
      )}
    </Card>
  );
}

function nameOf({ type, brand, last4 }: Method): string {
  return `${formatEnum(brand ?? type)}${last4 ? ` •••• ${last4}` : ''}`;
}

function factsOf({ expMonth, expYear, isDefault }: Method) {
  return (
    <Row>
      {expMonth && expYear && (
        <span>
          until {String(expMonth).padStart(2, '0')}/{expYear}
        </span>
      )}
      {isDefault && <Badge tone="accent">Default</Badge>}
    </Row>
  );
}

type Invoice = TenantInvoicesQuery['invoices']['edges'][number]['node'];

const INVOICE_COLUMNS: readonly Column<Invoice>[] = [
  { id: 'number', header: 'Invoice', value: ({ number, id }) => number ?? id },
  {
    id: 'created',
    header: 'Created (UTC)',
    value: ({ createdAt }) => createdAt,
    cell: ({ createdAt }) => formatDay(createdAt),
  },
  {
    id: 'status',
    header: 'Status',
    value: ({ status }) => status,
    cell: ({ status }) => <Status value={status} />,
  },
  {
    id: 'total',
    header: 'Total',
    csvHeader: 'Total (smallest unit)',
    value: ({ totalCents }) => totalCents,
    cell: ({ totalCents, taxCents, currency }) => (
      <WithNote note={taxCents !== 0 && `${formatMoney(taxCents, currency)} tax`}>
        {formatMoney(totalCents, currency)}
      </WithNote>
    ),
    numeric: true,
  },
  {
    id: 'remaining',
    header: 'Still due',
    csvHeader: 'Still due (smallest unit)',
    value: ({ amountRemainingCents }) => amountRemainingCents,
    cell: ({ amountRemainingCents, currency }) => formatMoney(amountRemainingCents, currency),
    numeric: true,
  },
  { id: 'currency', header: 'Currency', value: ({ currency }) => currency.toUpperCase() },
  {
    id: 'links',
    header: 'Documents',
    hideHeader: true,
    value: () => null,
    cell: ({ hostedUrl, pdfUrl }) => (
      <Row>
        {pdfUrl && <LinkOut href={pdfUrl}>PDF</LinkOut>}
        {hostedUrl && <LinkOut href={hostedUrl}>Page</LinkOut>}
      </Row>
    ),
  },
];

function Invoices() {
  const { tenantId } = useTenantPage();
  const { data, error, refetch, fetchMore } = useQuery(INVOICES, { variables: { tenantId } });
  const invoices = data?.invoices;
  return (
    <Card flush title="Invoices" description="As Stripe has them now, newest first">
      <ConnectionTable
        label="Invoices"
        columns={INVOICE_COLUMNS}
        connection={invoices}
        rowKey={({ id }) => id}
        error={error}
        onRetry={refetch}
        empty={
          <EmptyState title="No invoices" icon={Receipt}>
            The first one is made when a person pays for a tier.
          </EmptyState>
        }
        csv
        noun="invoice"
        onMore={(after) => fetchMore({ variables: { after } })}
      />
    </Card>
  );
}

type Report = TenantUsageReportsQuery['usageReports']['edges'][number]['node'];

const REPORT_COLUMNS: readonly Column<Report>[] = [
  { id: 'id', header: 'Report', value: ({ id }) => id, cell: ({ id }) => <Id value={id} /> },
  { id: 'kind', header: 'Kind', value: ({ kind }) => kind, cell: ({ kind }) => formatEnum(kind) },
  {
    id: 'status',
    header: 'Status',
    value: ({ status }) => status,
    cell: ({ status }) => <Status value={status} />,
  },
  {
    id: 'quantity',
    header: 'Quantity',
    csvHeader: 'Quantity (units)',
    value: ({ quantity }) => quantity,
    cell: ({ quantity }) => formatCount(quantity, 'unit'),
    numeric: true,
  },
  { id: 'at', header: 'Counted at', value: ({ at }) => at, cell: ({ at }) => <Time at={at} /> },
  {
    id: 'reported',
    header: 'Reported',
    value: ({ reportedAt }) => reportedAt,
    cell: ({ reportedAt }) => <Time at={reportedAt} />,
  },
  { id: 'error', header: 'Stripe’s error', value: ({ error }) => error, wrap: true },
];

function UsageReports() {
  const { tenantId } = useTenantPage();
  const { data, error, refetch, fetchMore } = useQuery(REPORTS, { variables: { tenantId } });
  const reports = data?.usageReports;
  return (
    <Card flush title="Usage reports" description="Usage that is reported to Stripe’s meter, newest first">
      <ConnectionTable
        label="Usage reports"
        columns={REPORT_COLUMNS}
        connection={reports}
        rowKey={({ id }) => id}
        error={error}
        onRetry={refetch}
        empty={
          <EmptyState title="Nothing was reported">
            Overage is reported once an hour; other usage when the team’s server reports it.
          </EmptyState>
        }
        csv
        noun="report"
        onMore={(after) => fetchMore({ variables: { after } })}
      />
    </Card>
  );
}
