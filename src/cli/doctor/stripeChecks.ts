import Stripe from 'stripe';
import type { Catalogue, TierDefinition } from '../../catalogue/catalogue.js';
import { publicNameOf } from '../../catalogue/displayNames.js';
import { callPricesOf } from '../../catalogue/overagePrice.js';
import { priceName, stripePricesOf } from '../../catalogue/prices.js';
import type { InspectedConfig } from '../../config/config.js';
import { identityProblem, readDatabaseIdentity } from '../../databaseIdentity.js';
import { WEBHOOK_PATH } from '../../services/billing/accountSetup.js';
import { EFFECTIVE_TYPES } from '../../services/billing/inbox/eventTarget.js';
import { readAccount } from '../../services/billing/stripe/stripeAccount.js';
import { createStripeClient, isLiveKey } from '../../services/billing/stripe/stripeClient.js';
import { describeFailure } from '../../services/billing/stripe/stripeErrors.js';
import { amountIn, findListed, PAGE } from '../../services/billing/stripe/stripeObjects.js';
import { METER_EVENT_NAMES } from '../../services/billing/usageReports/meter.js';
import { noMetrics } from '../../services/infrastructure/metrics.js';
import { type Check, check, type Finding, failed, ok, skipped, verdict, warning } from './check.js';
import type { ReachedDatabase } from './databaseChecks.js';

const SETUP = 'Run npx continuum-billing stripe setup, and set the variables that it prints';
const KEY_FIX =
  'Set STRIPE_SECRET_KEY to a secret or restricted key of the account (https://dashboard.stripe.com/apikeys)';

/** What the checks compare. */
interface Wanted {
  stripe: Stripe;
  catalogue: Catalogue | null;
  config: InspectedConfig;
}

export async function stripeChecks(
  config: InspectedConfig,
  database: Promise<ReachedDatabase>,
): Promise<Check[]> {
  const { stripe: settings, catalogue } = config;
  if (settings.mode === 'mock') {
    const unused = settings.secretKey !== null;
    const found = 'mock mode: Stripe is a mock inside the server, and no money moves';
    const finding = unused
      ? warning(`${found}. STRIPE_SECRET_KEY is set and not used`, 'Remove STRIPE_MOCK_MODE to sell')
      : skipped(found);
    return [{ name: 'stripe.mode', ...finding }];
  }
  if (!settings.secretKey)
    return [{ name: 'stripe.key', ...failed('STRIPE_SECRET_KEY is missing', KEY_FIX) }];
  const stripe = createStripeClient(settings, null, null, noMetrics);
  const wanted = { stripe, catalogue, config };
  const later = [
    ['stripe.account', () => checkAccount(stripe, database)],
    ...(catalogue?.tiers.flatMap((tier) => priceChecks(tier, wanted)) ?? []),
    ['stripe.meters', () => checkMeters(stripe)],
    ['stripe.webhook', () => checkWebhook(wanted)],
    ['stripe.portal', () => checkPortal(wanted)],
    ['stripe.tax', () => checkTax(wanted)],
  ] as const;
  const key = await check('stripe.key', KEY_FIX, () => checkKey(stripe));
  const mode = { name: 'stripe.mode', ...checkMode(config) };
  const others =
    key.status === 'error'
      ? later.map(([name]) => ({ name, ...skipped('STRIPE_SECRET_KEY does not work') }))
      : await Promise.all(later.map(([name, run]) => check(name, SETUP, () => unlessDenied(run))));
  return [key, mode, ...others];
}

/** What a restricted key may not read cannot be checked. */
async function unlessDenied(run: () => Promise<Finding>): Promise<Finding> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripePermissionError)) throw error;
    return warning(
      `not checked: ${describeFailure(error)}`,
      'Permit it to the key, or check it with another key of the account',
    );
  }
}

/** A key that is rejected for its permissions is a valid key. */
async function checkKey(stripe: Stripe): Promise<Finding> {
  try {
    await readAccount(stripe);
  } catch (error) {
    const { statusCode } = error as { statusCode?: number };
    const isAnswer = error instanceof Stripe.errors.StripeError && (statusCode === 403 || statusCode === 404);
    if (!isAnswer) throw error;
  }
  return ok('Stripe accepts the key');
}

function checkMode({ stripe, production }: InspectedConfig): Finding {
  const isLive = isLiveKey(stripe.secretKey ?? '');
  if (isLive === null) return warning('the key does not show its mode', KEY_FIX);
  const found = `the key belongs to Stripe's ${isLive ? 'live' : 'test'} mode`;
  if (production && !isLive)
    return warning(`${found}, with NODE_ENV=production`, 'Set a live key to sell; a test key moves no money');
  return ok(found);
}

async function checkAccount(stripe: Stripe, database: Promise<ReachedDatabase>): Promise<Finding> {
  const { id, account } = await readAccount(stripe);
  const { connection } = await database;
  const identity = connection && (await readDatabaseIdentity(connection));
  const problem = identityProblem('stripeAccount', identity?.stripeAccount ?? null, id);
  if (problem) return failed(problem, 'Use the key of that account, or another database');
  if (account && !account.charges_enabled)
    return warning(
      `account ${id} cannot take payments yet`,
      "Complete the account's details in Stripe's dashboard",
    );
  return ok(`account ${id}`);
}

type NamedCheck = readonly [name: string, run: () => Promise<Finding>];

function priceChecks(tier: TierDefinition, { stripe, catalogue, config }: Wanted): NamedCheck[] {
  const { name, checkout, overage } = tier;
  if (checkout === 'NONE' || !catalogue) return [];
  const { currency } = catalogue;
  const own = stripePricesOf(tier, currency).map((price): NamedCheck => {
    const variable = priceName(publicNameOf(catalogue, name), price);
    const priceId = config.stripe.priceIds[priceName(name, price)];
    // What is agreed by contract has any amount.
    const amounts = Object.values(price.amounts).some((amount) => amount > 0) ? price.amounts : null;
    const cycle = cycleOf(price.intervalCount, price.interval);
    return [
      `stripe.price.${variable}`,
      async () =>
        priceId
          ? comparePrice(stripe, priceId, { currency, amounts, cycle, meterEventName: null })
          : checkout === 'SELF_SERVICE'
            ? failed(`STRIPE_PRICE_${variable} is missing`, SETUP)
            : skipped(`STRIPE_PRICE_${variable} is not set: contracts with a price cannot be sold`),
    ];
  });
  if (!overage) return own;
  const overageId = config.stripe.overagePriceIds[name];
  const wanted = {
    currency,
    amounts: callPricesOf(overage, currency),
    cycle: cycleOf(1, 'month'),
    meterEventName: METER_EVENT_NAMES.OVERAGE,
  };
  return [
    ...own,
    [
      `stripe.overagePrice.${publicNameOf(catalogue, name)}`,
      async () =>
        overageId
          ? comparePrice(stripe, overageId, wanted)
          : warning(
              `STRIPE_PRICE_${publicNameOf(catalogue, name)}_OVERAGE is not set: the tier sells no overage`,
              SETUP,
            ),
    ],
  ];
}

interface WantedPrice {
  currency: string;
  /** By currency, in its smallest unit; null: any, because it is agreed by contract. */
  amounts: Readonly<Record<string, number | string>> | null;
  /** As `cycleOf` says it. */
  cycle: string;
  /** null: a fixed price. */
  meterEventName: string | null;
}

const cycleOf = (count: number, interval: string): string =>
  count === 1 ? `each ${interval}` : `every ${count} ${interval}s`;

async function comparePrice(stripe: Stripe, id: string, wanted: WantedPrice): Promise<Finding> {
  const price = await stripe.prices.retrieve(id, { expand: ['currency_options'] });
  const { currency, recurring, active } = price;
  const amount = price.unit_amount_decimal?.toString() ?? String(price.unit_amount);
  const { [wanted.currency]: own, ...others } = wanted.amounts ?? {};
  const isAmount = own === undefined || price.unit_amount_decimal?.eq(Stripe.Decimal.from(own)) === true;
  const cycle = recurring ? cycleOf(recurring.interval_count, recurring.interval) : 'once';
  const meter = recurring?.meter ? await stripe.billing.meters.retrieve(recurring.meter) : null;
  const problems = [
    !active && 'it is archived',
    currency !== wanted.currency && `its currency is ${currency}, and the catalogue's is ${wanted.currency}`,
    !isAmount && `its amount is ${amount}, and the catalogue says ${own} (in the smallest unit)`,
    ...Object.entries(others).map(([code, other]) => currencyProblem(price, code, other)),
    cycle !== wanted.cycle && `it is paid ${cycle}, and not ${wanted.cycle}`,
    wanted.meterEventName === null &&
      recurring?.usage_type === 'metered' &&
      'it is metered, and must be fixed',
    wanted.meterEventName !== null &&
      meter?.event_name !== wanted.meterEventName &&
      `it bills the meter ${meter?.event_name ?? 'none'}, and not ${wanted.meterEventName}`,
  ].filter((problem) => problem !== false);
  return verdict(
    `${id}: ${amount} ${currency} ${wanted.cycle}`,
    problems.map((problem) => `${id}: ${problem}`),
    `${SETUP}. A price at Stripe cannot be changed: another one replaces it, or the catalogue is corrected`,
  );
}

function currencyProblem(price: Stripe.Price, code: string, wanted: number | string): string | false {
  const amount = amountIn(price, code);
  if (!amount) return `it has no amount in ${code}, and the catalogue says ${wanted}`;
  return (
    !amount.eq(Stripe.Decimal.from(wanted)) &&
    `its amount in ${code} is ${amount}, and the catalogue says ${wanted}`
  );
}

async function checkMeters(stripe: Stripe): Promise<Finding> {
  const problems: string[] = [];
  for (const eventName of Object.values(METER_EVENT_NAMES)) {
    const meters = stripe.billing.meters.list({ status: 'active', limit: PAGE });
    const meter = await findListed(meters, 'meters', ({ event_name: name }) => name === eventName);
    if (!meter) problems.push(`there is no active meter ${eventName}`);
    else if (meter.default_aggregation.formula !== 'sum')
      problems.push(`the meter ${eventName} does not sum`);
  }
  return verdict(`meters ${Object.values(METER_EVENT_NAMES).join(' and ')}`, problems, SETUP);
}

async function checkWebhook({ stripe, config }: Wanted): Promise<Finding> {
  if (!config.publicUrl) {
    return warning(
      'PUBLIC_URL is not set, so the webhook endpoint is not known',
      'Set PUBLIC_URL to the URL at which Stripe reaches the server, then run npx continuum-billing stripe setup',
    );
  }
  const url = `${config.publicUrl}${WEBHOOK_PATH}`;
  const endpoints = stripe.webhookEndpoints.list({ limit: PAGE });
  const seen: string[] = [];
  const endpoint = await findListed(endpoints, 'webhook endpoints', (one) => {
    // Only where they are: the rest of another system's URL may be a secret.
    if (URL.canParse(one.url)) seen.push(new URL(one.url).origin);
    return one.url === url;
  });
  if (!endpoint) {
    const known = seen.length > 0 ? `; there are some at ${[...new Set(seen)].slice(0, 5).join(', ')}` : '';
    return failed(
      `Stripe has no webhook endpoint for ${url}${known}`,
      'Run npx continuum-billing stripe setup with this PUBLIC_URL, and set the STRIPE_WEBHOOK_SECRET that it prints; or correct PUBLIC_URL',
    );
  }
  const events = new Set(endpoint.enabled_events);
  const missing = events.has('*') ? [] : EFFECTIVE_TYPES.filter((type) => !events.has(type));
  const version = endpoint.api_version ?? "the account's default";
  const problems = [
    endpoint.status !== 'enabled' && 'it is disabled',
    missing.length > 0 && `it lacks the events ${missing.join(', ')}`,
  ].filter((problem) => problem !== false);
  if (problems.length > 0)
    return failed(
      problems.map((problem) => `${url}: ${problem}`).join('; '),
      "Enable the endpoint in Stripe's dashboard, and run npx continuum-billing stripe setup, which adds the missing events",
    );
  if (endpoint.api_version !== Stripe.API_VERSION)
    return warning(
      `${url} sends API version ${version}; the server is made for ${Stripe.API_VERSION}`,
      'Replace the endpoint: delete it at Stripe, run npx continuum-billing stripe setup, and set the new STRIPE_WEBHOOK_SECRET',
    );
  return ok(
    `${url} gets ${events.has('*') ? 'all' : EFFECTIVE_TYPES.length} types of events in API version ${version}`,
  );
}

async function checkPortal({ stripe, config }: Wanted): Promise<Finding> {
  const id = config.stripe.portalConfiguration;
  if (!id) return ok("the account's default configuration of the billing portal");
  const all = stripe.billingPortal.configurations.list({ limit: PAGE });
  const found = await findListed(all, 'portal configurations', (one) => one.id === id);
  return verdict(
    `portal configuration ${id}`,
    found?.active ? [] : [`portal configuration ${id} ${found ? 'is not active' : 'does not exist'}`],
    SETUP,
  );
}

async function checkTax({ stripe, config }: Wanted): Promise<Finding> {
  if (!config.stripe.tax.automatic) return skipped('STRIPE_AUTOMATIC_TAX is off');
  const { status, status_details: details } = await stripe.tax.settings.retrieve();
  if (status === 'active') return ok('Stripe Tax is set up');
  const missing = details.pending?.missing_fields?.join(', ') ?? 'some settings';
  return failed(
    `Stripe Tax is not set up: ${missing} missing. Every checkout would fail`,
    'Complete https://dashboard.stripe.com/settings/tax, or remove STRIPE_AUTOMATIC_TAX',
  );
}
