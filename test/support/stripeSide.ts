/** What takes events from a mock Stripe and applies them, without a server around it: several instances at will. */
import { pino } from 'pino';
import Stripe from 'stripe';
import catalogue from '../../catalogue.json' with { type: 'json' };
import type { ObjectDocument } from '../../packages/mock-stripe/src/storage/documents.js';
import { type Harness, openHarness, PRICES } from '../../packages/mock-stripe/test/support/harness.js';
import { parseCatalogue } from '../../src/catalogue/catalogue.js';
import type { Clock } from '../../src/common/clock.js';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { createAuditLog } from '../../src/services/audit/auditLog.js';
import { createCustomers } from '../../src/services/billing/customers/customers.js';
import { createEventEffect } from '../../src/services/billing/inbox/eventEffects.js';
import { createInbox, type Inbox } from '../../src/services/billing/inbox/inbox.js';
import { type ReceivedEvent, readEvent } from '../../src/services/billing/inbox/receivedEvent.js';
import {
  createSubscriptionSync,
  type SubscriptionSync,
} from '../../src/services/billing/sync/subscriptionSync.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import { createTiers } from '../../src/services/tiers/tiers.js';
import { systemClock } from './systemClock.js';

export interface Instance {
  inbox: Inbox;
  sync: SubscriptionSync;
}

export interface StripeSide extends Harness {
  models: Models;
  /** Method and path of every request since the last call of `forgetRequests`. */
  requests: string[];
  /** @param changes the parts that are other than usual */
  instance(changes?: { models?: Models; fetch?: typeof fetch; clock?: Clock }): Instance;
  /** A tenant without a customer. */
  addTenant(tenantId: string): Promise<void>;
  /**
   * Makes as many more subscriptions like the one of a customer, each of another customer and tenant, one created a second
   * after the other.
   * @returns what Stripe has, oldest first
   */
  clone(tenantId: string, customerId: string, copies: number): Promise<Stripe.Subscription[]>;
  close(): Promise<void>;
}

const priceIds = Object.fromEntries(PRICES.map(({ metadata: { tier }, id }) => [tier, id]));

/** The mock delivers nothing by itself here. */
export async function openStripeSide(): Promise<StripeSide> {
  const harness = await openHarness({ webhookUrl: () => undefined });
  const models = createModels(harness.database.connection);
  await createCollections(models);
  const tiers = createTiers(parseCatalogue(catalogue), priceIds, {});
  const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const requests: string[] = [];
  const counted: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    requests.push(`${init?.method ?? 'GET'} ${url.pathname}`);
    return harness.mock.fetch(input, init);
  };

  return {
    ...harness,
    models,
    requests,
    instance(changes = {}) {
      const base = { models, clock: systemClock, log, ...changes };
      const auditLog = createAuditLog(base);
      const httpClient = Stripe.createFetchHttpClient(changes.fetch ?? counted);
      const stripe = new Stripe('sk_test_mock', { httpClient, maxNetworkRetries: 0, telemetry: false });
      const customers = createCustomers({ ...base, auditLog, stripe, terms: {} });
      const sync = createSubscriptionSync({
        ...base,
        auditLog,
        stripe,
        tiers,
        customers,
        changed: () => undefined,
      });
      const effect = createEventEffect({
        models: base.models,
        stripe,
        customers,
        sync,
        onMeterErrors: async () => undefined,
      });
      return { sync, inbox: createInbox({ ...base, auditLog, metrics: noMetrics, effect, sync }) };
    },
    async clone(tenantId, customerId, copies) {
      const { connection } = harness.database;
      const objects = connection.collection<ObjectDocument<Stripe.Subscription>>('mock_stripe_objects');
      const originals = await objects
        .find({ $or: [{ _id: customerId }, { 'refs.customer': customerId, object: 'subscription' }] })
        .toArray();
      const clones = Array.from({ length: copies }, (_, i) => {
        const text = JSON.stringify(originals)
          .replaceAll(tenantId, `${tenantId}_${i}`)
          .replaceAll(customerId, `${customerId}_${i}`)
          .replaceAll(/sub_mock_\w+/g, (id) => `${id}_${i}`);
        const copied = JSON.parse(text) as typeof originals;
        for (const one of copied) {
          one.created += i - copies;
          one.body.created = one.created;
        }
        return copied;
      });
      await objects.insertMany(clones.flat());
      await models.tenants.collection.insertMany(
        clones.map((_, i) => ({ _id: `${tenantId}_${i}` }) as never),
      );
      return clones.flat().flatMap(({ object, body }) => (object === 'subscription' ? body : []));
    },
    async addTenant(tenantId) {
      await models.tenants.collection.insertOne({ _id: tenantId } as never);
    },
  };
}

/** As it comes from Stripe. */
export const received = (event: object): ReceivedEvent => readEvent(JSON.stringify(event));

/** A snapshot event with an object that says no more than whom it is about. */
export const snapshotOf = (id: string, type: string, object: object): ReceivedEvent =>
  received({ id, object: 'event', type, data: { object } });

/** A thin event. */
export const thinOf = (
  id: string,
  type: string,
  related: { id: string; type: string },
  snapshotId?: string,
): ReceivedEvent =>
  received({
    id,
    object: 'v2.core.event',
    type,
    related_object: { ...related, url: `/v1/${related.type}s/${related.id}` },
    ...(snapshotId && { snapshot_event: snapshotId }),
  });
