import { useQuery } from '@apollo/client/react';
import { useMemo } from 'react';
import { SAMPLE_DOMAIN } from '../../api/sampleDomain.js';
import {
  Callout,
  Card,
  Chart,
  type Column,
  DataTable,
  EmptyState,
  ErrorState,
  formatDay,
  formatHour,
  formatInstant,
  formatMonth,
  formatNumber,
  formatPercent,
  formatShortDay,
  Segments,
  Skeleton,
  Stack,
  useFilters,
} from '../../design/index.js';
import type { TenantEndpointsQuery, TenantUsageHistoryQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { Rejections } from './Rejections.js';
import { useTenantPage } from './tenantPage.js';
import { calls } from './words.js';

const HISTORY = graphql(`
  query TenantUsageHistory(
    $tenantId: ID!
    $from: DateTime!
    $to: DateTime!
    $granularity: UsageGranularity!
  ) {
    usageHistory(tenantId: $tenantId, from: $from, to: $to, granularity: $granularity) {
      from
      to
      apiCalls
      overageCalls
      extractions
      federationShares
    }
    tenant(id: $tenantId) {
      id
      tier {
        limits {
          apiCallsPerDay
        }
      }
    }
  }
`);

const ENDPOINTS = graphql(`
  query TenantEndpoints($tenantId: ID!, $period: UsagePeriod!) {
    usage(tenantId: $tenantId, period: $period) {
      period
      from
      to
      apiCalls
      extractions
      federationShares
      byEndpoint(first: 501) {
        endpoint
        calls
      }
    }
  }
`);

/** What a tenant used, and what was rejected. */
export function Usage() {
  return (
    <Stack>
      <History />
      <ByEndpoint />
      <Rejections />
    </Stack>
  );
}

type Slot = TenantUsageHistoryQuery['usageHistory'][number];
/** Shares are of the sample domain. */
const shares = ({ federationShares }: { federationShares: number }) =>
  SAMPLE_DOMAIN ? ` and ${formatNumber(federationShares)} federation shares` : '';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const RANGES = {
  '24h': {
    label: '24 hours',
    granularity: 'HOUR',
    ms: DAY_MS - HOUR_MS,
    header: 'Hour (UTC)',
    unit: 'an hour',
    tick: (slot: Slot) => formatHour(slot.from),
    full: (slot: Slot) => formatInstant(slot.from),
  },
  '48h': {
    label: '48 hours',
    granularity: 'HOUR',
    ms: 2 * DAY_MS - HOUR_MS,
    header: 'Hour (UTC)',
    unit: 'an hour',
    tick: (slot: Slot) => formatHour(slot.from),
    full: (slot: Slot) => formatInstant(slot.from),
  },
  '30d': {
    label: '30 days',
    granularity: 'DAY',
    ms: 29 * DAY_MS,
    header: 'Day (UTC)',
    unit: 'a day',
    tick: (slot: Slot) => formatShortDay(slot.from),
    full: (slot: Slot) => formatDay(slot.from),
  },
  '12m': {
    label: '12 months',
    granularity: 'MONTH',
    ms: 364 * DAY_MS,
    header: 'Month (UTC)',
    unit: 'a month',
    tick: (slot: Slot) => formatMonth(slot.from).slice(0, 3),
    full: (slot: Slot) => formatMonth(slot.from),
  },
} as const;
type Range = keyof typeof RANGES;

const isRange = (text: string): text is Range => Object.hasOwn(RANGES, text);

function History() {
  const { tenantId } = useTenantPage();
  const { values, set } = useFilters('range');
  const range: Range = isRange(values.range) ? values.range : '30d';
  const { granularity, ms, header, unit, tick, full } = RANGES[range];
  // Read again only with another range: a time that changes with each rendering would be another query each time.
  const { from, to } = useMemo(() => {
    const now = Date.now();
    return { from: new Date(now - ms).toISOString(), to: new Date(now).toISOString() };
  }, [ms]);
  const { data, error, refetch } = useQuery(HISTORY, { variables: { tenantId, from, to, granularity } });
  const slots = data?.usageHistory;
  const limit = granularity === 'DAY' ? (data?.tenant.tier.limits.apiCallsPerDay ?? null) : null;
  const hasOverage = slots?.some(({ overageCalls }) => overageCalls > 0) ?? false;
  return (
    <Card
      title="Calls"
      description={
        slots && `${calls(slots.reduce((sum, slot) => sum + slot.apiCalls, 0))} in ${RANGES[range].label}`
      }
      actions={
        <Segments
          label="Time range"
          value={range}
          onChange={(value) => set('range', value === '30d' ? '' : value)}
          options={Object.entries(RANGES).map(([value, { label }]) => ({ value, label }))}
        />
      }
    >
      {!slots ? (
        error ? (
          <ErrorState error={error} onRetry={refetch} />
        ) : (
          <Skeleton block />
        )
      ) : (
        <>
          {error && <Callout tone="warning">It could not be read again. {error.message}</Callout>}
          <Chart
            label={`Calls ${unit}`}
            kind="bar"
            data={slots}
            x={{ header, key: ({ from }) => from, tick, full }}
            series={
              hasOverage
                ? [
                    {
                      id: 'included',
                      label: 'Calls within the quota',
                      value: ({ apiCalls, overageCalls }) => apiCalls - overageCalls,
                      stack: 'calls',
                    },
                    {
                      id: 'overage',
                      label: 'Paid overage calls',
                      value: ({ overageCalls }) => overageCalls,
                      stack: 'calls',
                      color: 'var(--chart-4)',
                    },
                  ]
                : [{ id: 'calls', label: 'Calls', value: ({ apiCalls }) => apiCalls }]
            }
            references={limit === null ? [] : [{ value: limit, label: `Limit: ${calls(limit)} a day` }]}
            caption={captionOf(unit, limit, slots)}
            format={calls}
          />
        </>
      )}
    </Card>
  );
}

function captionOf(unit: string, limit: number | null, slots: readonly Slot[]): string {
  const caption = `Calls ${unit}, UTC`;
  if (limit === null) return caption;
  const most = Math.max(0, ...slots.map(({ apiCalls }) => apiCalls));
  return `${caption}. Today’s limit is ${calls(limit)} a day; the busiest day used ${formatPercent(limit === 0 ? 1 : most / limit)} of it`;
}

type Endpoint = TenantEndpointsQuery['usage']['byEndpoint'][number];

function ByEndpoint() {
  const { tenantId } = useTenantPage();
  const { values, set } = useFilters('period');
  const period = values.period === 'DAY' ? 'DAY' : 'MONTH';
  const { data, error, refetch } = useQuery(ENDPOINTS, { variables: { tenantId, period } });
  const usage = data?.usage;
  const total = usage?.apiCalls ?? 0;
  const columns: readonly Column<Endpoint>[] = [
    { id: 'endpoint', header: 'Endpoint', value: ({ endpoint }) => endpoint, sortable: true, wrap: true },
    { id: 'calls', header: 'Calls', value: (row) => row.calls, numeric: true, sortable: true },
    {
      id: 'share',
      header: 'Share',
      csvHeader: 'Share of all calls',
      value: (row) => (total === 0 ? 0 : row.calls / total),
      cell: (row) => formatPercent(total === 0 ? 0 : row.calls / total),
      numeric: true,
    },
  ];
  return (
    <Card
      flush
      title="By endpoint"
      description={
        usage &&
        `${formatDay(usage.from)} to now, UTC: ${calls(total)}, of which ${formatNumber(usage.extractions)} extractions${shares(usage)}`
      }
      actions={
        <Segments
          label="Period"
          value={period}
          onChange={(value) => set('period', value === 'MONTH' ? '' : value)}
          options={[
            { value: 'DAY', label: 'Today' },
            { value: 'MONTH', label: 'This month' },
          ]}
        />
      }
    >
      <DataTable
        label={`Calls by endpoint ${period === 'DAY' ? 'today' : 'this month'}`}
        columns={columns}
        rows={usage?.byEndpoint}
        rowKey={({ endpoint }) => endpoint}
        error={error}
        onRetry={refetch}
        sortParam="sort"
        csv
        empty={<EmptyState title="No calls yet">Endpoints appear with their first metered call.</EmptyState>}
      />
    </Card>
  );
}
