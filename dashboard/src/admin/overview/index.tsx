import { useQuery } from '@apollo/client/react';
import { useOnReturn } from '../../api/useOnReturn.js';
import {
  Callout,
  Card,
  ErrorState,
  formatChange,
  formatInstant,
  formatMoney,
  formatNumber,
  Grid,
  PageHeader,
  Skeleton,
  Stack,
  Stat,
  Stats,
} from '../../design/index.js';
import { Attention } from './Attention.js';
import { CallsByHour } from './CallsByHour.js';
import { OVERVIEW, type Overview, type TierNames } from './documents.js';
import { Health } from './Health.js';
import { Rejections } from './Rejections.js';
import { RevenueHistory } from './RevenueHistory.js';
import { LimitTenants, PastDueTenants } from './TenantLists.js';
import { TierTable } from './TierTable.js';
import { Work } from './Work.js';

/** How often the figures are read while somebody looks. Reading costs the server the same for any number of tenants. */
const POLL_MS = 15_000;

export default function OverviewPage() {
  const { data, error, refetch } = useQuery(OVERVIEW, {
    pollInterval: POLL_MS,
    // A part that fails is null, and the others are shown.
    errorPolicy: 'all',
  });
  useOnReturn(() => void refetch().catch(() => undefined));
  const overview = data?.overview as Overview | undefined;
  return (
    <>
      <PageHeader
        title="Overview"
        description={
          overview ? `All tenants, as of ${formatInstant(overview.asOf, { seconds: true })}` : 'All tenants'
        }
      />
      {overview ? (
        <Stack>
          {error && (
            <Callout tone="warning" title="Some of this may be missing or old">
              It could not be read again: {error.message}
            </Callout>
          )}
          <Figures
            overview={overview}
            names={
              new Map(
                (data?.tiers ?? []).map(({ name, displayName }) => [name as string, displayName ?? name]),
              )
            }
          />
        </Stack>
      ) : error ? (
        <Card>
          <ErrorState error={error} onRetry={() => refetch()} />
        </Card>
      ) : (
        <Loading />
      )}
    </>
  );
}

function Figures({ overview, names }: { overview: Overview; names: TierNames }) {
  const { revenue, tenants, calls, rejections } = overview;
  return (
    <>
      {overview.countedAt === null && (
        <Callout tone="info" title="The first count is still running">
          Revenue and tenants are incomplete until every tenant was counted once.
        </Callout>
      )}
      <Stats label="Figures">
        <Stat
          label="Monthly recurring revenue"
          value={formatMoney(revenue.monthlyCents, revenue.currency)}
          note={revenueNote(revenue)}
        />
        {revenue.byCurrency.slice(1).map((other) => (
          <Stat
            key={other.currency}
            label={`Monthly recurring revenue, ${other.currency.toUpperCase()}`}
            value={formatMoney(other.monthlyCents, other.currency)}
            note={changeNote(other)}
          />
        ))}
        <Stat
          label="Paying tenants"
          value={formatNumber(revenue.payingTenants)}
          note={`${formatNumber(tenants.startedPaying30Days)} began, ${formatNumber(tenants.stoppedPaying30Days)} stopped in 30 days`}
        />
        <Stat
          label="Tenants"
          value={formatNumber(tenants.total)}
          note={`${formatNumber(tenants.new30Days)} new in 30 days, ${formatNumber(tenants.newToday)} today`}
        />
        <Stat
          label="Calls today, UTC"
          value={formatNumber(calls.today)}
          note={`${formatNumber(calls.yesterday)} on all of yesterday`}
        />
        <Stat
          label="Rejections today, UTC"
          value={formatNumber(rejections.today)}
          note={`${formatNumber(rejections.yesterday)} on all of yesterday`}
        />
      </Stats>
      <Attention overview={overview} />
      <Grid>
        <CallsByHour calls={calls} asOf={overview.asOf} />
        <RevenueHistory names={names} />
      </Grid>
      <TierTable overview={overview} names={names} />
      <Grid>
        <PastDueTenants overview={overview} />
        <LimitTenants overview={overview} />
      </Grid>
      <Grid>
        <Rejections rejections={rejections} />
        <Work overview={overview} />
      </Grid>
      <Health health={overview.health} />
    </>
  );
}

function revenueNote(revenue: Overview['revenue']): string {
  const { unpricedTenants, byCurrency } = revenue;
  if (unpricedTenants > 0)
    return `${formatNumber(unpricedTenants)} paying tenants have a price that is not known`;
  const [own] = byCurrency;
  return own ? changeNote(own) : '';
}

function changeNote({
  currency,
  monthlyCents,
  monthlyCents30DaysAgo,
}: Overview['revenue']['byCurrency'][number]): string {
  if (monthlyCents30DaysAgo === null) return 'no figure of 30 days ago yet';
  const changeCents = monthlyCents - monthlyCents30DaysAgo;
  const percent = formatChange(monthlyCents, monthlyCents30DaysAgo);
  return `${formatMoney(changeCents, currency, { sign: true })}${percent ? ` (${percent})` : ''} in 30 days`;
}

function Loading() {
  return (
    <Stack>
      <Card>
        <Skeleton lines={2} />
      </Card>
      <Grid>
        <Card>
          <Skeleton block />
        </Card>
        <Card>
          <Skeleton block />
        </Card>
      </Grid>
      <Card>
        <Skeleton lines={5} />
      </Card>
    </Stack>
  );
}
