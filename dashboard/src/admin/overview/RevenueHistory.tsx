import { useQuery } from '@apollo/client/react';
import {
  Card,
  Chart,
  EmptyState,
  ErrorState,
  formatCompact,
  formatDay,
  formatMoney,
  formatShortDay,
  fractionDigits,
  Select,
  Skeleton,
  useFilters,
} from '../../design/index.js';
import { type OverviewDay, REVENUE_HISTORY, type TierNames } from './documents.js';

const RANGES = [
  { value: '', label: '90 days', days: 90 },
  { value: '30', label: '30 days', days: 30 },
  { value: '400', label: '400 days', days: 400 },
];

/** Monthly recurring revenue by day, one line a tier. */
export function RevenueHistory({ names }: { names: TierNames }) {
  const { values, set } = useFilters('days');
  const range = RANGES.find(({ value }) => value === values.days) ?? RANGES[0];
  const { data, previousData, error, refetch } = useQuery(REVENUE_HISTORY, {
    variables: { days: range?.days ?? 90 },
  });
  const days = (data ?? previousData)?.overviewHistory;
  return (
    <Card
      title="Monthly recurring revenue"
      actions={
        <Select
          label="Range"
          hideLabel
          value={range?.value ?? ''}
          onChange={(value) => set('days', value)}
          options={RANGES}
        />
      }
    >
      {days ? (
        <History days={days} names={names} />
      ) : error ? (
        <ErrorState error={error} onRetry={() => refetch()} />
      ) : (
        <Skeleton block />
      )}
    </Card>
  );
}

function History({ days, names }: { days: readonly OverviewDay[]; names: TierNames }) {
  const currency = days.at(-1)?.currency;
  if (currency === undefined)
    return <EmptyState title="No days yet">The first day is recorded today.</EmptyState>;
  // Amounts of another currency would lie on the same axis.
  const shown = days.filter((day) => day.currency === currency);
  const tiers = [
    ...new Set(shown.flatMap(({ revenueByTier }) => revenueByTier.map(({ tier }) => tier))),
  ].filter((tier) => shown.some((day) => (amountOf(day, tier) ?? 0) > 0));
  return (
    <Chart<OverviewDay>
      label="Monthly recurring revenue by day"
      kind={shown.length < 8 ? 'bar' : 'line'}
      data={shown}
      caption={`${currency.toUpperCase()} a month at the end of each UTC day`}
      x={{
        header: 'Day (UTC)',
        key: ({ day }) => day,
        tick: ({ day }) => formatShortDay(day),
        full: ({ day }) => formatDay(day),
      }}
      series={[
        {
          id: 'all',
          label: tiers.length === 1 ? (names.get(tiers[0] ?? '') ?? 'All tiers') : 'All tiers',
          value: ({ monthlyRevenueCents }) => monthlyRevenueCents,
        },
        ...(tiers.length > 1
          ? tiers.map((tier, index) => ({
              id: tier,
              label: names.get(tier) ?? tier,
              value: (day: OverviewDay) => amountOf(day, tier),
              color: `var(--chart-${3 + (index % 4)})`,
            }))
          : []),
      ]}
      format={(cents) => formatMoney(cents, currency)}
      formatAxis={(cents) => formatCompact(cents / 10 ** fractionDigits(currency))}
    />
  );
}

function amountOf({ revenueByTier }: OverviewDay, tier: string): number | null {
  return revenueByTier.find((revenue) => revenue.tier === tier)?.monthlyCents ?? null;
}
