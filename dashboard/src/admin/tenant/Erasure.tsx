import { useApolloClient } from '@apollo/client/react';
import { useEffect } from 'react';
import { Button, Callout, Card, KeyValue, Stack, Status, Time } from '../../design/index.js';
import { RoleGate } from '../session.js';
import { TENANT, useTenantPage } from './tenantPage.js';

const POLL_MS = 3_000;

/** How far the erasure of the tenant is. */
export function Erasure() {
  const { tenant, tenantId, act } = useTenantPage();
  const client = useApolloClient();
  const { erasure } = tenant;
  const running = erasure !== null && erasure !== undefined && !erasure.completedAt;
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => {
      if (document.visibilityState !== 'visible') return;
      client
        .query({ query: TENANT, variables: { tenantId }, fetchPolicy: 'network-only' })
        .catch(() => undefined);
    }, POLL_MS);
    return () => clearInterval(timer);
  }, [running, client, tenantId]);
  if (!erasure) return null;
  return (
    <Card title="Erasure">
      <Stack tight>
        {erasure.error && (
          <Callout
            tone="warning"
            title="The last attempt failed"
            actions={
              <RoleGate role="OWNER">
                <Button size="small" onClick={() => act('erase')}>
                  Try again now…
                </Button>
              </RoleGate>
            }
          >
            {erasure.error}. It is tried again by itself.
          </Callout>
        )}
        <KeyValue
          items={[
            ['State', <Status value={erasure.status} />],
            ['Started', <Time at={erasure.startedAt} />],
            ['Complete', erasure.completedAt ? <Time at={erasure.completedAt} /> : 'not yet'],
            erasure.nextTryAt && ['Next step', <Time at={erasure.nextTryAt} />],
            [
              'What happens',
              'Keys are gone at once. Everything is erased a second time about three minutes later, when nothing can be running that began before.',
            ],
            [
              'What stays',
              'This page, and the audit log without personal values. Stripe keeps its invoices.',
            ],
          ]}
        />
      </Stack>
    </Card>
  );
}
