import fc from 'fast-check';
import { pino } from 'pino';
import type Stripe from 'stripe';
import { describe, expect, it } from 'vitest';
import builtIn from '../../../../../catalogue.json' with { type: 'json' };
import { parseCatalogue } from '../../../../../src/catalogue/catalogue.js';
import {
  type BillingSubscriptionDoc,
  SUBSCRIPTION_STATUSES,
} from '../../../../../src/models/billingSubscription.js';
import { createSubscriptionReader } from '../../../../../src/services/billing/sync/subscriptionState.js';
import { createTiers } from '../../../../../src/services/tiers/tiers.js';

const NOW_MS = Date.UTC(2026, 0, 15);
const PRICES = { PRO: 'price_pro', ENTERPRISE: 'price_enterprise' };

const reader = createSubscriptionReader({
  tiers: createTiers(parseCatalogue(builtIn), PRICES, null),
  products: { tierOf: async (id) => (id === 'prod_pro' ? 'PRO' : null) },
  clock: { now: () => NOW_MS },
  log: pino({ level: 'silent' }),
});

interface Sold {
  id?: string;
  status?: string;
  priceId?: string;
  productId?: string;
  metadata?: Record<string, string>;
}

/** The cast leaves out the fields of Stripe's object that the reader does not use. */
const subscription = ({
  id = 'sub_1',
  status = 'active',
  priceId = PRICES.PRO,
  productId = 'prod_other',
  metadata = {},
}: Sold = {}): Stripe.Subscription =>
  ({
    id,
    status,
    metadata,
    customer: 'cus_1',
    schedule: null,
    items: {
      data: [
        {
          id: `item_${id}`,
          quantity: 1,
          created: 1,
          current_period_start: 1_000,
          current_period_end: 2_000,
          price: { id: priceId, product: productId, metadata: {}, recurring: { usage_type: 'licensed' } },
        },
      ],
    },
  }) as unknown as Stripe.Subscription;

const stored = (state: Partial<BillingSubscriptionDoc>) =>
  ({ _id: 'ten_1', stripeSubscriptionId: 'sub_1', ...state }) as BillingSubscriptionDoc;

describe('the state of a subscription', () => {
  it('has the tier of its price, whatever was stored before', async () => {
    const state = await reader.stateOf(
      subscription(),
      stored({ tier: 'ENTERPRISE', priceId: PRICES.ENTERPRISE }),
    );
    expect(state).toMatchObject({ tier: 'PRO', outsideCatalogue: null });
  });

  it('has the tier of its product at a price outside the catalogue', async () => {
    const state = await reader.stateOf(subscription({ priceId: 'price_x', productId: 'prod_pro' }), null);
    expect(state).toMatchObject({ tier: 'PRO', outsideCatalogue: null });
  });

  it('keeps its tier at a price and product outside the catalogue, and without one has the default tier', async () => {
    const moved = subscription({ priceId: 'price_x' });
    expect(await reader.stateOf(moved, stored({ tier: 'PRO', priceId: PRICES.PRO }))).toMatchObject({
      tier: 'PRO',
      outsideCatalogue: true,
    });
    expect(await reader.stateOf(moved, null)).toMatchObject({ tier: 'FREE', outsideCatalogue: true });
  });

  it('keeps the stored version if the metadata names the tier without a version', async () => {
    const named = subscription({ priceId: 'price_x', productId: 'prod_pro', metadata: { tier: 'pro' } });
    const known = stored({ tier: 'PRO', tierVersion: 7, priceId: 'price_x' });
    expect((await reader.stateOf(named, known)).tierVersion).toBe(7);
    expect((await reader.stateOf(named, null)).tierVersion).toBe(1);
  });

  it('ignores the version in metadata that names another tier', async () => {
    const metadata = { tier: 'enterprise', tier_version: '7' };
    const moved = subscription({ priceId: 'price_x', productId: 'prod_pro', metadata });
    expect((await reader.stateOf(moved, null)).tierVersion).toBe(1);
  });

  it('is past due since the payment failed, and a failure in the future counts from the stored time or now', async () => {
    const pastDue = subscription({ status: 'past_due' });
    const earlier = new Date(NOW_MS - 1_000);
    const later = new Date(NOW_MS + 1_000);
    expect((await reader.stateOf(pastDue, null, earlier)).pastDueSince).toEqual(earlier);
    expect((await reader.stateOf(pastDue, null, later)).pastDueSince).toEqual(new Date(NOW_MS));
    expect((await reader.stateOf(pastDue, stored({ pastDueSince: earlier }), later)).pastDueSince).toEqual(
      earlier,
    );
    expect((await reader.stateOf(subscription(), stored({ pastDueSince: earlier }))).pastDueSince).toBeNull();
  });

  it('keeps the limits of a contract whose metadata cannot be read any more', async () => {
    const metadata = { contract: 'c1', tier: 'enterprise', contract_limits: '{' };
    const state = await reader.stateOf(subscription({ metadata }), stored({ limits: { apiCallsPerDay: 5 } }));
    expect(state).toMatchObject({ contract: 'c1', limits: { apiCallsPerDay: 5 } });
  });

  it('is not made of a status that this version does not know', async () => {
    await expect(reader.stateOf(subscription({ status: 'hibernating' }), null)).rejects.toThrow(
      'does not know',
    );
  });
});

describe('the primary subscription', () => {
  const statuses = fc.constantFrom(...SUBSCRIPTION_STATUSES);
  const sold = fc.record({ status: statuses, priceId: fc.constantFrom(...Object.values(PRICES), 'price_x') });

  it('does not depend on what was stored of another subscription', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(sold, { maxLength: 4 }), async (list) => {
        const found = list.map((one, i) => subscription({ ...one, id: `sub_${i}` }));
        const other = stored({ stripeSubscriptionId: 'sub_other', tier: 'ENTERPRISE', priceId: 'price_x' });
        expect(await reader.primaryOf(found, other)).toEqual(await reader.primaryOf(found, null));
      }),
    );
  });

  it('grants a tier exactly if one of the subscriptions does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(sold, { maxLength: 4 }), async (list) => {
        const found = list.map((one, i) => subscription({ ...one, id: `sub_${i}` }));
        const grants = list.some(
          ({ status, priceId }) =>
            priceId !== 'price_x' && ['active', 'trialing', 'past_due'].includes(status),
        );
        expect((await reader.primaryOf(found, null))?.grantsTier ?? false).toBe(grants);
      }),
    );
  });

  it('is an active one before one that is past due, then the largest tier, then the newest', async () => {
    const pastDue = subscription({ id: 'late', status: 'past_due', priceId: PRICES.ENTERPRISE });
    const newer = subscription({ id: 'newer' });
    const older = subscription({ id: 'older' });
    const large = subscription({ id: 'large', priceId: PRICES.ENTERPRISE });
    const primaryId = async (...found: Stripe.Subscription[]) =>
      (await reader.primaryOf(found, null))?.subscription.id;
    expect(await primaryId(pastDue, newer, older)).toBe('newer');
    expect(await primaryId(newer, older, large)).toBe('large');
    expect(await primaryId(pastDue, subscription({ id: 'over', status: 'canceled' }))).toBe('late');
  });
});
