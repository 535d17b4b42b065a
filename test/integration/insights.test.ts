import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const clock = createFakeClock('2026-11-26T12:30:00Z');
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock });
});
afterAll(() => server.stop());

const OVERVIEW = `{ overview {
  asOf countedAt
  revenue { asOf currency monthlyCents payingTenants unpricedTenants monthlyCents30DaysAgo changeCents byTier { tier payingTenants monthlyCents } }
  tenants { total byTier { tier tenants } newToday startedPayingToday stoppedPayingToday suspended pastDue nearLimit overLimit
    pastDueTenants { tenant { id name } monthlyCents graceEndsAt } nearLimitTenants { id } overLimitTenants { id } }
  calls { today yesterday byHour { hour today yesterday } }
  rejections { today yesterday byKind { kind today yesterday } }
  webhookEvents { pending failed oldestPendingAgeSeconds rejectedRequests }
  usageReports { pending pendingQuantity failed oldestPendingAgeSeconds }
  deliveries { pending failed endpointsEnabled endpointsPaused endpointsDisabled }
  health { mongodb { state pingMs } stripe { state mode lastSuccessAt lastFailureAt waitingRequests } redis { state }
    workers { name lastRunAt everySeconds isLate } instances { id version } }
} }`;

it('overview', async () => {
  const tenant = await server.createTenant();
  await server.app.services.outgoingWebhooks.run();
  await server.app.services.tenantCount.run();
  const { data, errors } = await server.gql(OVERVIEW);
  expect(errors).toEqual([]);
  console.log(JSON.stringify(data, null, 1));
});
