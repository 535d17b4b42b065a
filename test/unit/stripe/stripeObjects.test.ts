import { afterAll, beforeAll, expect, it } from 'vitest';
import catalogue from '../../../catalogue.json' with { type: 'json' };
import { type Harness, openHarness } from '../../../packages/mock-stripe/test/support/harness.js';
import { parseCatalogue } from '../../../src/catalogue/catalogue.js';
import { UsageReportKind } from '../../../src/models/usageReport.js';
import { setUpAccount } from '../../../src/services/billing/accountSetup.js';
import { findListed } from '../../../src/services/billing/stripe/stripeObjects.js';
import { createMeter } from '../../../src/services/billing/usageReports/meter.js';
import { systemClock } from '../../support/systemClock.js';
import { pricedCatalogue } from '../../support/teamCatalogue.js';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness({ prices: [], meterEventNames: [] });
});
afterAll(() => harness?.close());

type Deps = Parameters<typeof setUpAccount>[0];
const setUp = (changes: Partial<Deps> = {}) =>
  setUpAccount({
    dryRun: false,
    stripe: harness.stripe,
    catalogue: parseCatalogue(catalogue),
    brand: null,
    publicUrl: 'https://billing.example',
    taxBehavior: null,
    clock: systemClock,
    ...changes,
  });

it('prices get a tax behavior in each currency, and another price where there is another one', async () => {
  const { stripe } = harness;
  const priced = { catalogue: parseCatalogue(pricedCatalogue()) };
  const price = async ({ environment }: Awaited<ReturnType<typeof setUp>>) =>
    stripe.prices.retrieve(environment.STRIPE_PRICE_PRO as string, { expand: ['currency_options'] });
  const plain = await price(await setUp(priced));
  expect(plain.tax_behavior).toBe('unspecified');
  const exclusive = await setUp({ ...priced, taxBehavior: 'exclusive' });
  expect(exclusive.steps).toContainEqual('price continuum_pro_monthly: found, tax behavior exclusive added');
  expect(await price(exclusive)).toMatchObject({
    id: plain.id,
    tax_behavior: 'exclusive',
    currency_options: { eur: { tax_behavior: 'exclusive' } },
  });
  const kept = await setUp(priced);
  expect(kept.steps).toContainEqual('price continuum_pro_monthly: found');
  const inclusive = await price(await setUp({ ...priced, taxBehavior: 'inclusive' }));
  expect(inclusive.id).not.toBe(plain.id);
  expect(inclusive).toMatchObject({
    tax_behavior: 'inclusive',
    currency_options: { eur: { tax_behavior: 'inclusive' } },
  });
});

it('meters, portal configurations and webhook endpoints past the first page are found', async () => {
  const { stripe } = harness;
  await setUp();
  for (let i = 0; i < 101; i++) {
    await stripe.billing.meters.create({
      display_name: `Meter ${i}`,
      event_name: `meter_${i}`,
      default_aggregation: { formula: 'sum' },
    });
    await stripe.billingPortal.configurations.create({ features: { invoice_history: { enabled: true } } });
    await stripe.webhookEndpoints.create({
      url: `https://other.example/${i}`,
      enabled_events: ['charge.refunded'],
    });
  }
  const { steps } = await setUp();
  expect(steps.filter((step) => step.includes('made'))).toEqual([]);
  const minuteMs = Math.floor(Date.now() / 60_000) * 60_000;
  const customer = await stripe.customers.create();
  const meter = createMeter({ stripe });
  expect(await meter.countedIn(customer.id, UsageReportKind.OVERAGE, minuteMs)).toBe(0);
});

it('the search of an endless list stops', async () => {
  async function* endless() {
    for (;;) yield 1;
  }
  await expect(findListed(endless(), 'meters', (one) => one === 2)).rejects.toThrow('first 10000 meters');
});
