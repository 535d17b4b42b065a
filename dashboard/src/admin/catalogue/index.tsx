import { useQuery } from '@apollo/client/react';
import {
  Badge,
  Card,
  type Column,
  DataTable,
  EmptyState,
  ErrorState,
  formatBytes,
  formatCount,
  formatMoney,
  formatNumber,
  Grid,
  intLimit,
  KeyValue,
  Link,
  NONE,
  PageHeader,
  Row,
  Skeleton,
  Stack,
} from '../../design/index.js';
import type { CatalogueQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { pricesText } from '../../prices/prices.js';

const CATALOGUE = graphql(`
  query Catalogue {
    tiers {
      name
      displayName
      description
      hidden
      retired
      successor
      version
      checkout
      ...TierPrices
      trialDays
      trialRequiresCard
      trialEndWithoutCard
      features
      featureNames
      support
      overage {
        priceCents
        perCalls
      }
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
          displayName
          limit
        }
      }
    }
    catalogueVersions {
      tier
      version
      isCurrent
      monthlyPriceCents
      tenants
    }
  }
`);

type Tier = CatalogueQuery['tiers'][number];
type Version = CatalogueQuery['catalogueVersions'][number] & { currency: string };

const VERSIONS: readonly Column<Version>[] = [
  { id: 'tier', header: 'Tier', value: ({ tier }) => tier },
  {
    id: 'version',
    header: 'Version',
    value: ({ version }) => version,
    cell: ({ version, isCurrent }) => (
      <Row>
        {formatNumber(version)} {isCurrent ? <Badge tone="accent">Sold now</Badge> : <Badge>Former</Badge>}
      </Row>
    ),
  },
  {
    id: 'price',
    header: 'Price a month',
    csvHeader: 'Price a month (cents)',
    numeric: true,
    value: ({ monthlyPriceCents }) => monthlyPriceCents,
    cell: ({ monthlyPriceCents, currency }) => priceOf(monthlyPriceCents, currency),
  },
  {
    id: 'tenants',
    header: 'Tenants',
    numeric: true,
    value: ({ tenants }) => tenants,
    cell: ({ tenants, tier }) =>
      tenants > 0 ? (
        <Link to={`/tenants?tier=${tier}`}>{formatCount(tenants, 'tenant')}</Link>
      ) : (
        formatCount(tenants, 'tenant')
      ),
  },
];

/** A version is listed with its monthly price alone. */
const priceOf = (cents: number | null, currency: string): string =>
  cents === null ? NONE : formatMoney(cents, currency);

export default function CataloguePage() {
  const { data, error, refetch } = useQuery(CATALOGUE);
  const currency = data?.tiers[0]?.currency ?? 'usd';
  const versions = data?.catalogueVersions.map((version) => ({ ...version, currency }));
  return (
    <>
      <PageHeader
        title="Catalogue"
        description="What is sold. A tenant that bought an earlier version keeps it until it changes its tier."
      />
      <Stack>
        {error && !data && (
          <Card>
            <ErrorState error={error} onRetry={refetch} />
          </Card>
        )}
        {!error && !data && (
          <Card>
            <Skeleton lines={8} />
          </Card>
        )}
        {data && (
          <>
            <Grid columns={3}>
              {data.tiers.map((tier) => (
                <TierCard key={tier.name} tier={tier} />
              ))}
            </Grid>
            <Card
              title="Versions and their tenants"
              description="Tenants that have the version now, by subscription or by override."
              flush
            >
              <DataTable
                label="Versions of tiers"
                columns={VERSIONS}
                rows={versions}
                rowKey={({ tier, version }) => `${tier}:${version}`}
                empty={<EmptyState title="No tenant has a tier yet" />}
                csv
              />
            </Card>
          </>
        )}
      </Stack>
    </>
  );
}

const CHECKOUT: Record<Tier['checkout'], string> = {
  NONE: 'Without checkout',
  SELF_SERVICE: 'By checkout',
  CONTACT_SALES: 'By contract',
};

const TRIAL_END: Record<Tier['trialEndWithoutCard'], string> = {
  CANCEL: 'it ends',
  PAUSE: 'it is paused',
  INVOICE: 'the payment is overdue',
};

/** Beside the catalogue's own. */
const currenciesOf = ({ prices, currency }: Tier): string[] =>
  [...new Set(prices.map((price) => price.currency))].filter((other) => other !== currency);

/** A number stays with its unit: `99.9 %`. */
const unbroken = (text: string): string => text.replace(/(\d) (?=[%\p{L}])/gu, '$1\u00a0');

function soldText({ checkout, hidden, retired, successor }: Tier): string {
  if (retired) return successor ? `No longer; ${successor} takes its place` : 'No longer';
  return hidden ? `${CHECKOUT[checkout]}, by operators alone` : CHECKOUT[checkout];
}

function TierCard({ tier }: { tier: Tier }) {
  const { limits, overage, currency } = tier;
  return (
    <Card title={tier.displayName} description={`${tier.name}, version ${tier.version}`}>
      <KeyValue
        items={[
          ['Price', pricesText(tier)],
          ...currenciesOf(tier).map((other): [string, string] => [
            `In ${other.toUpperCase()}`,
            pricesText(tier, other),
          ]),
          tier.description !== '' && ['Description', tier.description],
          ['Sold', soldText(tier)],
          tier.trialDays > 0 && [
            'Trial',
            `${formatCount(tier.trialDays, 'day')}${tier.trialRequiresCard ? '' : `, without a card; then ${TRIAL_END[tier.trialEndWithoutCard]}`}`,
          ],
          [
            'Overage',
            overage
              ? `${formatMoney(overage.priceCents, currency)} for ${formatCount(overage.perCalls, 'call')}`
              : 'Not sold',
          ],
          [
            'Features',
            tier.featureNames.length > 0 ? (
              <Row key="features">
                {tier.featureNames.map((name) => (
                  <Badge key={name}>{name}</Badge>
                ))}
              </Row>
            ) : (
              'None'
            ),
          ],
          ['Support', unbroken(tier.support)],
          [
            'Calls',
            `${formatCount(limits.apiCallsPerDay, 'call')} a day, ${formatCount(intLimit(limits.apiCallsPerMinute), 'call')} a minute`,
          ],
          ['At once', formatCount(intLimit(limits.concurrentRequests), 'request')],
          limits.maxMemories > 0 && ['Memories', formatNumber(Number(limits.maxMemories))],
          limits.maxEmbeddings > 0 && ['Embeddings', formatNumber(Number(limits.maxEmbeddings))],
          ...limits.stored.map(({ displayName, limit }): [string, string] => [
            displayName,
            formatNumber(Number(limit)),
          ]),
          ['Storage', formatBytes(Number(limits.maxStorageBytes))],
          limits.maxExtractionBatchSize > 0 && [
            'Extraction',
            `${formatCount(intLimit(limits.maxExtractionBatchSize), 'item')} in one operation`,
          ],
          limits.federationPriority > 0 && [
            'Federation priority',
            formatNumber(intLimit(limits.federationPriority)),
          ],
        ]}
      />
    </Card>
  );
}
