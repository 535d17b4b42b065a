import type { BillingClient, UsageAlert } from '@continuum-billing/client';
import { useBilling, useBillingQuery, usePaymentMethods, useSubscription } from '@continuum-billing/react';
import { useState } from 'react';
import {
  Button,
  Card,
  type Column,
  DataTable,
  EmptyState,
  ErrorState,
  formatBytes,
  formatCount,
  formatDay,
  formatMoney,
  formatNumber,
  LinkOut,
  Skeleton,
  Stack,
  Status,
  Time,
  toast,
  WithNote,
} from '../../design/index.js';
import { explain } from '../explain.js';

type Invoices = Awaited<ReturnType<BillingClient['invoices']>>;
type Invoice = Invoices['edges'][number]['node'];

const INVOICE_PAGE = 10;

const INVOICE_COLUMNS: readonly Column<Invoice>[] = [
  { id: 'number', header: 'Invoice', value: ({ number }) => number ?? 'Draft' },
  {
    id: 'date',
    header: 'Date',
    value: ({ createdAt }) => createdAt,
    cell: ({ createdAt }) => <time dateTime={createdAt}>{formatDay(createdAt)}</time>,
  },
  {
    id: 'status',
    header: 'Status',
    value: ({ status }) => status,
    cell: ({ status }) => <Status value={status} />,
  },
  {
    id: 'total',
    header: 'Amount',
    numeric: true,
    value: ({ totalCents }) => totalCents,
    cell: ({ totalCents, taxCents, currency }) => (
      <WithNote note={taxCents !== 0 && `${formatMoney(taxCents, currency)} tax`}>
        {formatMoney(totalCents, currency)}
      </WithNote>
    ),
  },
  {
    id: 'links',
    header: 'Documents',
    hideHeader: true,
    value: ({ pdfUrl }) => pdfUrl,
    cell: ({ status, hostedUrl, pdfUrl }) =>
      status === 'OPEN' && hostedUrl ? (
        <LinkOut href={hostedUrl}>Pay</LinkOut>
      ) : (
        pdfUrl && <LinkOut href={pdfUrl}>PDF</LinkOut>
      ),
  },
];

export function InvoicesCard() {
  const { client, tenant } = useBilling();
  const { data, error, refetch } = useBillingQuery('invoices', (reader, args) =>
    reader.invoices({ ...args, first: INVOICE_PAGE }),
  );
  const [older, setOlder] = useState<Invoices | null>(null);
  const [isLoading, setLoading] = useState(false);
  const last = older ?? data;
  const rows = data && [...data.edges, ...(older?.edges ?? [])].map(({ node }) => node);

  async function showOlder() {
    setLoading(true);
    try {
      const after = last?.pageInfo.endCursor;
      const next = await client.invoices({ ...tenant, first: INVOICE_PAGE, after });
      setOlder({ ...next, edges: [...(older?.edges ?? []), ...next.edges] });
    } catch (failure) {
      showError(failure);
    } finally {
      setLoading(false);
    }
  }

  return (
    <Card title="Invoices" flush>
      <DataTable
        label="Invoices"
        columns={INVOICE_COLUMNS}
        rows={rows}
        rowKey={({ id }) => id}
        error={error}
        onRetry={refetch}
        empty={<EmptyState title="No invoices yet">They appear here when you pay for a plan.</EmptyState>}
        footer={
          last?.pageInfo.hasNextPage && (
            <Button size="small" pending={isLoading} onClick={showOlder}>
              Show older invoices
            </Button>
          )
        }
      />
    </Card>
  );
}

/** What Stripe names a way to pay: `sepa_debit`. */
const methodName = (type: string): string => {
  const words = type.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** Of a button that has no place to say it. */
function showError(error: unknown): void {
  const { title, message, advice } = explain(error);
  toast({ tone: 'danger', title, text: `${message} ${advice}`.trim() });
}

/** @param props.returnUrl where Stripe's page leads back to */
export function PaymentCard({ returnUrl }: { returnUrl: string }) {
  const { data: methods, error, refetch } = usePaymentMethods();
  const { data: subscription } = useSubscription();
  const { createPortal } = useBilling();
  const [isLeaving, setLeaving] = useState(false);

  async function manage() {
    setLeaving(true);
    try {
      location.assign((await createPortal({ returnUrl })).url);
    } catch (failure) {
      setLeaving(false);
      showError(failure);
    }
  }

  const shown = methods?.find(({ isDefault }) => isDefault) ?? methods?.[0];
  return (
    <Card
      title="Payment method"
      actions={
        // Only then Stripe knows the tenant, and has a page for it.
        subscription?.stripeSubscriptionId && (
          <Button pending={isLeaving} onClick={manage}>
            Manage at Stripe
          </Button>
        )
      }
    >
      {shown ? (
        <Stack tight>
          <p>
            {shown.last4
              ? `${methodName(shown.brand ?? shown.type)} that ends in ${shown.last4}`
              : methodName(shown.type)}
          </p>
          {shown.expMonth && (
            <p>
              Expires {String(shown.expMonth).padStart(2, '0')}/{shown.expYear}
            </p>
          )}
        </Stack>
      ) : methods ? (
        <p>None. You are asked for one when you buy a plan. Stripe keeps it.</p>
      ) : error ? (
        <ErrorState error={error} onRetry={refetch} />
      ) : (
        <Skeleton lines={2} />
      )}
    </Card>
  );
}

/** What an alert is about, with its unit. */
function alertText({ kind, level, used, limit }: UsageAlert): string {
  const amounts = (format: (value: number) => string) => `${format(used)} of ${format(limit)}`;
  switch (kind) {
    case 'API_CALLS_PER_DAY':
      return `${level}% of the daily calls: ${amounts(calls)}`;
    case 'OVERAGE_PER_MONTH':
      return `${level}% of the calls that you allowed beyond the daily limit: ${amounts(calls)}`;
    case 'MEMORIES':
      return `${level}% of the memories: ${amounts(formatNumber)}`;
    case 'EMBEDDINGS':
      return `${level}% of the embeddings: ${amounts(formatNumber)}`;
    case 'STORAGE_BYTES':
      return `${level}% of the space: ${amounts(formatBytes)}`;
    default:
      return `${level}% of a limit: ${amounts(formatNumber)}`;
  }
}

const calls = (value: number) => formatCount(value, 'call');

export function AlertsCard() {
  const { data, error, refetch } = useBillingQuery(
    'alerts',
    (client, tenant) => client.alerts({ ...tenant, first: 5 }),
    'usage',
  );
  const alerts = data?.edges.map(({ node }) => node);
  return (
    <Card title="Alerts">
      {alerts ? (
        alerts.length > 0 ? (
          <Stack tight>
            {alerts.map((alert) => (
              <div key={alert.id}>
                <p>{alertText(alert)}</p>
                <p>
                  <Time at={alert.at} />
                </p>
              </div>
            ))}
          </Stack>
        ) : (
          <p>None. You see here when 80%, 90% or all of a limit is used.</p>
        )
      ) : error ? (
        <ErrorState error={error} onRetry={refetch} />
      ) : (
        <Skeleton lines={2} />
      )}
    </Card>
  );
}
