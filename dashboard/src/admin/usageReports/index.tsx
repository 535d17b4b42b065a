import { Card, EmptyState, PageHeader } from '../../design/index.js';

export default function UsageReportsPage() {
  return (
    <>
      <PageHeader title="Usage reports" />
      <Card>
        <EmptyState title="No reports yet">Usage that is reported to Stripe appears here.</EmptyState>
      </Card>
    </>
  );
}
