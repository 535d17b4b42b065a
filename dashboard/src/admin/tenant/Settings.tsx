import { Button, Card, KeyValue, NONE, Stack, Time } from '../../design/index.js';
import { RoleGate } from '../session.js';
import { type Action, useTenantPage } from './tenantPage.js';

/** What is seldom changed, and what cannot be undone. */
export function Settings() {
  const { tenant } = useTenantPage();
  return (
    <Stack>
      <Card title="Details" actions={<ActionButton action="details">Edit…</ActionButton>}>
        <KeyValue
          items={[
            ['Name', tenant.name],
            ['E-mail', tenant.email ?? NONE],
            ['External id', tenant.externalId ?? NONE],
          ]}
        />
      </Card>
      <Card
        title={tenant.suspendedAt ? 'Suspended' : 'Suspend'}
        actions={
          tenant.suspendedAt ? (
            <ActionButton action="reinstate">Reinstate…</ActionButton>
          ) : (
            <ActionButton action="suspend">Suspend…</ActionButton>
          )
        }
      >
        {tenant.suspendedAt ? (
          <KeyValue
            items={[
              ['Since', <Time at={tenant.suspendedAt} />],
              ['Reason', tenant.suspendedReason ?? 'none was given'],
            ]}
          />
        ) : (
          <p>
            Metered operations are then rejected at once, on every instance. Reading and paying still work,
            and the subscription goes on.
          </p>
        )}
      </Card>
      <Card title="Export" actions={<ActionButton action="export">Make a link…</ActionButton>}>
        <p>An archive of everything that is stored of this tenant, behind a link that ends by itself.</p>
      </Card>
      <Card
        title="Erase"
        actions={
          <ActionButton action="erase" danger>
            Erase…
          </ActionButton>
        }
      >
        <p>
          Its keys stop working at once, its subscription is canceled, and all personal data is deleted, here
          and at Stripe. It cannot be undone.
        </p>
      </Card>
    </Stack>
  );
}

function ActionButton({ action, danger, children }: { action: Action; danger?: boolean; children: string }) {
  const { act } = useTenantPage();
  return (
    <RoleGate role="OWNER">
      <Button variant={danger ? 'danger' : 'secondary'} onClick={() => act(action)}>
        {children}
      </Button>
    </RoleGate>
  );
}
