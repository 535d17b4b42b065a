import { useQuery } from '@apollo/client/react';
import { useState } from 'react';
import {
  Badge,
  Card,
  Combobox,
  type ComboboxOption,
  formatInstant,
  Link,
  Row,
  Stack,
  Status,
} from '../../design/index.js';
import type { MockModeTenantQuery } from '../../generated/graphql.js';
import { TENANTS } from './documents.js';

/** Whom the page is about, and what this server says of it now. */
export function TenantCard({
  tenantId,
  data,
  onChoose,
}: {
  tenantId: string;
  data: MockModeTenantQuery | undefined;
  onChoose(tenantId: string): void;
}) {
  const [search, setSearch] = useState('');
  const found = useQuery(TENANTS, { variables: { search: search || null } });
  const options = (found.data ?? found.previousData)?.tenants.edges.map(
    ({ node }): ComboboxOption => ({
      value: node.id,
      label: node.name,
      note: `${node.tier.name}, ${node.id}`,
    }),
  );
  const tenant = data?.tenant;
  const chosen = tenantId ? { value: tenantId, label: tenant?.name ?? tenantId } : null;
  return (
    <Card title="Tenant">
      <Stack tight>
        <Combobox
          label="Tenant to follow"
          placeholder="All tenants: type to search"
          value={chosen}
          options={options ?? []}
          onSearch={setSearch}
          loading={found.loading}
          onChange={(option) => onChoose(option?.value ?? '')}
        />
        {tenant && (
          <>
            <Row>
              <Badge tone={tenant.tier.name === 'FREE' ? 'neutral' : 'accent'}>{tenant.tier.name}</Badge>
              <Status value={tenant.subscription.status} />
              {tenant.suspendedAt && <Status value="SUSPENDED" />}
              <Link to={`/tenants/${tenant.id}`}>Open its page</Link>
            </Row>
            {datesOf(tenant.subscription).map(([name, at]) => (
              <div key={name}>
                {name} {at}
              </div>
            ))}
          </>
        )}
      </Stack>
    </Card>
  );
}

type Subscription = MockModeTenantQuery['tenant']['subscription'];

/** The others have a period too, but none follows it. */
const RENEWED: ReadonlySet<Subscription['status']> = new Set(['ACTIVE', 'TRIALING', 'PAST_DUE', 'UNPAID']);

/** By Stripe's clock, which may be ahead. */
function datesOf({
  currentPeriodEnd,
  trialEnd,
  cancelAt,
  graceEndsAt,
  status,
}: Subscription): [string, string][] {
  const dates: [string, string | null | undefined | false][] = [
    ['Trial ends', status === 'TRIALING' && trialEnd],
    ['Grace ends', graceEndsAt],
    ['Ends', cancelAt],
    ['Renews', !cancelAt && RENEWED.has(status) && currentPeriodEnd],
  ];
  return dates.flatMap(([name, at]) => (at ? [[name, formatInstant(at)] as [string, string]] : []));
}
