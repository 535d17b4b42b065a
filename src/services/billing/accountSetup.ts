import Stripe from 'stripe';
import type { Catalogue, TierDefinition } from '../../catalogue/catalogue.js';
import { publicNameOf } from '../../catalogue/displayNames.js';
import { callPricesOf } from '../../catalogue/overagePrice.js';
import { type BillingCycle, cycleName, priceName, stripePricesOf } from '../../catalogue/prices.js';
import type { Clock } from '../../common/clock.js';
import { type Brand, DEFAULT_BRAND } from '../../config/brand.js';
import type { TaxConfig } from '../../config/stripeConfig.js';
import { digest } from './customers/customers.js';
import { EFFECTIVE_TYPES } from './inbox/eventTarget.js';
import { productNames } from './productNames.js';
import { isMissing } from './stripe/stripeErrors.js';
import { amountIn, currencyOptionsOf, findListed, PAGE } from './stripe/stripeObjects.js';
import { METER_EVENT_NAMES, OVERAGE_PRICE } from './usageReports/meter.js';

/** The result of setting up a Stripe account for sales. */
export interface AccountSetup {
  /** Variables for the server's environment. In a dry run without what would be created. */
  environment: Record<string, string>;
  /** What was done, for example `product continuum_pro: found`; in a dry run, what would be. */
  steps: string[];
}

type EnabledEvent = Stripe.WebhookEndpointCreateParams.EnabledEvent;

export const WEBHOOK_PATH = '/v1/billing/webhook';
/** Concurrent runs share idempotency keys; an object that was deleted at Stripe can be created again a minute later. */
const SHARED_MS = 60_000;
const MONTHLY: BillingCycle = { interval: 'month', intervalCount: 1 };
/** Of a price that a dry run did not create. */
const UNKNOWN_ID = 'price_new';
const CREATED_HERE = { continuum: 'true' };

interface PriceTerms extends BillingCycle {
  /** By currency, in its smallest unit. */
  amounts: Record<string, Stripe.Decimal>;
  /** The meter whose calls it bills; null: a fixed price. */
  meter: string | null;
}

const decimals = (amounts: Readonly<Record<string, number | string>>): Record<string, Stripe.Decimal> =>
  Object.fromEntries(Object.entries(amounts).map(([code, amount]) => [code, Stripe.Decimal.from(amount)]));

const productIdOf = ({ name }: TierDefinition): string => `continuum_${name.toLowerCase()}`;

/**
 * Finds products, prices, meters, the portal configuration and the webhook endpoint, and creates what is missing. A second
 * run changes nothing, unless the catalogue changed: then a new price replaces the old one, which existing subscriptions
 * keep. Products get another name when the brand file has another, or their tier was renamed.
 * @param brand null: products that exist keep their names
 * @param publicUrl where Stripe reaches this server; null: no webhook endpoint
 * @param dryRun whether nothing is written
 * @param taxBehavior of all prices; null: prices that exist keep theirs
 * @throws the errors of Stripe's SDK
 */
export async function setUpAccount(deps: {
  stripe: Stripe;
  catalogue: Catalogue;
  brand: Brand | null;
  publicUrl: string | null;
  taxBehavior: TaxConfig['behavior'];
  clock: Clock;
  dryRun: boolean;
}): Promise<AccountSetup> {
  const { stripe, catalogue, brand, publicUrl, taxBehavior, clock, dryRun } = deps;
  const environment: Record<string, string> = {};
  const steps: string[] = [];
  const minute = Math.floor(clock.now() / SHARED_MS);
  const keyed = (params: unknown) => ({ idempotencyKey: `setup:${minute}:${digest(params)}` });

  /** @returns null in a dry run */
  const write = async <T>(request: () => Promise<T>): Promise<T | null> => (dryRun ? null : request());
  const done = (what: string): string => (dryRun ? `would be ${what}` : what);

  const nameOf = ({ name }: TierDefinition) => publicNameOf(catalogue, name);
  const isRenamedTier = (tier: TierDefinition) => nameOf(tier) !== tier.name;
  const productNamesOf = ({ name }: TierDefinition) => productNames(brand ?? DEFAULT_BRAND, catalogue, name);

  /** @param title the name on invoices */
  async function product(id: string, tier: TierDefinition, title: string, description = ''): Promise<string> {
    try {
      const found = await stripe.products.retrieve(id);
      const isRenamed = (brand !== null || isRenamedTier(tier)) && found.name !== title;
      const isDescribed = description !== '' && found.description !== description;
      const params = { ...(isRenamed && { name: title }), ...(isDescribed && { description }) };
      if (isRenamed || isDescribed)
        await write(() => stripe.products.update(id, params, keyed([id, params])));
      const changes = [
        ...(isRenamed ? [done(`renamed to ${title}`)] : []),
        ...(isDescribed ? [`description ${done('updated')}`] : []),
      ];
      steps.push(`product ${id}: ${changes.join(', ') || 'found'}`);
    } catch (error) {
      if (!isMissing(error)) throw error;
      const params = {
        id,
        name: title,
        ...(description && { description }),
        metadata: { ...CREATED_HERE, tier: tier.name },
      };
      await write(() => stripe.products.create(params, keyed(params)));
      steps.push(`product ${id}: ${done('created')}`);
    }
    return id;
  }

  /** A tax behavior is set once. */
  const mayBeTaxed = ({ tax_behavior: present }: Stripe.Price): boolean =>
    taxBehavior === null || present === 'unspecified' || present === taxBehavior;
  const optionsOf = (amounts: Record<string, Stripe.Decimal>) => currencyOptionsOf(amounts, taxBehavior);

  /** Adds currencies, and a tax behavior, to a price that lacks them. @returns what was added */
  async function complete(found: Stripe.Price, amounts: Record<string, Stripe.Decimal>): Promise<string[]> {
    const has = ([code]: [string, Stripe.Decimal]) => Boolean(amountIn(found, code));
    const added = Object.entries(amounts).filter((one) => !has(one));
    const present = Object.entries(amounts).filter(has);
    const behavior = found.tax_behavior === taxBehavior ? null : taxBehavior;
    const options: Record<string, Stripe.PriceUpdateParams.CurrencyOptions> = {
      ...optionsOf(Object.fromEntries(added)),
      ...(behavior && Object.fromEntries(present.map(([code]) => [code, { tax_behavior: behavior }]))),
    };
    const params = {
      ...(Object.keys(options).length > 0 && { currency_options: options }),
      ...(behavior && { tax_behavior: behavior }),
    };
    if (Object.keys(params).length > 0)
      await write(() => stripe.prices.update(found.id, params, keyed([found.id, params])));
    return [...added.map(([code]) => code), ...(behavior ? [`tax behavior ${behavior}`] : [])];
  }

  /**
   * A price cannot be changed: another amount needs another price, which takes over the lookup key. Another currency is
   * added to the price that there is, and so is a tax behavior to one without.
   */
  async function price(tier: TierDefinition, productId: string, terms: PriceTerms): Promise<string | null> {
    const { interval, intervalCount, meter, amounts } = terms;
    const lookupKey = `${productId}_${cycleName(terms).toLowerCase()}`;
    const { data } = await stripe.prices.list({
      lookup_keys: [lookupKey],
      active: true,
      expand: ['data.currency_options'],
    });
    const { [catalogue.currency]: amount = Stripe.Decimal.from(0), ...others } = amounts;
    const found = data.find(
      (one) =>
        one.unit_amount_decimal?.eq(amount) &&
        one.currency === catalogue.currency &&
        one.product === productId &&
        one.recurring?.interval === interval &&
        one.recurring.interval_count === intervalCount &&
        one.recurring.meter === meter &&
        mayBeTaxed(one) &&
        Object.entries(others).every(([code, other]) => amountIn(one, code)?.eq(other) !== false),
    );
    if (found) {
      const added = await complete(found, others);
      const also = added.length > 0 ? `, ${added.join(', ')} ${done('added')}` : '';
      steps.push(`price ${lookupKey}: found${also}`);
      return found.id;
    }
    const params = {
      product: productId,
      currency: catalogue.currency,
      unit_amount_decimal: amount,
      ...(Object.keys(others).length > 0 && { currency_options: optionsOf(others) }),
      recurring: {
        interval,
        ...(intervalCount > 1 && { interval_count: intervalCount }),
        ...(meter && { usage_type: 'metered' as const, meter }),
      },
      ...(taxBehavior && { tax_behavior: taxBehavior }),
      lookup_key: lookupKey,
      transfer_lookup_key: true,
      metadata: { ...CREATED_HERE, tier: tier.name, ...(meter && OVERAGE_PRICE) },
    };
    const created = await write(() => stripe.prices.create(params, keyed(params)));
    steps.push(
      `price ${lookupKey}: ${done('created')}${data.length > 0 ? ', replacing the previous one' : ''}`,
    );
    return created?.id ?? null;
  }

  async function meter(eventName: string, title: string): Promise<string | null> {
    const meters = stripe.billing.meters.list({ status: 'active', limit: PAGE });
    const found = await findListed(meters, 'meters', ({ event_name: name }) => name === eventName);
    if (found) {
      steps.push(`meter ${eventName}: found`);
      return found.id;
    }
    const params = {
      display_name: title,
      event_name: eventName,
      default_aggregation: { formula: 'sum' as const },
      customer_mapping: { type: 'by_id' as const, event_payload_key: 'stripe_customer_id' },
      value_settings: { event_payload_key: 'value' },
    };
    const created = await write(() => stripe.billing.meters.create(params, keyed(params)));
    steps.push(`meter ${eventName}: ${done('created')}`);
    return created?.id ?? null;
  }

  async function portal(forSale: { product: string; prices: string[] }[]): Promise<string | null> {
    const features: Stripe.BillingPortal.ConfigurationCreateParams.Features = {
      customer_update: { enabled: true, allowed_updates: ['email', 'name', 'address', 'tax_id'] },
      invoice_history: { enabled: true },
      payment_method_update: { enabled: true },
      subscription_cancel: { enabled: true, mode: 'at_period_end' },
      subscription_update: {
        enabled: forSale.flatMap(({ prices }) => prices).length > 1,
        default_allowed_updates: ['price', 'promotion_code'],
        products: forSale,
        proration_behavior: 'always_invoice',
        schedule_at_period_end: { conditions: [{ type: 'decreasing_item_amount' }] },
      },
    };
    const existing = stripe.billingPortal.configurations.list({ active: true, limit: PAGE });
    const metadata = { ...CREATED_HERE, features: digest(features) };
    const isCreatedHere = (one: Stripe.BillingPortal.Configuration) => Boolean(one.metadata?.continuum);
    const found = await findListed(existing, 'portal configurations', isCreatedHere);
    if (found?.metadata?.features === metadata.features) {
      steps.push(`portal configuration ${found.id}: found`);
      return found.id;
    }
    const params = { features, metadata };
    const written = await write(() =>
      found
        ? stripe.billingPortal.configurations.update(found.id, params, keyed([found.id, params]))
        : stripe.billingPortal.configurations.create(params, keyed(params)),
    );
    const id = written?.id ?? found?.id ?? null;
    steps.push(`portal configuration${id ? ` ${id}` : ''}: ${done(found ? 'updated' : 'created')}`);
    return id;
  }

  /** @returns its secret, which Stripe returns only on creation; null for an existing endpoint */
  async function webhook(url: string): Promise<string | null> {
    const existing = stripe.webhookEndpoints.list({ limit: PAGE });
    const found = await findListed(existing, 'webhook endpoints', (one) => one.url === url);
    const events = EFFECTIVE_TYPES as readonly EnabledEvent[];
    if (!found) {
      const params = {
        url,
        enabled_events: [...events],
        api_version: Stripe.API_VERSION,
        metadata: CREATED_HERE,
      };
      const created = await write(() => stripe.webhookEndpoints.create(params, keyed(params)));
      steps.push(`webhook endpoint ${url}: ${done('created')}`);
      return created?.secret ?? null;
    }
    const missing = events.filter((type) => !found.enabled_events.some((one) => one === type || one === '*'));
    if (missing.length > 0) {
      const enabled = [...new Set([...(found.enabled_events as EnabledEvent[]), ...events])];
      const params = { enabled_events: enabled };
      await write(() => stripe.webhookEndpoints.update(found.id, params, keyed([found.id, enabled])));
    }
    const version = found.api_version ?? 'of the account';
    steps.push(
      `webhook endpoint ${url}: ${missing.length > 0 ? done('updated') : 'found'}; Stripe shows its secret in the dashboard` +
        (version === Stripe.API_VERSION
          ? ''
          : ` (it sends API version ${version}, not ${Stripe.API_VERSION})`),
    );
    return null;
  }

  /** Bills each call that the meter counts, at the catalogue's exact price. */
  async function overagePrice(tier: TierDefinition, meterId: string | null): Promise<void> {
    if (!tier.overage) return;
    const title = productNamesOf(tier).overage;
    const productId = await product(`${productIdOf(tier)}_overage`, tier, title);
    const terms = {
      ...MONTHLY,
      amounts: decimals(callPricesOf(tier.overage, catalogue.currency)),
      meter: meterId,
    };
    set(`STRIPE_PRICE_${nameOf(tier)}_OVERAGE`, await price(tier, productId, terms));
  }

  function set(variable: string, value: string | null): void {
    if (value !== null) environment[variable] = value;
  }

  const forSale: { product: string; prices: string[] }[] = [];
  await meter(METER_EVENT_NAMES.MANUAL, 'Continuum API calls');
  const meterId = await meter(METER_EVENT_NAMES.OVERAGE, 'Continuum calls past the daily quota');
  for (const tier of catalogue.tiers) {
    if (tier.checkout === 'NONE') continue;
    const productId = await product(productIdOf(tier), tier, productNamesOf(tier).tier, tier.description);
    const prices: string[] = [];
    for (const { amounts, ...cycle } of stripePricesOf(tier, catalogue.currency)) {
      const priceId = await price(tier, productId, { ...cycle, amounts: decimals(amounts), meter: null });
      set(`STRIPE_PRICE_${priceName(nameOf(tier), cycle)}`, priceId);
      prices.push(priceId ?? UNKNOWN_ID);
    }
    await overagePrice(tier, meterId);
    if (tier.checkout === 'SELF_SERVICE' && !tier.hidden && !tier.retired)
      forSale.push({ product: productId, prices });
  }
  set('STRIPE_PORTAL_CONFIGURATION', await portal(forSale));
  if (publicUrl) {
    const secret = await webhook(`${publicUrl}${WEBHOOK_PATH}`);
    set('STRIPE_WEBHOOK_SECRET', secret);
  } else {
    steps.push('webhook endpoint: not created; set PUBLIC_URL to the URL at which Stripe reaches the server');
  }
  return { environment, steps };
}
