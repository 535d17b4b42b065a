import { Card, EmptyState, PageHeader } from '../../design/index.js';

export default function WebhooksPage() {
  return (
    <>
      <PageHeader title="Webhooks" />
      <Card>
        <EmptyState title="No events yet">Events from Stripe appear here.</EmptyState>
      </Card>
    </>
  );
}
