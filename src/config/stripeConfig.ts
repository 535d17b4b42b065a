import type { Catalogue, TierDefinition } from '../catalogue/catalogue.js';
import { publicNameOf } from '../catalogue/displayNames.js';
import { priceName, pricesOf } from '../catalogue/prices.js';
import type { Environment, Variables } from './environment.js';

export interface StripeConfig {
  mode: 'mock' | 'live';
  secretKey: string | null;
  /** A webhook may be signed with any of them. In live mode there is at least one. */
  webhookSecrets: readonly string[];
  /** Stripe price id by the name of the price: `PRO` is paid each month, `PRO_YEARLY` each year. */
  priceIds: Readonly<Record<string, string>>;
  /** Metered Stripe price id of a tier's overage, by tier name. A tier without one sells no overage. */
  overagePriceIds: Readonly<Record<string, string>>;
  /** The configuration of Stripe's billing portal; null for the account's default. */
  portalConfiguration: string | null;
  /** Another server with Stripe's API; null for Stripe itself. */
  apiBase: URL | null;
  /** Stripe's limit for one endpoint. */
  requestsPerSecond: number;
  tax: TaxConfig;
  invoices: InvoiceConfig;
}

/** How purchases are taxed at Stripe. */
export interface TaxConfig {
  /** Whether Stripe Tax computes the tax of new subscriptions. */
  automatic: boolean;
  /** Whether the prices that are made here include tax; null: as the account's tax settings say. */
  behavior: 'exclusive' | 'inclusive' | null;
  /** Whether a checkout asks businesses for their tax ids. */
  collectsIds: boolean;
  addressCollection: 'auto' | 'required';
  /** The rate that the mock charges everywhere, in percent. */
  mockPercent: string;
}

/** What invoices say, in addition to what the account's invoice settings say. */
export interface InvoiceConfig {
  /** The memo. */
  description: string | null;
  footer: string | null;
  customFields: readonly { name: string; value: string }[];
}

/**
 * Reads the Stripe configuration and checks it against the catalogue.
 * @param errors gets one line for each error
 */
export function readStripe(
  vars: Environment,
  present: Variables,
  production: boolean,
  catalogue: Catalogue | null,
  errors: string[],
): StripeConfig {
  const mock = vars.STRIPE_MOCK_MODE ?? (!present.STRIPE_SECRET_KEY && !production);
  if (!mock) {
    if (!present.STRIPE_SECRET_KEY) {
      errors.push(
        production
          ? 'STRIPE_SECRET_KEY: is missing; set it, or STRIPE_MOCK_MODE=true to run without Stripe'
          : 'STRIPE_SECRET_KEY: is missing; set it, or leave STRIPE_MOCK_MODE=false out',
      );
    }
    if (!present.STRIPE_WEBHOOK_SECRET) errors.push('STRIPE_WEBHOOK_SECRET: is missing; live mode needs it');
  }
  return {
    mode: mock ? 'mock' : 'live',
    secretKey: vars.STRIPE_SECRET_KEY ?? null,
    webhookSecrets: vars.STRIPE_WEBHOOK_SECRET ?? [],
    ...(catalogue ? readPrices(present, mock, catalogue, errors) : NO_PRICES),
    portalConfiguration: vars.STRIPE_PORTAL_CONFIGURATION ?? null,
    apiBase: vars.STRIPE_API_BASE ?? null,
    requestsPerSecond: vars.STRIPE_REQUESTS_PER_SECOND,
    tax: {
      automatic: vars.STRIPE_AUTOMATIC_TAX,
      behavior: vars.STRIPE_TAX_BEHAVIOR ?? null,
      collectsIds: vars.STRIPE_TAX_ID_COLLECTION,
      addressCollection: vars.STRIPE_BILLING_ADDRESS_COLLECTION,
      mockPercent: vars.STRIPE_MOCK_TAX_PERCENT,
    },
    invoices: {
      description: vars.STRIPE_INVOICE_DESCRIPTION ?? null,
      footer: vars.STRIPE_INVOICE_FOOTER ?? null,
      customFields: vars.STRIPE_INVOICE_CUSTOM_FIELDS ?? [],
    },
  };
}

type Prices = Pick<StripeConfig, 'priceIds' | 'overagePriceIds'>;

const NO_PRICES: Prices = { priceIds: {}, overagePriceIds: {} };

/** The prices that the variables name; in mock mode one that nobody names has an id of its own. */
function readPrices(present: Variables, mock: boolean, catalogue: Catalogue, errors: string[]): Prices {
  const { tiers, currency } = catalogue;
  /** The variables of a tier that was renamed may have any of its names. */
  const configuredIn = ({ name, renamedFrom }: TierDefinition, end: string): string | undefined =>
    [publicNameOf(catalogue, name), ...renamedFrom.toReversed()]
      .map((one) => present[`STRIPE_PRICE_${one}${end}`])
      .find(Boolean);
  const idOf = (tier: TierDefinition, end: string): string | undefined =>
    configuredIn(tier, end) ?? (mock ? `price_${tier.name}${end}`.toLowerCase() : undefined);
  /** What follows a tier's name in the names of its prices: nothing for the monthly one. */
  const soldEnds = (tier: TierDefinition) => pricesOf(tier, currency).map((price) => priceName('', price));
  const ownEnds = (tier: TierDefinition) => [...new Set(['', ...soldEnds(tier)])];
  const priceIds = idsIn(
    tiers.flatMap((tier) => ownEnds(tier).map((end) => [`${tier.name}${end}`, idOf(tier, end)])),
  );
  const overagePriceIds = idsIn(
    tiers.filter(({ overage }) => overage).map((tier) => [tier.name, idOf(tier, '_OVERAGE')]),
  );
  const sold = mock ? [] : tiers.filter(({ checkout, retired }) => checkout === 'SELF_SERVICE' && !retired);
  for (const tier of sold) {
    for (const end of soldEnds(tier).filter((one) => !priceIds[`${tier.name}${one}`])) {
      const name = `${publicNameOf(catalogue, tier.name)}${end}`;
      errors.push(`STRIPE_PRICE_${name}: is missing; live mode needs the Stripe price id of ${name}`);
    }
  }
  const ids = [...Object.values(priceIds), ...Object.values(overagePriceIds)];
  if (new Set(ids).size !== ids.length)
    errors.push('STRIPE_PRICE_*: two variables have the same price id; each needs its own');
  for (const tier of tiers) {
    // A tier may still be sold at one of its own former prices.
    const own = ownEnds(tier).map((end) => priceIds[`${tier.name}${end}`]);
    const others = new Set(ids.filter((id) => !own.includes(id)));
    const taken = tier.former.flatMap(({ stripePriceIds }) => stripePriceIds).find((id) => others.has(id));
    if (taken)
      errors.push(
        `STRIPE_PRICE_*: ${taken} is a former price of ${publicNameOf(catalogue, tier.name)} in the catalogue; another tier cannot use it`,
      );
  }
  return { priceIds, overagePriceIds };
}

const idsIn = (found: readonly (readonly [string, string | undefined])[]): Record<string, string> =>
  Object.fromEntries(found.flatMap(([name, id]) => (id ? [[name, id]] : [])));
