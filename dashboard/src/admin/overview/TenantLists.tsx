import {
  ButtonLink,
  Card,
  type Column,
  DataTable,
  EmptyState,
  formatMoney,
  formatPercent,
  formatRelative,
  NONE,
  Status,
  Time,
} from '../../design/index.js';
import type { Overview } from './documents.js';

type PastDue = Overview['tenants']['pastDueTenants'][number];
type AtLimit = Overview['tenants']['overLimitTenants'][number] & { state: 'OVER_LIMIT' | 'NEAR_LIMIT' };

const linkTo = (id: string) => `/tenants/${encodeURIComponent(id)}`;

/** Whose payment failed, and when they lose their tier. */
export function PastDueTenants({ overview: { tenants } }: { overview: Overview }) {
  const columns: readonly Column<PastDue>[] = [
    { id: 'tenant', header: 'Tenant', value: ({ tenant }) => tenant.name },
    {
      id: 'revenue',
      header: 'Revenue a month',
      csvHeader: 'Revenue a month (smallest unit)',
      value: ({ tenant }) => tenant.monthlyRevenue?.cents ?? null,
      cell: ({ tenant: { monthlyRevenue } }) =>
        monthlyRevenue ? formatMoney(monthlyRevenue.cents, monthlyRevenue.currency) : NONE,
      numeric: true,
    },
    {
      id: 'currency',
      header: 'Revenue currency',
      value: ({ tenant }) => tenant.monthlyRevenue?.currency ?? null,
      csvOnly: true,
    },
    {
      id: 'since',
      header: 'Payment failed',
      value: ({ pastDueSince }) => pastDueSince,
      cell: ({ pastDueSince }) => <Time at={pastDueSince} relative />,
    },
    {
      id: 'grace',
      header: 'Grace ends',
      value: ({ graceEndsAt }) => graceEndsAt,
      cell: ({ graceEndsAt }) =>
        graceEndsAt && Date.parse(graceEndsAt) < Date.now() ? (
          <Status value="UNPAID" label={`Ended ${formatRelative(graceEndsAt)}`} />
        ) : (
          <Time at={graceEndsAt} relative />
        ),
    },
  ];
  return (
    <Card
      title="Past due"
      actions={
        tenants.pastDue > tenants.pastDueTenants.length && <SeeAll state="PAST_DUE" count={tenants.pastDue} />
      }
      flush
    >
      <DataTable
        label="Past due tenants"
        columns={columns}
        rows={tenants.pastDueTenants}
        rowKey={({ tenant }) => tenant.id}
        rowLink={({ tenant }) => linkTo(tenant.id)}
        empty={<EmptyState title="No payment is due">Tenants appear here when a payment fails.</EmptyState>}
        csv
      />
    </Card>
  );
}

const share = (used: number, limit: number | null) => (limit ? used / limit : null);

const LIMIT_COLUMNS: readonly Column<AtLimit>[] = [
  { id: 'tenant', header: 'Tenant', value: ({ name }) => name },
  {
    id: 'state',
    header: 'State',
    value: ({ state }) => state,
    cell: ({ state }) => <Status value={state} label={state === 'OVER_LIMIT' ? 'Over' : 'Near'} />,
  },
  {
    id: 'calls',
    header: 'Calls today',
    csvHeader: 'Calls today (share of the limit)',
    value: ({ today }) => share(today.apiCalls, today.limit),
    cell: ({ today }) => formatPercent(share(today.apiCalls, today.limit)),
    numeric: true,
    sortable: true,
  },
  {
    id: 'storage',
    header: 'Storage',
    csvHeader: 'Storage (share of the limit)',
    value: ({ storage }) => share(storage.bytes, storage.limits.maxStorageBytes),
    cell: ({ storage }) => formatPercent(share(storage.bytes, storage.limits.maxStorageBytes)) ?? NONE,
    numeric: true,
    sortable: true,
  },
  { id: 'tier', header: 'Tier', value: ({ tier }) => tier.displayName },
];

/** Who has used most of a limit: they may want a larger tier. */
export function LimitTenants({ overview: { tenants } }: { overview: Overview }) {
  const rows: AtLimit[] = [
    ...tenants.overLimitTenants.map((tenant) => ({ ...tenant, state: 'OVER_LIMIT' as const })),
    ...tenants.nearLimitTenants.map((tenant) => ({ ...tenant, state: 'NEAR_LIMIT' as const })),
  ];
  return (
    <Card
      title="At a limit"
      description="Over: 100% of a limit is used. Near: 80%. Of the day’s calls, of storage or of overage"
      actions={
        tenants.nearLimit + tenants.overLimit > rows.length && (
          <SeeAll state="NEAR_LIMIT" count={tenants.nearLimit} />
        )
      }
      flush
    >
      <DataTable
        label="Tenants at a limit"
        columns={LIMIT_COLUMNS}
        rows={rows}
        rowKey={({ id, state }) => `${state} ${id}`}
        rowLink={({ id }) => linkTo(id)}
        empty={<EmptyState title="Nobody is near a limit" />}
        csv
      />
    </Card>
  );
}

function SeeAll({ state, count }: { state: string; count: number }) {
  return (
    <ButtonLink size="small" variant="ghost" to={`/tenants?state=${state}`}>
      See all {count}
    </ButtonLink>
  );
}
