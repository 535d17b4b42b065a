import { useQuery } from '@apollo/client/react';
import { SearchX } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useParams } from 'react-router';
import { codeOf } from '../../api/errors.js';
import type { LiveState } from '../../api/live.js';
import {
  Badge,
  ButtonLink,
  Callout,
  Card,
  EmptyState,
  ErrorState,
  Id,
  NONE,
  PageHeader,
  Skeleton,
  Stack,
  Status,
  type TabItem,
  Tabs,
  Time,
} from '../../design/index.js';
import { AuditLog } from '../parts/AuditLog.js';
import { useOperator } from '../session.js';
import { ActionsMenu } from './ActionsMenu.js';
import { Billing } from './Billing.js';
import { Dialogs } from './dialogs/Dialogs.js';
import { Erasure } from './Erasure.js';
import { Events } from './Events.js';
import { Keys, KeysOfProvision } from './Keys.js';
import { Limits } from './Limits.js';
import { Overview } from './Overview.js';
import { Settings } from './Settings.js';
import {
  type Action,
  isEnding,
  isSubscribed,
  TENANT,
  type TenantHead,
  TenantPageContext,
  useTenantPage,
} from './tenantPage.js';
import { Usage } from './Usage.js';
import { useTenantLive } from './useTenantLive.js';

const BACK = { to: '/tenants', label: 'Tenants' };

const SECTIONS: readonly TabItem[] = [
  { id: 'overview', label: 'Overview', content: () => <Overview /> },
  { id: 'usage', label: 'Usage', content: () => <Usage /> },
  { id: 'billing', label: 'Billing', content: () => <Billing /> },
  { id: 'limits', label: 'Limits', content: () => <Limits /> },
  { id: 'keys', label: 'Keys', content: () => <Keys /> },
  { id: 'events', label: 'Events', content: () => <Events /> },
  { id: 'audit', label: 'Audit log', content: () => <AuditLogOfTenant /> },
  { id: 'settings', label: 'Settings', content: () => <Settings /> },
];

/** What is left of a tenant that is being erased or was. */
const SECTIONS_OF_ERASED: readonly TabItem[] = [
  { id: 'erasure', label: 'Erasure', content: () => <Erasure /> },
  { id: 'audit', label: 'Audit log', content: () => <AuditLogOfTenant /> },
];

function AuditLogOfTenant() {
  return <AuditLog tenantId={useTenantPage().tenantId} />;
}

/** One tenant: what support is asked about it, and what an operator can do about it. */
export default function TenantPage() {
  const { tenantId = '' } = useParams();
  const { can } = useOperator();
  if (!can('READ')) return <KeysOfProvision key={tenantId} tenantId={tenantId} />;
  return <TenantWithId key={tenantId} tenantId={tenantId} />;
}

function TenantWithId({ tenantId }: { tenantId: string }) {
  const { data, error, refetch } = useQuery(TENANT, { variables: { tenantId } });
  const [action, setAction] = useState<Action | null>(null);
  const tenant = data?.tenant;
  const live = useTenantLive(tenantId, !tenant || !!tenant.erasure);
  const page = useMemo(() => tenant && { tenantId, tenant, act: setAction }, [tenantId, tenant]);
  const title = tenant ? tenant.name || 'Erased tenant' : 'Tenant';

  if (!page) {
    return (
      <>
        <PageHeader title={title} back={BACK} />
        <Card>{error ? <NoTenant error={error} onRetry={refetch} /> : <Skeleton lines={8} />}</Card>
      </>
    );
  }
  return (
    <TenantPageContext value={page}>
      <PageHeader
        title={title}
        badges={<Badges tenant={page.tenant} live={live} />}
        back={BACK}
        facts={factsOf(page.tenant)}
        actions={page.tenant.erasure ? undefined : <ActionsMenu />}
      />
      <Stack>
        {error && <Outdated error={error} />}
        <Notices tenant={page.tenant} />
        <Tabs label="About this tenant" items={page.tenant.erasure ? SECTIONS_OF_ERASED : SECTIONS} />
      </Stack>
      <Dialogs action={action} onClose={() => setAction(null)} />
    </TenantPageContext>
  );
}

function factsOf({
  id,
  externalId,
  email,
  createdAt,
  erasure,
}: TenantHead): readonly [string, React.ReactNode][] {
  if (erasure) return [['Id', <Id value={id} />]];
  return [
    ['Id', <Id value={id} />],
    ['External id', externalId ? <Id value={externalId} what="the external id" /> : NONE],
    ['E-mail', email ?? NONE],
    ['Created', <Time at={createdAt} />],
  ];
}

function Badges({ tenant, live }: { tenant: TenantHead; live: LiveState }) {
  const { tier, subscription, suspendedAt, erasure } = tenant;
  if (erasure) return <Status value="ERASED" label={erasure.completedAt ? 'Erased' : 'Being erased'} />;
  return (
    <>
      <Badge tone="accent">{tier.name}</Badge>
      {subscription.stripeSubscriptionId && <Status value={subscription.status} />}
      {subscription.paymentPause && isSubscribed(subscription) && (
        <Badge tone="warning">Payments paused</Badge>
      )}
      {isEnding(subscription) && <Status value="CANCELING" label="Ends soon" />}
      {suspendedAt && <Status value="SUSPENDED" />}
      {live === 'reconnecting' && <Badge>Not live: connecting again</Badge>}
    </>
  );
}

const PAUSED_INVOICES = {
  VOID: 'its invoices are voided',
  KEEP_AS_DRAFT: 'its invoices stay drafts',
  MARK_UNCOLLECTIBLE: 'its invoices are written off',
} as const;

/** What an operator must know before anything else. */
function Notices({ tenant }: { tenant: TenantHead }) {
  const { suspendedAt, suspendedReason, subscription } = tenant;
  const { status, graceEndsAt, outsideCatalogue, tier, paymentPause } = subscription;
  return (
    <>
      {suspendedAt && (
        <Callout tone="danger" title="This tenant is suspended">
          Since <Time at={suspendedAt} />, its metered operations are rejected with{' '}
          <code>TENANT_SUSPENDED</code>. It can still read and pay. Reason:{' '}
          {suspendedReason ?? 'none was given'}
        </Callout>
      )}
      {status === 'PAST_DUE' && graceEndsAt && (
        <Callout tone="warning" title="A payment failed">
          {Date.parse(graceEndsAt) > Date.now() ? (
            <>
              It loses its tier on <Time at={graceEndsAt} /> unless the payment arrives before. Stripe tries
              again by itself.
            </>
          ) : (
            <>
              Its grace period ended on <Time at={graceEndsAt} />, and it has {tier.name} until the payment
              arrives.
            </>
          )}
        </Callout>
      )}
      {paymentPause && isSubscribed(subscription) && (
        <Callout title="Its payments are paused">
          {paymentPause.resumesAt ? (
            <>
              They resume on <Time at={paymentPause.resumesAt} />.
            </>
          ) : (
            'They resume when somebody resumes them.'
          )}{' '}
          It keeps its tier; {PAUSED_INVOICES[paymentPause.invoices ?? 'VOID']}, and no calls past the quota
          are sold.
        </Callout>
      )}
      {outsideCatalogue && (
        <Callout tone="warning" title="Its price is not in the catalogue">
          Its price at Stripe belongs to no tier. It keeps the tier that it had before, or the free tier.
        </Callout>
      )}
    </>
  );
}

function Outdated({ error }: { error: unknown }) {
  return (
    <Callout tone="warning" title="This page could not be read again">
      It shows what was read last. {error instanceof Error ? error.message : String(error)}
    </Callout>
  );
}

function NoTenant({ error, onRetry }: { error: unknown; onRetry(): unknown }) {
  if (codeOf(error) !== 'NOT_FOUND' && codeOf(error) !== 'BAD_USER_INPUT')
    return <ErrorState error={error} onRetry={onRetry} />;
  return (
    <EmptyState
      title="No tenant has this id"
      icon={SearchX}
      action={<ButtonLink to="/tenants">Search all tenants</ButtonLink>}
    >
      The address may be incomplete. A tenant is found by its name, its e-mail address, your own id, or an id
      at Stripe.
    </EmptyState>
  );
}
