import { PageHeader } from '../../design/index.js';

export default function BillingPage() {
  return (
    <main>
      <PageHeader title="Billing" />
    </main>
  );
}
