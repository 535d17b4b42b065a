import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createModels } from '../../src/models/models.js';
import { contentOf, endOf, runImport, startImport } from '../support/customerImport.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { buildServer } from '../support/serverProcess.js';
import { openStripeBridge } from '../support/stripeBridge.js';
import { openStripeSide, type StripeSide } from '../support/stripeSide.js';

const CUSTOMERS = 260;
let side: StripeSide;
/** Method and path of each request since the last `splice`. */
const requests: string[] = [];
/** Ends the process in the middle of a request. */
let beforeRequest: (() => void) | null = null;
let bridge: Awaited<ReturnType<typeof openStripeBridge>>;
const databases: TestDatabase[] = [];

/** An account with customers that pay, all like one. */
beforeAll(async () => {
  await buildServer();
  side = await openStripeSide();
  bridge = await openStripeBridge(async (input, init) => {
    requests.push(`${init?.method} ${new URL(String(input)).pathname}`);
    beforeRequest?.();
    return side.mock.fetch(input, init);
  });
  const { id: customer } = await side.stripe.customers.create({ metadata: { crm: 'customer_x' } });
  await side.stripe.subscriptions.create({
    customer,
    items: [{ price: 'price_pro' }],
    default_payment_method: 'pm_card_visa',
  });
  await side.clone('customer_x', customer, CUSTOMERS - 1);
}, 180_000);
afterAll(async () => {
  await bridge?.close();
  for (const database of databases) await database.dropAndClose();
  await side?.close();
});

async function empty(): Promise<TestDatabase> {
  const database = await connectTestDatabase();
  databases.push(database);
  return database;
}
const ARGS = ['--create', '--external-id-key', 'crm'];
const targetOf = ({ uri }: TestDatabase) => ({ uri, apiBase: bridge.url });

/** What follows from the account, without the times and numbers of writes. */
async function stateOf({ connection }: TestDatabase) {
  const { tenants, billingCustomers, billingSubscriptions } = createModels(connection);
  return {
    tenants: await tenants.find({}, { searchTerms: 0, unannounced: 0 }).sort({ _id: 1 }).lean(),
    customers: await billingCustomers.find({}, { stripeCustomerId: 1, email: 1 }).sort({ _id: 1 }).lean(),
    subscriptions: await billingSubscriptions
      .find({}, { stripeSubscriptionId: 1, tier: 1, status: 1, priceId: 1, quantity: 1 })
      .sort({ _id: 1 })
      .lean(),
  };
}

describe('an import of many customers', () => {
  let whole: Awaited<ReturnType<typeof stateOf>>;

  it('reads them by the hundred, and stores their subscriptions from lists', async () => {
    const database = await empty();
    requests.splice(0);
    const done = await runImport(targetOf(database), ARGS);
    expect(done.report, done.stdout + done.stderr).toMatchObject({
      ...{ customers: CUSTOMERS, created: CUSTOMERS, linked: CUSTOMERS, failed: 0 },
      changed: { subscriptions: CUSTOMERS, emails: 0, metadata: CUSTOMERS },
    });
    expect(done.code).toBe(0);
    const lists = requests.filter((request) => request.startsWith('GET'));
    // Twice three pages of customers, then lists of subscriptions.
    expect(lists.filter((request) => request === 'GET /v1/customers')).toHaveLength(6);
    expect(lists.length).toBeLessThan(40);
    whole = await stateOf(database);
    expect(whole.subscriptions).toHaveLength(CUSTOMERS);

    requests.splice(0);
    const before = await contentOf(database.connection);
    const again = await runImport(targetOf(database), ARGS);
    expect(again.report).toMatchObject({ created: 0, linked: 0, alreadyRight: CUSTOMERS });
    expect(await contentOf(database.connection)).toEqual(before);
    expect(requests.filter((request) => !request.startsWith('GET'))).toEqual([]);
    expect(requests.length).toBeLessThan(10);
  }, 180_000);

  it.each([20, 90, 150, 230])(
    'that is killed at write %i to Stripe goes on when it is started again, and makes nothing twice',
    async (write) => {
      for await (const { id } of side.stripe.customers.list({ limit: 100 }))
        await side.stripe.customers.update(id, { metadata: { tenant_id: '' } });
      const database = await empty();
      const child = startImport(targetOf(database), ARGS);
      let writes = 0;
      beforeRequest = () => {
        if (requests.at(-1)?.startsWith('POST')) writes += 1;
        if (writes >= write) child.kill('SIGKILL');
      };
      const killed = await endOf(child);
      beforeRequest = null;
      expect(killed).toMatchObject({ signal: 'SIGKILL', report: undefined });
      const linked = await createModels(database.connection).billingCustomers.countDocuments();
      expect(linked).toBeGreaterThan(0);
      expect(linked).toBeLessThan(CUSTOMERS);

      const done = await runImport(targetOf(database), ARGS);
      expect(done.report, done.stdout + done.stderr).toMatchObject({ linked: CUSTOMERS - linked, failed: 0 });
      expect(done.code).toBe(0);
      expect(await stateOf(database)).toEqual(whole);
      const { auditEntries } = createModels(database.connection);
      for (const action of ['tenant.created', 'customer.linked', 'subscription.created'])
        expect(await auditEntries.countDocuments({ action })).toBe(CUSTOMERS);
    },
    120_000,
  );
});
