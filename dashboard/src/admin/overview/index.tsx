import { Card, EmptyState, PageHeader } from '../../design/index.js';

export default function OverviewPage() {
  return (
    <>
      <PageHeader title="Overview" />
      <Card>
        <EmptyState title="Nothing to show yet">Numbers appear with the first tenants.</EmptyState>
      </Card>
    </>
  );
}
