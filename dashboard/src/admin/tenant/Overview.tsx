import { useQuery } from '@apollo/client/react';
import { Bell } from 'lucide-react';
import { SAMPLE_DOMAIN } from '../../api/sampleDomain.js';
import {
  Badge,
  Button,
  Callout,
  Card,
  EmptyState,
  ErrorState,
  formatBytes,
  formatCount,
  formatMoney,
  formatPercent,
  Grid,
  intLimit,
  KeyValue,
  Link,
  Row,
  readableInstants,
  Skeleton,
  Stack,
  TextButton,
  Time,
  UNLIMITED,
  UsageBar,
} from '../../design/index.js';
import type { TenantOverviewQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { pricesText } from '../../prices/prices.js';
import { RoleGate } from '../session.js';
import { StripeNow } from './StripeNow.js';
import { useTenantPage } from './tenantPage.js';
import { ALERTS, calls, SOURCE_NAMES, SOURCES } from './words.js';

const OVERVIEW = graphql(`
  query TenantOverview($tenantId: ID!) {
    explainTier(tenantId: $tenantId) {
      summary
      source
      since
      until
      unapplied {
        source
        reason
      }
      stripe {
        customerId
        subscriptionId
        status
        tier
        changedAt
        lastEventId
        lastEventType
        lastEventReceivedAt
      }
      tier {
        name
        version
        ...TierPrices
        featureNames
        limits {
          concurrentRequests
        }
      }
    }
    minute: usage(tenantId: $tenantId, period: MINUTE) {
      ...UsageNow
    }
    today: usage(tenantId: $tenantId, period: DAY) {
      ...UsageNow
    }
    month: usage(tenantId: $tenantId, period: MONTH) {
      ...UsageNow
    }
    overage(tenantId: $tenantId) {
      ...OverageNow
    }
    storage(tenantId: $tenantId) {
      memories
      embeddings
      bytes
      limits {
        maxMemories
        maxEmbeddings
        maxStorageBytes
      }
      resources {
        resource
        stored
        limit
      }
    }
    alerts(tenantId: $tenantId, first: 20) {
      edges {
        node {
          id
          kind
          level
          limit
          used
          at
          window
        }
      }
    }
  }
`);

export const USAGE_NOW = graphql(`
  fragment UsageNow on Usage {
    period
    from
    apiCalls
    limit
    overageCalls
    overageCostCents
    resetsAt
  }
`);

export const OVERAGE_NOW = graphql(`
  fragment OverageNow on Overage {
    monthlyCapCents
    currency
    costCents
    unbilledCents
    priceCents
    perCalls
    usedCalls
    allowedCalls
    remainingCalls
  }
`);

/** Why the tenant is where it is, and what it used. */
export function Overview() {
  const { tenantId } = useTenantPage();
  const { data, error, refetch } = useQuery(OVERVIEW, { variables: { tenantId } });
  if (!data) return error ? <ErrorState error={error} onRetry={refetch} /> : <Skeleton lines={10} />;
  return (
    <Stack>
      {error && (
        <Callout tone="warning" title="These figures could not be read again">
          They are the last ones. {error.message}
        </Callout>
      )}
      <Grid>
        <WhyThisTier explanation={data.explainTier} />
        <StripeNow statement={data.explainTier.stripe ?? null} />
      </Grid>
      <Grid>
        <UsageCard data={data} />
        <Stack>
          <StorageCard storage={data.storage} />
          <AlertsCard alerts={data.alerts.edges.map(({ node }) => node)} />
        </Stack>
      </Grid>
    </Stack>
  );
}

function WhyThisTier({ explanation }: { explanation: TenantOverviewQuery['explainTier'] }) {
  const { tier, summary, source, since, until, unapplied } = explanation;
  return (
    <Card
      title={`Why it is ${tier.name}`}
      actions={
        <RoleGate role="OWNER">
          <OverrideButton />
        </RoleGate>
      }
    >
      <Stack tight>
        <p>{readableInstants(summary)}</p>
        <KeyValue
          items={[
            ['Given by', SOURCES[source]],
            ['Since', since ? <Time at={since} /> : 'not known'],
            ['Until', until ? <Time at={until} /> : 'no end'],
            ['Price', `${pricesText(tier)}; version ${tier.version} of the tier`],
            [
              'Features',
              tier.featureNames.length === 0 ? (
                'none'
              ) : (
                <Row>
                  {tier.featureNames.map((feature) => (
                    <Badge key={feature}>{feature}</Badge>
                  ))}
                </Row>
              ),
            ],
          ]}
        />
        {unapplied.length > 0 && (
          <>
            <h3>What does not apply</h3>
            <KeyValue
              items={unapplied.map((other): [string, React.ReactNode] => [
                SOURCE_NAMES[other.source],
                readableInstants(other.reason),
              ])}
            />
          </>
        )}
      </Stack>
    </Card>
  );
}

function OverrideButton() {
  const { act } = useTenantPage();
  return (
    <Button size="small" onClick={() => act('limits')}>
      Override…
    </Button>
  );
}

function UsageCard({ data }: { data: TenantOverviewQuery }) {
  const { minute, today, month, overage, explainTier } = data;
  const { act } = useTenantPage();
  const cap = overage.monthlyCapCents ?? null;
  return (
    <Card title="Usage now" description="Windows are in UTC" actions={<Link to="?tab=usage">History</Link>}>
      <Stack tight>
        <UsageBar
          label="Calls this minute"
          used={minute.apiCalls}
          limit={minute.limit ?? UNLIMITED}
          format={calls}
          resetsAt={minute.resetsAt}
        />
        <UsageBar
          label="Calls today"
          used={today.apiCalls}
          limit={today.limit ?? UNLIMITED}
          format={calls}
          resetsAt={today.resetsAt}
          note={today.overageCalls > 0 ? `${calls(today.overageCalls)} of them are paid overage` : undefined}
        />
        <UsageBar
          label="Calls this month"
          used={month.apiCalls}
          limit={month.limit ?? null}
          format={calls}
          resetsAt={month.resetsAt}
        />
        {cap !== null && (
          <UsageBar
            label="Overage this month"
            used={overage.costCents}
            limit={cap}
            format={(cents) => formatMoney(cents, overage.currency)}
            note={`${calls(overage.usedCalls)} paid, ${calls(overage.remainingCalls)} left below the cap`}
          />
        )}
        <KeyValue
          items={[
            [
              'Concurrent requests',
              `at most ${formatCount(intLimit(explainTier.tier.limits.concurrentRequests), 'request')} at a time`,
            ],
            [
              'Overage',
              <Row>
                <span>{overageWords(overage)}</span>
                {(cap !== null || overage.priceCents !== null) && (
                  <RoleGate role="OWNER">
                    <TextButton onClick={() => act('overage')}>Change…</TextButton>
                  </RoleGate>
                )}
              </Row>,
            ],
          ]}
        />
      </Stack>
    </Card>
  );
}

function overageWords(overage: TenantOverviewQuery['overage']): string {
  const { monthlyCapCents: cap, currency, priceCents, perCalls } = overage;
  if (cap !== null && cap !== undefined) return `on, at most ${formatMoney(cap, currency)} a month`;
  if (priceCents === null || priceCents === undefined) return 'the tier sells none';
  return `off; ${formatMoney(priceCents, currency)} for ${calls(perCalls ?? 1)} if it were on`;
}

function StorageCard({ storage }: { storage: TenantOverviewQuery['storage'] }) {
  const { memories, embeddings, bytes, limits, resources } = storage;
  return (
    <Card title="Storage">
      <Stack tight>
        {SAMPLE_DOMAIN && <UsageBar label="Memories" used={memories} limit={limits.maxMemories} />}
        {SAMPLE_DOMAIN && <UsageBar label="Embeddings" used={embeddings} limit={limits.maxEmbeddings} />}
        <UsageBar label="Bytes" used={bytes} limit={limits.maxStorageBytes} format={formatBytes} />
        {resources.map(({ resource, stored, limit }) => (
          <UsageBar key={resource} label={resource} used={stored} limit={limit} />
        ))}
      </Stack>
    </Card>
  );
}

type Alert = TenantOverviewQuery['alerts']['edges'][number]['node'];

/** The highest level of each limit in its current window. */
function openAlerts(alerts: readonly Alert[]): Alert[] {
  const day = new Date().toISOString().slice(0, 10);
  const open = new Map<string, Alert>();
  for (const alert of alerts) {
    if (alert.window !== day && alert.window !== day.slice(0, 7)) continue;
    const known = open.get(alert.kind);
    if (!known || known.level < alert.level) open.set(alert.kind, alert);
  }
  return [...open.values()].sort((a, b) => b.level - a.level);
}

function AlertsCard({ alerts }: { alerts: readonly Alert[] }) {
  const open = openAlerts(alerts);
  return (
    <Card title="Open alerts" actions={<Link to="?tab=events&list=alerts">All alerts</Link>}>
      {open.length === 0 ? (
        <EmptyState title="No limit is nearly used up" icon={Bell}>
          An alert is raised at 80%, 90% and 100% of a limit.
        </EmptyState>
      ) : (
        <Stack tight>
          {open.map(({ id, kind, level, used, limit, at }) => (
            <Callout
              key={id}
              tone={level >= 100 ? 'danger' : 'warning'}
              title={`${ALERTS[kind].label}: ${formatPercent(level / 100)} reached`}
            >
              {ALERTS[kind].format(used)} of {ALERTS[kind].format(limit)}, <Time at={at} relative />
            </Callout>
          ))}
        </Stack>
      )}
    </Card>
  );
}
