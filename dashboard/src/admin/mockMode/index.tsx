import { Card, EmptyState, PageHeader } from '../../design/index.js';

export default function MockModePage() {
  return (
    <>
      <PageHeader title="Mock mode" />
      <Card>
        <EmptyState title="Nothing to do yet">
          The clock and checkouts of the mock Stripe appear here.
        </EmptyState>
      </Card>
    </>
  );
}
