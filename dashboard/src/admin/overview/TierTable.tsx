import { Card, type Column, DataTable, formatMoney, formatNumber, NONE } from '../../design/index.js';
import type { Overview, TierNames } from './documents.js';

interface TierRow {
  tier: string;
  name: string;
  tenants: number;
  tenantsChange: number | null;
  paying: number;
  revenue: number;
  revenueChange: number | null;
}

const difference = (now: number, before: number | null | undefined) =>
  before === null || before === undefined ? null : now - before;
const signed = (value: number | null) =>
  value === null ? NONE : formatNumber(value, { signDisplay: 'exceptZero' });

/** Tenants and revenue of each tier beside each other. */
export function TierTable({ overview, names }: { overview: Overview; names: TierNames }) {
  const { tenants, revenue } = overview;
  const rows = tenants.byTier.map((count): TierRow => {
    const paid = revenue.byTier.find(({ tier }) => tier === count.tier);
    return {
      tier: count.tier,
      name: names.get(count.tier) ?? count.tier,
      tenants: count.tenants,
      tenantsChange: difference(count.tenants, count.tenants30DaysAgo),
      paying: paid?.payingTenants ?? 0,
      revenue: paid?.monthlyCents ?? 0,
      revenueChange: paid ? difference(paid.monthlyCents, paid.monthlyCents30DaysAgo) : null,
    };
  });
  const money = (cents: number) => formatMoney(cents, revenue.currency);
  const columns: readonly Column<TierRow>[] = [
    { id: 'tier', header: 'Tier', value: ({ name }) => name },
    { id: 'tenants', header: 'Tenants', value: (row) => row.tenants, numeric: true },
    {
      id: 'tenantsChange',
      header: '30-day change',
      csvHeader: 'Change of tenants in 30 days',
      value: (row) => row.tenantsChange,
      cell: (row) => signed(row.tenantsChange),
      numeric: true,
    },
    { id: 'paying', header: 'Paying', value: (row) => row.paying, numeric: true },
    {
      id: 'revenue',
      header: 'Revenue a month',
      csvHeader: `Revenue a month (cents, ${revenue.currency})`,
      value: (row) => row.revenue,
      cell: (row) => money(row.revenue),
      numeric: true,
    },
    {
      id: 'revenueChange',
      header: '30-day change',
      csvHeader: `Change of revenue in 30 days (cents, ${revenue.currency})`,
      value: (row) => row.revenueChange,
      cell: (row) =>
        row.revenueChange === null ? NONE : formatMoney(row.revenueChange, revenue.currency, { sign: true }),
      numeric: true,
    },
  ];
  return (
    <Card title="Tiers" description="Tenants by the tier they have, revenue by the tier they pay for" flush>
      <DataTable
        label="Tenants and revenue by tier"
        columns={columns}
        rows={rows}
        rowKey={({ tier }) => tier}
        rowLink={({ tier }) => `/tenants?tier=${tier}`}
        csv
      />
    </Card>
  );
}
