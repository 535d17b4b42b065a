import { Card, EmptyState, PageHeader } from '../../design/index.js';

export default function CataloguePage() {
  return (
    <>
      <PageHeader title="Catalogue" />
      <Card>
        <EmptyState title="No catalogue">Tiers and their versions appear here.</EmptyState>
      </Card>
    </>
  );
}
