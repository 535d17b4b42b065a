import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer } from '../support/server.js';

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

describe('the overview', () => {
  it('counts a new tenant once it is published', async () => {
    await server.createTenant();
    await server.app.services.tenantCount.run();
    await server.app.services.outgoingWebhooks.run();
    const { data, errors } = await server.gql(OVERVIEW);
    expect(errors).toEqual([]);
    expect(data.overview.countedAt).toBe('2026-11-26T12:30:00.000Z');
    expect(data.overview.tenants).toMatchObject({ total: 1, newToday: 1, suspended: 0 });
    expect(data.overview.calls.byHour[13]).toEqual({ hour: 13, today: null, yesterday: 0 });
    expect(data.overview.health).toMatchObject({ mongodb: { state: 'OK' }, redis: { state: 'OFF' } });
  });
});
