import { type AttentionItem, Attentions, formatCount } from '../../design/index.js';
import type { Overview } from './documents.js';

/** What somebody should look at, worst first; a quiet line if there is nothing. */
export function Attention({ overview }: { overview: Overview }) {
  const { tenants, webhookEvents, usageReports, deliveries, health } = overview;
  const late = health.workers.filter(({ isLate }) => isLate).length;
  const otherCatalogues = health.instances.filter(({ sameCatalogue }) => !sameCatalogue).length;
  const down = (['mongodb', 'stripe', 'redis'] as const).filter(
    (part) => health[part].state === 'DOWN' || health[part].state === 'DEGRADED',
  );
  const items: (AttentionItem | false)[] = [
    ...down.map(
      (part): AttentionItem => ({
        id: part,
        tone: health[part].state === 'DOWN' ? 'danger' : 'warning',
        text: `${{ mongodb: 'MongoDB', stripe: 'Stripe', redis: 'Redis' }[part]} ${
          health[part].state === 'DOWN' ? 'does not answer' : 'answers slowly, or not always'
        }`,
      }),
    ),
    otherCatalogues > 0 && {
      id: 'catalogues',
      tone: 'danger',
      text: `${formatCount(otherCatalogues, 'instance')} with another catalogue`,
      to: '/catalogue',
    },
    late > 0 && { id: 'late', tone: 'warning', text: `${formatCount(late, 'periodic job')} late` },
    (webhookEvents?.failed ?? 0) > 0 && {
      id: 'events',
      tone: 'danger',
      text: `${formatCount(webhookEvents?.failed ?? 0, 'webhook event')} failed`,
      to: '/webhooks?status=FAILED',
    },
    (usageReports?.failed ?? 0) > 0 && {
      id: 'reports',
      tone: 'danger',
      text: `${formatCount(usageReports?.failed ?? 0, 'usage report')} failed`,
      to: '/usage-reports?status=FAILED',
    },
    (deliveries?.failed ?? 0) > 0 && {
      id: 'deliveries',
      tone: 'warning',
      text: `${formatCount(deliveries?.failed ?? 0, 'delivery', 'deliveries')} failed`,
      to: '/webhooks?tab=deliveries&status=FAILED',
    },
    (deliveries?.endpointsDisabled ?? 0) + (deliveries?.endpointsPaused ?? 0) > 0 && {
      id: 'endpoints',
      tone: 'warning',
      text: `${formatCount((deliveries?.endpointsDisabled ?? 0) + (deliveries?.endpointsPaused ?? 0), 'webhook endpoint')} paused or disabled`,
      to: '/webhooks?tab=endpoints',
    },
    tenants.pastDue > 0 && {
      id: 'pastDue',
      tone: 'warning',
      text: `${formatCount(tenants.pastDue, 'tenant')} past due`,
      to: '/tenants?state=PAST_DUE',
    },
    tenants.overLimit > 0 && {
      id: 'over',
      tone: 'warning',
      text: `${formatCount(tenants.overLimit, 'tenant')} over a limit`,
      to: '/tenants?state=OVER_LIMIT',
    },
    tenants.nearLimit > 0 && {
      id: 'near',
      tone: 'neutral',
      text: `${formatCount(tenants.nearLimit, 'tenant')} near a limit`,
      to: '/tenants?state=NEAR_LIMIT',
    },
    tenants.suspended > 0 && {
      id: 'suspended',
      tone: 'neutral',
      text: `${formatCount(tenants.suspended, 'tenant')} suspended`,
      to: '/tenants?state=SUSPENDED',
    },
  ];
  return <Attentions label="Needs attention" items={items} nothing="Nothing needs attention" />;
}
