import { Card, EmptyState, PageHeader } from '../../design/index.js';

export default function OperatorsPage() {
  return (
    <>
      <PageHeader title="Operators" />
      <Card>
        <EmptyState title="No keys">Operators and their keys appear here.</EmptyState>
      </Card>
    </>
  );
}
