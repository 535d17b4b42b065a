import { PageHeader } from '../../design/index.js';

export default function UpgradePage() {
  return (
    <main>
      <PageHeader title="Tiers" />
    </main>
  );
}
