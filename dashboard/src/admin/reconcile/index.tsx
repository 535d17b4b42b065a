import { Card, EmptyState, PageHeader } from '../../design/index.js';

export default function ReconcilePage() {
  return (
    <>
      <PageHeader title="Reconcile" />
      <Card>
        <EmptyState title="No runs yet">Comparisons with Stripe appear here.</EmptyState>
      </Card>
    </>
  );
}
