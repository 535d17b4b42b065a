import { UserPlus } from 'lucide-react';
import { Card, EmptyState, PageHeader } from '../../design/index.js';
import { CreateTenant } from '../tenants/CreateTenant.js';

/** All that a key of the role PROVISION can do here: it creates, and reads nothing. */
export default function ProvisionPage() {
  return (
    <>
      <PageHeader title="Create tenants" description="Your key has the role PROVISION." />
      <Card>
        <EmptyState
          title="This role creates tenants and does not read"
          icon={UserPlus}
          action={<CreateTenant />}
        >
          It is made for the server that signs customers up. To see figures, tenants and logs, sign in with a
          key of the role READ, SUPPORT or OWNER.
        </EmptyState>
      </Card>
    </>
  );
}
