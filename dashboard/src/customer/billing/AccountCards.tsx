import { useQuery } from '@apollo/client/react';
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
  WithNote,
} from '../../design/index.js';
import type { BillingAlertsQuery, BillingInvoicesQuery } from '../../generated/graphql.js';
import type { StripePages } from './actions.js';
import { ALERTS, INVOICES, PAYMENT_METHODS } from './documents.js';

type Invoice = BillingInvoicesQuery['invoices']['edges'][number]['node'];
type Alert = BillingAlertsQuery['alerts']['edges'][number]['node'];

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

export function InvoicesCard({ tenantId }: { tenantId: string }) {
  const { data, error, refetch, fetchMore, loading } = useQuery(INVOICES, {
    variables: { tenantId, first: INVOICE_PAGE },
  });
  const invoices = data?.invoices;
  return (
    <Card title="Invoices" flush>
      <DataTable
        label="Invoices"
        columns={INVOICE_COLUMNS}
        rows={invoices?.edges.map(({ node }) => node)}
        rowKey={({ id }) => id}
        error={error}
        onRetry={refetch}
        empty={<EmptyState title="No invoices yet">They appear here when you pay for a plan.</EmptyState>}
        footer={
          invoices?.pageInfo.hasNextPage && (
            <Button
              size="small"
              pending={loading}
              onClick={() => fetchMore({ variables: { after: invoices.pageInfo.endCursor } })}
            >
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

export function PaymentCard({
  tenantId,
  isCustomer,
  pages,
}: {
  tenantId: string;
  /** Whether Stripe knows the tenant: only then it has a page for it. */
  isCustomer: boolean;
  pages: StripePages;
}) {
  const { data, error, refetch } = useQuery(PAYMENT_METHODS, { variables: { tenantId } });
  const methods = data?.paymentMethods;
  const shown = methods?.find(({ isDefault }) => isDefault) ?? methods?.[0];
  return (
    <Card
      title="Payment method"
      actions={
        isCustomer && (
          <Button pending={pages.leaving === 'portal'} onClick={() => pages.manage()}>
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
function alertText({ kind, level, used, limit }: Alert): string {
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

export function AlertsCard({ tenantId }: { tenantId: string }) {
  const { data, error, refetch } = useQuery(ALERTS, { variables: { tenantId } });
  const alerts = data?.alerts.edges.map(({ node }) => node);
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
