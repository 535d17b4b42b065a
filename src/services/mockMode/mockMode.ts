import { randomBytes } from 'node:crypto';
import {
  createMockStripe,
  type MockStripe,
  type PageRoute,
  pageRoutes,
  type SeededPrice,
} from '@continuum-billing/mock-stripe';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { TierDefinition } from '../../catalogue/catalogue.js';
import { callPricesOf } from '../../catalogue/overagePrice.js';
import { priceName, stripePricesOf } from '../../catalogue/prices.js';
import type { Clock } from '../../common/clock.js';
import type { Brand } from '../../config/brand.js';
import type { Models } from '../../models/models.js';
import type { Tenants } from '../accounts/tenants.js';
import type { Billing, StripeStandIn } from '../billing/billing.js';
import type { Inbox } from '../billing/inbox/inbox.js';
import { productNames } from '../billing/productNames.js';
import { METER_EVENT_NAMES } from '../billing/usageReports/meter.js';
import type { Tiers } from '../tiers/tiers.js';
import { type ConditionSwitch, createConditionSwitch } from './conditions.js';
import { createMockModeReader, type ReadMockMode } from './mockState.js';
import { createTenantTrigger, type TenantTrigger } from './tenantTrigger.js';

/** Mock mode: the Stripe inside this process, and what a person may do with it. */
export interface MockMode {
  standIn: StripeStandIn;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** What is shown to people, once billing is there. */
  controlsOf(billing: Pick<Billing, 'customers' | 'inbox' | 'usageReporter'>, tenants: Tenants): MockControls;
}

export interface MockControls {
  mockStripe: MockStripe;
  /** Where a person pays, and looks after a subscription. */
  pages: readonly PageRoute[];
  trigger: TenantTrigger;
  conditions: ConditionSwitch;
  readState: ReadMockMode;
}

/** How long a page waits until its webhooks are applied. */
const SETTLE_MS = 3_000;

export function createMockMode(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  tiers: Tiers;
  brand: Brand;
  /** Empty: the database keeps one, which the first server makes. */
  webhookSecrets: readonly string[];
  /** What automatic tax charges. */
  taxPercent: string;
  /** Where this server listens; undefined until it does. */
  ownUrl: () => string | undefined;
  publicUrl: () => string;
}): MockMode {
  const { models, clock, log, tiers, brand, taxPercent, ownUrl, publicUrl } = deps;
  let { webhookSecrets } = deps;
  const { db } = models.connection;
  if (!db) throw new Error('The mock needs an open MongoDB connection');
  const mock = createMockStripe({
    db,
    clock,
    log,
    publicUrl,
    webhookUrl() {
      const url = ownUrl()?.replace('0.0.0.0', '127.0.0.1').replace('[::]', '[::1]');
      return url && `${url}/v1/billing/webhook`;
    },
    webhookSecret: () => webhookSecrets[0] ?? '',
    prices: pricesOf(tiers, brand),
    meterEventNames: Object.values(METER_EVENT_NAMES),
    taxPercent,
  });
  const conditions = createConditionSwitch(mock);
  return {
    standIn: { fetch: mock.fetch, now: mock.now, webhookSecrets: () => webhookSecrets },
    async start() {
      if (webhookSecrets.length === 0) webhookSecrets = [await loadWebhookSecret(models.connection)];
      await mock.start();
    },
    stop: mock.stop,
    controlsOf({ customers, inbox, usageReporter }, tenants) {
      const trigger = createTenantTrigger({ trigger: mock.trigger, customers, tenants, tiers, log });
      const settled = settler(mock, inbox);
      const mockStripe = settling(mock, settled, usageReporter.flush);
      return {
        mockStripe,
        pages: pageRoutes(mockStripe),
        trigger: async (event, tenantId) => settled(await trigger(event, tenantId)),
        conditions,
        readState: createMockModeReader({ mock, models, tenants, conditions }),
      };
    },
  };
}

/** The secret with which the mock signs webhooks: one for all instances on a database, created by the first. */
async function loadWebhookSecret(connection: Connection): Promise<string> {
  const settings = connection.collection<{ _id: string; value: string }>('settings');
  const stored = await settings.findOneAndUpdate(
    { _id: 'mockWebhookSecret' },
    { $setOnInsert: { value: `whsec_mock_${randomBytes(24).toString('base64url')}` } },
    { upsert: true, returnDocument: 'after' },
  );
  if (!stored) throw new Error("The mock's webhook secret was not stored");
  return stored.value;
}

/** The catalogue as prices of Stripe: each tier's own, and what its calls past the daily quota cost. */
function pricesOf(tiers: Tiers, brand: Brand): SeededPrice[] {
  const { currency } = tiers.catalogue;
  return tiers.all().flatMap((tier): SeededPrice[] => {
    const { name } = tier;
    const key = name.toLowerCase();
    const product = {
      productId: `prod_mock_${key}`,
      productName: productNames(brand, tiers.catalogue, name).tier,
      metadata: { tier: name },
    };
    const own = stripePricesOf(tier, currency).flatMap(({ amounts, perSeat: _, ...cycle }): SeededPrice[] => {
      const id = tiers.getStripePriceId(name, cycle);
      const lookupKey = priceName(key, cycle).toLowerCase();
      return id ? [{ ...product, ...cycle, id, lookupKey, ...seededAmounts(amounts, currency) }] : [];
    });
    return own.length > 0 ? [...own, ...overagePriceOf(tiers, brand, tier)] : [];
  });
}

function overagePriceOf(tiers: Tiers, brand: Brand, { name, overage }: TierDefinition): SeededPrice[] {
  const { currency } = tiers.catalogue;
  const id = tiers.getOveragePriceId(name);
  if (!overage || !id) return [];
  const key = name.toLowerCase();
  return [
    {
      id,
      productId: `prod_mock_${key}_overage`,
      productName: productNames(brand, tiers.catalogue, name).overage,
      ...seededAmounts(callPricesOf(overage, currency), currency),
      lookupKey: `${key}_overage`,
      metadata: { tier: name, overage: 'true' },
      meterEventName: METER_EVENT_NAMES.OVERAGE,
    },
  ];
}

function seededAmounts(amounts: Readonly<Record<string, number | string>>, currency: string) {
  const { [currency]: unitAmount = 0, ...others } = amounts;
  const currencyAmounts = Object.fromEntries(
    Object.entries(others).map(([code, amount]) => [code, String(amount)]),
  );
  return { currency, unitAmount: String(unitAmount), currencyAmounts };
}

/** A person who leaves the mock's page finds what was paid for: its webhooks are applied before the page answers. */
function settling(mock: MockStripe, settled: Settled, reportUsage: () => Promise<void>): MockStripe {
  return {
    ...mock,
    checkout: {
      ...mock.checkout,
      complete: async (...terms) => settled(await mock.checkout.complete(...terms)),
    },
    portal: {
      ...mock.portal,
      act: async (sessionId, action) => settled(await mock.portal.act(sessionId, action)),
    },
    async advanceClock(seconds) {
      // Where time passes, hours end and their usage is reported: it was used before the clock is moved.
      if (seconds > 0) await reportUsage();
      return settled(await mock.advanceClock(seconds));
    },
  };
}

type Settled = <T>(result: T) => Promise<T>;

const settler =
  (mock: MockStripe, inbox: Inbox): Settled =>
  async (result) => {
    await mock.delivered(SETTLE_MS).catch(() => undefined);
    await inbox.idle(SETTLE_MS);
    return result;
  };
