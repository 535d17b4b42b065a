import mongoose, { type mongo } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { createAuditLog } from '../../src/services/audit/auditLog.js';
import { systemAuthor } from '../../src/services/audit/author.js';
import { createLease } from '../../src/services/infrastructure/lease.js';
import { createErasures, type Erasures } from '../../src/services/tenantData/erasures.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock, type FakeClock } from '../support/fakeClock.js';

const MARK = 'zebrawood';
const QUIET_MS = 151_000;
const WRITES = ['insert', 'update', 'delete', 'findAndModify', 'commitTransaction'];
const author = systemAuthor('test');
const log = pino({ level: 'silent' });

let database: TestDatabase;
let models: Models;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
});
afterAll(() => database.dropAndClose());

/** Erasures as one process has them. Nothing is at Stripe. */
function process(ofProcess: Models, clock: FakeClock): Erasures {
  return createErasures({
    models: ofProcess,
    clock,
    log,
    auditLog: createAuditLog({ models: ofProcess, clock }),
    authenticator: { forget: () => undefined },
    customerErasure: { erase: async () => undefined },
    lease: createLease({ models: ofProcess, name: 'erasures', ttlMs: 60_000 }),
    tenantChanged: () => undefined,
  });
}

async function addTenant(id: string): Promise<void> {
  const insert = (collection: { insertMany(docs: never[]): Promise<unknown> }, ...docs: object[]) =>
    collection.insertMany(docs as never[]);
  const at = new Date();
  const tenant = { name: MARK, email: `${MARK}@example.com`, externalId: `${MARK}-${id}`, createdAt: at };
  await insert(models.tenants.collection, { _id: id, ...tenant, contract: { tier: null, limits: {} } });
  await insert(models.apiKeys.collection, { _id: `key-${id}`, tenantId: id, name: MARK });
  await insert(models.billingCustomers.collection, {
    _id: id,
    stripeCustomerId: null,
    formerStripeIds: [`cus_${id}`],
    email: `${MARK}@example.com`,
  });
  await insert(models.ledgers.collection, { _id: id, levels: { memories: 2 }, reservations: [] });
  await insert(
    models.memories.collection,
    ...[1, 2].map((i) => ({ _id: `${id}:mem_${i}`, tenantId: id, content: `${MARK} ${i}` })),
  );
  await insert(models.idempotencyKeys.collection, { _id: `${id}:Mutation.a:${MARK}`, answer: {} });
  await insert(models.usageEventBatches.collection, {
    _id: `${id}:w:1`,
    tenantId: id,
    events: [{ id: MARK, endpoint: 'a', quantity: 1 }],
  });
  await insert(models.webhookEvents.collection, {
    _id: `evt_${id}`,
    customer: `cus_${id}`,
    payload: `{"name":"${MARK}"}`,
  });
  await insert(models.webhookDeliveries.collection, { _id: `evt_${id}:we`, tenantId: id, at, body: MARK });
  await insert(models.auditPersonalValues.collection, {
    _id: `${id}:000000000009`,
    values: [{ value: MARK }],
  });
}

/** Begins and ends an erasure, in two runs. */
async function eraseWhole(erasures: Erasures, id: string, clock: FakeClock): Promise<void> {
  await erasures.begin(id, author);
  await erasures.run();
  clock.advance(QUIET_MS);
  await erasures.run();
}

/**
 * A process that loses its database for good at its nth write, as if it were killed: the write may have arrived or not.
 * @returns whether it came that far
 */
async function dieAtWrite(nth: number, id: string, clock: FakeClock): Promise<boolean> {
  const connection = await mongoose.createConnection(database.uri, { monitorCommands: true }).asPromise();
  let writes = 0;
  let closing: Promise<void> | null = null;
  const erasures = process(createModels(connection), clock);
  connection.getClient().on('commandStarted', ({ commandName, command }) => {
    if (WRITES.includes(commandName) && command[commandName] !== 'leases') writes += 1;
    if (writes === nth) closing ??= connection.close(true);
  });
  await eraseWhole(erasures, id, clock).catch(() => undefined);
  const died = closing !== null;
  await (closing ?? connection.close(true));
  return died;
}

/** What is left of a tenant, by collection. */
async function leftOf(id: string): Promise<Record<string, number>> {
  const left: Record<string, number> = {};
  const db = database.connection.db as mongo.Db;
  for (const { collectionName } of await db.collections()) {
    const raw = await db.collection(collectionName).find({}, { raw: true }).toArray();
    const own = raw
      .map((bytes) => (bytes as unknown as Buffer).toString('utf8'))
      .filter((text) => text.includes(id));
    if (own.length > 0) left[collectionName] = own.length;
    expect([collectionName, own.filter((text) => text.includes(MARK))]).toEqual([collectionName, []]);
  }
  return left;
}

it('an erasure that is killed at any of its writes is finished by the next process, with the same result', async () => {
  const clock = createFakeClock(Date.now());
  await addTenant('ten_whole');
  await eraseWhole(process(models, clock), 'ten_whole', clock);
  const expected = await leftOf('ten_whole');
  expect(expected).toEqual({
    tenants: 1,
    // Numbers of calls.
    ledgers: 1,
    billing_customers: 1,
    webhook_events: 1,
    audit_chains: 1,
    audit_entries: 1,
  });

  let nth = 0;
  for (let died = true; died; ) {
    nth += 1;
    const id = `ten_killed_${nth}_`;
    await addTenant(id);
    await models.leases.deleteMany({});
    died = await dieAtWrite(nth, id, clock);
    // Its lease expires.
    await models.leases.deleteMany({});
    clock.advance(QUIET_MS);
    await eraseWhole(process(models, clock), id, clock);
    expect([nth, await leftOf(id)]).toEqual([nth, expected]);
    expect(await models.tenants.findById(id).lean()).toMatchObject({
      erasure: { completedAt: expect.any(Date) },
    });
  }
  expect(nth).toBeGreaterThan(20);
}, 90_000);
