import { useApolloClient, useMutation, useQuery } from '@apollo/client/react';
import { FlaskConical } from 'lucide-react';
import { useCallback, useMemo } from 'react';
import {
  Button,
  Callout,
  Card,
  EmptyState,
  ErrorState,
  formatHour,
  Link,
  PageHeader,
  Skeleton,
  Split,
  Stack,
  useFilters,
} from '../../design/index.js';
import { RoleGate, useOperator } from '../session.js';
import type { MockState } from './api.js';
import { CheckoutsCard } from './CheckoutsCard.js';
import { ClockCard } from './ClockCard.js';
import { ConditionsCard } from './ConditionsCard.js';
import { CREATE_TENANT, EVENTS, START_CHECKOUT, TENANT, TIERS } from './documents.js';
import { Steps } from './Steps.js';
import { groupSteps, stepsOf } from './steps.js';
import { TenantCard } from './TenantCard.js';
import { TriggerCard } from './TriggerCard.js';
import { type Actions, useActions } from './useActions.js';
import { POLL_MS, useMockState } from './useMockState.js';

export default function MockModePage() {
  const { isMock } = useOperator();
  return isMock ? <MockMode /> : <LiveMode />;
}

function LiveMode() {
  return (
    <>
      <PageHeader title="Mock mode" />
      <Card>
        <EmptyState title="This server talks to Stripe itself" icon={FlaskConical}>
          Start one without STRIPE_SECRET_KEY to try what is here: its Stripe is a mock, and no money moves.
        </EmptyState>
      </Card>
    </>
  );
}

function MockMode() {
  const filters = useFilters('tenant');
  const tenantId = filters.values.tenant;
  const { state, error, refresh, serverNow } = useMockState(tenantId);
  const polled = { fetchPolicy: 'no-cache', pollInterval: POLL_MS } as const;
  const ofTenant = useQuery(TENANT, { ...polled, variables: { tenantId }, skip: !tenantId });
  const ofAll = useQuery(EVENTS, { ...polled, skip: Boolean(tenantId) });
  const { refetch } = tenantId ? ofTenant : ofAll;
  const readAgain = useCallback(
    () => Promise.all([refresh(), refetch().catch(() => undefined)]),
    [refresh, refetch],
  );
  const actions = useActions(serverNow, readAgain);

  const data = tenantId ? ofTenant.data : undefined;
  const webhooks = (tenantId ? ofTenant.data : ofAll.data)?.webhookEvents.edges;
  const groups = useMemo(
    () => groupSteps(stepsOf(state?.events ?? [], webhooks ?? [], data ?? null), actions.done),
    [state, webhooks, data, actions.done],
  );
  const problem = error ?? (tenantId ? ofTenant.error : ofAll.error);

  return (
    <>
      <PageHeader
        title="Mock mode"
        description="Stripe is a mock inside this server, and no money moves. Everything else is real: its webhooks are signed, received and applied like Stripe’s."
        actions={
          <RoleGate role="OWNER">
            <DemoButton actions={actions} onStarted={(id) => filters.set('tenant', id)} />
          </RoleGate>
        }
      />
      {state === null ? (
        problem ? (
          <Card>
            <ErrorState error={problem} onRetry={readAgain} />
          </Card>
        ) : (
          <Skeleton block />
        )
      ) : (
        <Split
          side={
            <>
              <TenantCard tenantId={tenantId} data={data} onChoose={(id) => filters.set('tenant', id)} />
              <CheckoutsCard checkouts={state.checkouts} actions={actions} />
              <ClockCard state={state} actions={actions} />
              <RoleGate role="OWNER">
                <TriggerCard triggers={state.triggers} tenant={data?.tenant ?? null} actions={actions} />
                <ConditionsCard conditions={state.conditions} actions={actions} />
              </RoleGate>
            </>
          }
        >
          <Warnings state={state} problem={problem} />
          <Card
            title="What followed"
            description={
              tenantId
                ? 'From Stripe’s events to this server, the tenant, and what your systems were sent.'
                : 'Stripe’s events of all tenants. Choose one to see what changed for it.'
            }
          >
            <Stack>
              {groups.length === 0 ? (
                <EmptyState title="Nothing has happened yet" icon={FlaskConical}>
                  Start a checkout, pay it, and move the clock to its renewal.
                </EmptyState>
              ) : (
                <div>
                  <Steps groups={groups} showTenants={!tenantId} />
                </div>
              )}
              {data?.webhookEndpoints.length === 0 && (
                <Callout>
                  Nothing is sent on yet: no endpoint of yours receives events.{' '}
                  <Link to="/webhooks">Add one</Link>
                </Callout>
              )}
            </Stack>
          </Card>
        </Split>
      )}
    </>
  );
}

function Warnings({ state: { conditions }, problem }: { state: MockState; problem: unknown }) {
  return (
    <>
      {Boolean(problem) && <ErrorState error={problem} />}
      {conditions.webhooks === 'LOST' && (
        <Callout tone="warning" title="Webhooks get lost">
          This server learns of nothing that happens at Stripe. A reconcile run finds it afterwards.
        </Callout>
      )}
      {conditions.webhooks === 'DISORDERLY' && (
        <Callout tone="warning" title="Webhooks arrive late, twice and out of order">
          The end is the same as with orderly ones.
        </Callout>
      )}
      {conditions.stripe !== 'NORMAL' && (
        <Callout tone="warning" title="Stripe does not work as usual">
          Checkouts and changes of subscriptions fail or take long; limits and usage do not need Stripe.
        </Callout>
      )}
    </>
  );
}

/** A new tenant with a checkout, so that the whole purchase can be seen. */
function DemoButton({ actions, onStarted }: { actions: Actions; onStarted(tenantId: string): void }) {
  const client = useApolloClient();
  const [createTenant] = useMutation(CREATE_TENANT);
  const [startCheckout] = useMutation(START_CHECKOUT);
  const title = 'Created a demo tenant and started a checkout';
  async function start(): Promise<void> {
    const { data } = await client.query({ query: TIERS });
    const tier = data?.tiers.find(({ checkout, retired }) => checkout === 'SELF_SERVICE' && !retired);
    if (!tier) throw new Error('The catalogue has no tier that is for sale');
    const created = await createTenant({ variables: { name: `Demo tenant ${formatHour(Date.now())}` } });
    const tenantId = created.data?.createTenant?.tenant?.id;
    if (!tenantId) throw new Error('The tenant was created, but the server did not say its id');
    onStarted(tenantId);
    const url = `${location.origin}/admin/mock?tenant=${tenantId}`;
    await startCheckout({ variables: { tenantId, tier: tier.name, url } });
  }
  return (
    <Button variant="primary" pending={actions.pending === title} onClick={() => actions.run(title, start)}>
      Create a demo tenant and start a checkout
    </Button>
  );
}
