import { Card, EmptyState, PageHeader } from '../../design/index.js';

export default function AuditLogPage() {
  return (
    <>
      <PageHeader title="Audit log" />
      <Card>
        <EmptyState title="No entries">Changes of money, keys and access appear here.</EmptyState>
      </Card>
    </>
  );
}
