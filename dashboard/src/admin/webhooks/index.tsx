import { PageHeader, Stack, Tabs } from '../../design/index.js';
import { Deliveries } from './Deliveries.js';
import { Endpoints } from './Endpoints.js';
import { Events } from './Events.js';
import { Rejections } from './Rejections.js';

export default function WebhooksPage() {
  return (
    <>
      <PageHeader
        title="Webhooks"
        description="What Stripe tells this server, and what this server tells your own systems."
      />
      <Tabs
        label="Direction of webhooks"
        items={[
          {
            id: 'in',
            label: 'From Stripe',
            content: () => (
              <Stack>
                <Events />
                <Rejections />
              </Stack>
            ),
          },
          {
            id: 'out',
            label: 'To your systems',
            content: () => (
              <Stack>
                <Endpoints />
                <Deliveries />
              </Stack>
            ),
          },
        ]}
      />
    </>
  );
}
