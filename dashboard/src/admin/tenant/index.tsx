import { Card, EmptyState, PageHeader } from '../../design/index.js';

export default function TenantPage() {
  return (
    <>
      <PageHeader title="Tenant" />
      <Card>
        <EmptyState title="Nothing to show yet">This page is being built.</EmptyState>
      </Card>
    </>
  );
}
