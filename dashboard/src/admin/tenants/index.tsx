import { NetworkStatus } from '@apollo/client';
import { useQuery } from '@apollo/client/react';
import { Users } from 'lucide-react';
import {
  Badge,
  Callout,
  Card,
  type Column,
  DataTable,
  EmptyState,
  FilterBar,
  formatMoney,
  formatNumber,
  NONE,
  PageHeader,
  Pagination,
  Select,
  Stack,
  Status,
  Time,
  useFilters,
  useUrlParams,
  WithNote,
} from '../../design/index.js';
import type { TenantSort, TenantState, TenantsQuery, TierName } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { CreateTenant } from './CreateTenant.js';

const TENANTS = graphql(`
  query Tenants(
    $first: Int!
    $after: String
    $search: String
    $tier: TierName
    $state: TenantState
    $sort: TenantSort!
  ) {
    tenants(first: $first, after: $after, search: $search, tier: $tier, state: $state, sort: $sort) {
      edges {
        cursor
        node {
          id
          name
          email
          externalId
          createdAt
          suspendedAt
          erasure {
            tenantId
            status
          }
          monthlyRevenue {
            currency
            cents
          }
          tier {
            name
            displayName
          }
          subscription {
            id
            status
            cancelAtPeriodEnd
            stripeSubscriptionId
          }
          today: usage(period: DAY) {
            apiCalls
            limit
          }
          month: usage(period: MONTH) {
            apiCalls
          }
          storage {
            bytes
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const TIERS = graphql(`
  query TenantsTiers {
    tiers {
      name
      displayName
    }
  }
`);

const PAGE_SIZE = 50;

type Tenant = TenantsQuery['tenants']['edges'][number]['node'];

/** The one word that an operator needs first. */
function stateOf({ erasure, suspendedAt, subscription }: Tenant): string {
  if (erasure) return 'ERASED';
  return suspendedAt ? 'SUSPENDED' : subscription.status;
}

const COLUMNS: readonly Column<Tenant>[] = [
  {
    id: 'name',
    header: 'Name',
    value: ({ name }) => name,
    cell: ({ id, name, email, erasure }) => (
      <WithNote note={email}>{name || (erasure ? 'Erased tenant' : id)}</WithNote>
    ),
  },
  { id: 'id', header: 'Id', value: ({ id }) => id, csvOnly: true },
  { id: 'externalId', header: 'Your own id', value: ({ externalId }) => externalId, csvOnly: true },
  { id: 'email', header: 'E-mail', value: ({ email }) => email, csvOnly: true },
  {
    id: 'tier',
    header: 'Tier',
    value: ({ tier }) => tier.name,
    cell: ({ tier }) => <Badge>{tier.displayName}</Badge>,
  },
  {
    id: 'status',
    header: 'Status',
    value: stateOf,
    cell: (tenant) => {
      const { cancelAtPeriodEnd, stripeSubscriptionId } = tenant.subscription;
      if (!tenant.suspendedAt && cancelAtPeriodEnd)
        return <Status value="CANCELING" label="Cancels at period end" />;
      const isFree = !tenant.suspendedAt && stripeSubscriptionId === null;
      return <Status value={stateOf(tenant)} tone={isFree ? 'neutral' : undefined} />;
    },
  },
  {
    id: 'today',
    header: 'Calls today',
    value: ({ today }) => today.apiCalls,
    numeric: true,
  },
  {
    id: 'month',
    header: 'Calls this month',
    value: ({ month }) => month.apiCalls,
    numeric: true,
  },
  { id: 'storage', header: 'Storage (bytes)', value: ({ storage }) => storage.bytes, csvOnly: true },
  {
    id: 'revenue',
    header: 'Revenue a month',
    csvHeader: 'Revenue a month (smallest unit)',
    value: ({ monthlyRevenue }) => monthlyRevenue?.cents ?? null,
    cell: ({ monthlyRevenue }) =>
      monthlyRevenue ? formatMoney(monthlyRevenue.cents, monthlyRevenue.currency) : NONE,
    numeric: true,
  },
  {
    id: 'currency',
    header: 'Revenue currency',
    value: ({ monthlyRevenue }) => monthlyRevenue?.currency ?? null,
    csvOnly: true,
  },
  {
    id: 'created',
    header: 'Created',
    value: ({ createdAt }) => createdAt,
    cell: ({ createdAt }) => <Time at={createdAt} relative />,
  },
];

const STATES: readonly { value: TenantState; label: string }[] = [
  { value: 'PAST_DUE', label: 'Past due' },
  { value: 'NEAR_LIMIT', label: 'Near a limit' },
  { value: 'OVER_LIMIT', label: 'Over a limit' },
  { value: 'SUSPENDED', label: 'Suspended' },
  { value: 'ERASED', label: 'Erased' },
];

const SORTS: readonly { value: TenantSort; label: string }[] = [
  { value: 'NEWEST', label: 'Newest first' },
  { value: 'OLDEST', label: 'Oldest first' },
  { value: 'USAGE', label: 'Most calls this month' },
  { value: 'REVENUE', label: 'Highest revenue' },
];
const DEFAULT_SORT = 'NEWEST';

/** What the URL says, if the API knows it. */
function choice<Value extends string>(text: string | null, known: readonly { value: Value }[]): Value | null {
  return known.find(({ value }) => value === text)?.value ?? null;
}

export default function TenantsPage() {
  const filters = useFilters('search', 'tier', 'state');
  const [params, update] = useUrlParams();
  const { search, tier, state } = filters.values;
  const known = useQuery(TIERS);
  const tiers = (known.data?.tiers ?? []).map(({ name, displayName }) => ({
    value: name,
    label: displayName,
  }));
  const sort = choice(params.get('sort'), SORTS) ?? DEFAULT_SORT;
  const list = useQuery(TENANTS, {
    // The API rejects a tier that it does not know.
    skip: tier !== '' && !known.data,
    variables: {
      first: PAGE_SIZE,
      search: search || null,
      tier: choice<TierName>(tier, tiers),
      state: choice(state, STATES),
      // What matches best comes first; the API has no other order for a search.
      sort: search ? 'OLDEST' : sort,
    },
  });
  const { data, previousData, networkStatus, refetch, fetchMore } = list;
  const error = known.data ? list.error : (known.error ?? list.error);
  // While another filter loads, the rows stay and are dimmed.
  const changing = networkStatus === NetworkStatus.setVariables;
  const shown = data ?? (changing ? previousData : undefined);
  const tenants = shown?.tenants;
  const sortBy = (value: string) =>
    update((next) => {
      if (value === DEFAULT_SORT) next.delete('sort');
      else next.set('sort', value);
    });
  return (
    <>
      <PageHeader
        title="Tenants"
        description="Everyone whose calls this server counts. Days and months are in UTC."
        actions={<CreateTenant />}
      />
      <Stack>
        <FilterBar
          filters={filters}
          fields={[
            { name: 'search', label: 'Search tenants', placeholder: 'Name, e-mail, your id, Stripe id' },
            { name: 'tier', label: 'Tier', all: 'All tiers', options: tiers },
            { name: 'state', label: 'State', all: 'All states', options: STATES },
          ]}
        >
          <Select
            label="Sort by"
            hideLabel
            value={search ? 'MATCH' : sort}
            onChange={sortBy}
            disabled={search !== ''}
            options={search ? [{ value: 'MATCH', label: 'Best match' }] : SORTS}
          />
        </FilterBar>
        {error && tenants && (
          <Callout tone="warning" title="This list may be old">
            It could not be read again: {error.message}
          </Callout>
        )}
        <Card flush>
          <DataTable
            label="Tenants"
            columns={COLUMNS}
            rows={tenants?.edges.map(({ node }) => node)}
            rowKey={({ id }) => id}
            rowLink={({ id }) => `/tenants/${encodeURIComponent(id)}`}
            refreshing={changing}
            error={error}
            onRetry={() => (known.data ? refetch() : known.refetch())}
            empty={<NoTenants filtered={filters.active} more={tenants?.pageInfo.hasNextPage ?? false} />}
            csv
            footer={
              tenants && (
                <Pagination
                  shown={tenants.edges.length}
                  noun="tenant"
                  more={tenants.pageInfo.hasNextPage}
                  onMore={() => fetchMore({ variables: { after: tenants.pageInfo.endCursor } })}
                />
              )
            }
          />
        </Card>
      </Stack>
    </>
  );
}

function NoTenants({ filtered, more }: { filtered: boolean; more: boolean }) {
  if (more) {
    return (
      <EmptyState title="None among the first 2,000">
        With filters, the server looks through {formatNumber(2_000)} tenants at a time. “Load more” goes on.
      </EmptyState>
    );
  }
  return filtered ? (
    <EmptyState title="No tenant matches">
      A search finds the beginning of a name, an e-mail address or your own id, and whole ids of tenants,
      customers and subscriptions at Stripe.
    </EmptyState>
  ) : (
    <EmptyState title="No tenants yet" icon={Users}>
      A tenant is a customer of yours. Create one here, or let your sign-up call createTenant.
    </EmptyState>
  );
}
