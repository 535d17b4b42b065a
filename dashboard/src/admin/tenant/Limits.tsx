import { useQuery } from '@apollo/client/react';
import {
  Badge,
  Button,
  Callout,
  Card,
  type Column,
  DataTable,
  ErrorState,
  formatNumber,
  KeyValue,
  NONE,
  Skeleton,
  Stack,
  Status,
  Time,
} from '../../design/index.js';
import type { TenantLimitsQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { RoleGate } from '../session.js';
import { useTenantPage } from './tenantPage.js';
import { LIMITS } from './words.js';

export const TENANT_LIMITS = graphql(`
  query TenantLimits($tenantId: ID!) {
    tenant(id: $tenantId) {
      id
      tier {
        name
        version
        limits {
          ...AllLimits
        }
      }
      limitOverrides {
        tier
        inForce
        reason
        author
        setAt
        until
        limits {
          apiCallsPerDay
          apiCallsPerMinute
          concurrentRequests
          maxMemories
          maxEmbeddings
          maxStorageBytes
          maxExtractionBatchSize
          federationPriority
          stored {
            resource
            limit
          }
        }
      }
    }
    tiers {
      name
      version
      retired
      limits {
        ...AllLimits
      }
    }
  }
`);

export const ALL_LIMITS = graphql(`
  fragment AllLimits on TierLimits {
    apiCallsPerDay
    apiCallsPerMinute
    concurrentRequests
    maxMemories
    maxEmbeddings
    maxStorageBytes
    maxExtractionBatchSize
    federationPriority
    stored {
      resource
      limit
    }
  }
`);

interface LimitRow {
  id: string;
  label: string;
  format: (value: number) => string;
  effective: number | null;
  own: number | null;
  override: number | null;
}

export type TenantLimits = TenantLimitsQuery['tenant'];
type TierOfCatalogue = TenantLimitsQuery['tiers'][number];

function rowsOf({ tier, limitOverrides }: TenantLimits, own: TierOfCatalogue | undefined): LimitRow[] {
  const overrides = limitOverrides?.inForce ? limitOverrides.limits : null;
  const rows: LimitRow[] = LIMITS.map(({ key, label, format }) => ({
    id: key,
    label,
    format,
    effective: tier.limits[key],
    own: own?.limits[key] ?? null,
    override: overrides?.[key] ?? null,
  }));
  for (const { resource, limit } of tier.limits.stored) {
    const of = (list: readonly { resource: string; limit: number }[] | null | undefined) =>
      list?.find((stored) => stored.resource === resource)?.limit ?? null;
    rows.push({
      id: `stored.${resource}`,
      label: resource,
      format: formatNumber,
      effective: limit,
      own: of(own?.limits.stored),
      override: of(overrides?.stored),
    });
  }
  return rows;
}

/** What the tenant may do, and what an operator changed of it. */
export function Limits() {
  const { tenantId, act } = useTenantPage();
  const { data, error, refetch } = useQuery(TENANT_LIMITS, { variables: { tenantId } });
  if (!data) {
    return <Card>{error ? <ErrorState error={error} onRetry={refetch} /> : <Skeleton lines={8} />}</Card>;
  }
  const { tenant, tiers } = data;
  const own = tiers.find(({ name }) => name === tenant.tier.name);
  const shown = (value: number | null, row: LimitRow) => (value === null ? NONE : row.format(value));
  const columns: readonly Column<LimitRow>[] = [
    { id: 'limit', header: 'Limit', value: ({ label }) => label },
    {
      id: 'effective',
      header: 'In force',
      value: ({ effective }) => effective,
      cell: (row) => shown(row.effective, row),
      numeric: true,
    },
    {
      id: 'own',
      header: `${tenant.tier.name}, version ${own?.version ?? '?'}`,
      value: (row) => row.own,
      cell: (row) => shown(row.own, row),
      numeric: true,
    },
    {
      id: 'override',
      header: 'Override',
      value: ({ override }) => override,
      cell: (row) => (row.override === null ? NONE : <Badge tone="accent">{row.format(row.override)}</Badge>),
      numeric: true,
    },
  ];
  return (
    <Stack>
      {error && <Callout tone="warning">It could not be read again. {error.message}</Callout>}
      <Card
        flush
        title="Limits"
        description={
          own && own.version !== tenant.tier.version
            ? `It has version ${tenant.tier.version} of ${tenant.tier.name}; new buyers get version ${own.version}, which is shown beside it`
            : `In force now, beside those of ${tenant.tier.name}`
        }
        actions={
          <RoleGate role="OWNER">
            <Button size="small" onClick={() => act('limits')}>
              Override…
            </Button>
          </RoleGate>
        }
      >
        <DataTable label="Limits" columns={columns} rows={rowsOf(tenant, own)} rowKey={({ id }) => id} csv />
      </Card>
      <Overrides overrides={tenant.limitOverrides ?? null} />
    </Stack>
  );
}

function Overrides({ overrides }: { overrides: TenantLimits['limitOverrides'] | null }) {
  return (
    <Card title="Override">
      {!overrides ? (
        <p>None: the tier follows from the subscription, and the limits from the tier.</p>
      ) : (
        <KeyValue
          items={[
            [
              'State',
              overrides.inForce ? (
                <Status value="ACTIVE" label="In force" />
              ) : (
                <Status value="EXPIRED" label="Ended" />
              ),
            ],
            ['Tier', overrides.tier ?? 'follows from the subscription'],
            ['Reason', overrides.reason ?? 'none was given'],
            ['Set by', overrides.author ? <code>{overrides.author}</code> : 'an earlier version'],
            ['Set at', <Time at={overrides.setAt} />],
            ['Until', overrides.until ? <Time at={overrides.until} /> : 'no end'],
          ]}
        />
      )}
    </Card>
  );
}
