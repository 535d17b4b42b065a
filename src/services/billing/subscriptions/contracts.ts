import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { LimitOverrides, TierLimits } from '../../../catalogue/catalogue.js';
import { MAX_AMOUNT, type PriceInterval } from '../../../catalogue/prices.js';
import { addMonths } from '../../../common/calendar.js';
import type { Clock } from '../../../common/clock.js';
import { badInput, serviceUnavailable } from '../../../common/errors.js';
import { chargeProblem, formatMoney } from '../../../common/money.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Tenants } from '../../accounts/tenants.js';
import type { AuditLog } from '../../audit/auditLog.js';
import type { Author } from '../../audit/author.js';
import { rejectRetired, type Tiers } from '../../tiers/tiers.js';
import { type Customer, type Customers, digest } from '../customers/customers.js';
import {
  callingStripe,
  isKeyReused,
  isLocationMissing,
  isMissing,
  isRejected,
} from '../stripe/stripeErrors.js';
import { contractMetadata, tierMetadata } from '../sync/subscriptionMetadata.js';
import { type SubscriptionSync, WITH_SCHEDULE } from '../sync/subscriptionSync.js';
import type { CurrentSubscriptions } from './currentSubscriptions.js';
import { overageSwap } from './overageItems.js';
import type { PurchaseTerms } from './purchaseTerms.js';
import { rejectPaused } from './selfService.js';
import type { SubscriptionChanges } from './subscriptionChanges.js';
import type { Subscriptions } from './subscriptions.js';

/** Terms that the operator negotiated with a tenant. */
export interface ContractTerms {
  /** null: the catalogue's first tier that is priced by contract. */
  tier: string | null;
  /** The price of a month; null: `unitAmount` says what an interval costs. */
  monthlyPriceCents?: number | null | undefined;
  /** Of one seat, if there are seats. */
  unitAmount?: number | null | undefined;
  /** Default: month. */
  interval?: PriceInterval | null | undefined;
  /** Default: the catalogue's. */
  currency?: string | null | undefined;
  /** Default: 1. */
  seats?: number | null | undefined;
  /** Overrides of the tier's limits; they end with the subscription. */
  limits: LimitOverrides;
  /** The contract ends after this many months. */
  termMonths: number;
  /** Days until an invoice is due; null: the card on file is charged. */
  daysUntilDue: number | null;
}

type AgreedTerms = Omit<ContractTerms, 'tier' | 'limits'> & { tier: string; limits: Partial<TierLimits> };

/** Subscriptions by contract, with negotiated prices. Tenants cannot change them. */
export interface Contracts {
  /**
   * Starts a contract: converts the tenant's subscription, or creates one. The same terms again change nothing.
   * @throws NOT_FOUND; BAD_USER_INPUT for a tier that is not priced by contract, or if there is a contract with other terms
   */
  begin(tenantId: string, terms: ContractTerms, author: Author): Promise<BillingSubscriptionDoc>;
}

const MAX_TRIES = 3;
const UNPAID_IS_AN_ERROR = { payment_behavior: 'error_if_incomplete' as const };

export function createContracts(deps: {
  stripe: Stripe;
  tiers: Tiers;
  tenants: Tenants;
  customers: Customers;
  subscriptions: Subscriptions;
  currentSubscriptions: CurrentSubscriptions;
  changes: SubscriptionChanges;
  purchaseTerms: PurchaseTerms;
  sync: SubscriptionSync;
  auditLog: AuditLog;
  clock: Clock;
  log: Logger;
}): Contracts {
  const {
    stripe,
    tiers,
    tenants,
    customers,
    subscriptions,
    currentSubscriptions,
    changes,
    purchaseTerms,
    sync,
    auditLog,
    clock,
    log,
  } = deps;

  const currencyOf = ({ currency }: Pick<ContractTerms, 'currency'>): string =>
    currency ?? tiers.catalogue.currency;

  /** @throws BAD_USER_INPUT for terms that do not fit together, or the tier, or what the tenant has */
  function checkPrice(terms: AgreedTerms, former: BillingSubscriptionDoc | null): void {
    const { tier, monthlyPriceCents, unitAmount, interval, termMonths, seats } = terms;
    if ((monthlyPriceCents == null) === (unitAmount == null))
      throw badInput('input.unitAmount', 'is given instead of monthlyPriceCents: one of the two is required');
    if (monthlyPriceCents != null && (interval === 'year' || seats != null))
      throw badInput('input.monthlyPriceCents', 'is the price of a month for all; give unitAmount instead');
    if (interval === 'year' && termMonths % 12 !== 0)
      throw badInput('input.termMonths', 'must be whole years where each year is paid for');
    if ((monthlyPriceCents ?? unitAmount ?? 0) * (seats ?? 1) > MAX_AMOUNT)
      throw badInput(
        'input.seats',
        `must cost at most ${formatMoney(MAX_AMOUNT, currencyOf(terms))} together`,
      );
    const currency = currencyOf(terms);
    const problem = chargeProblem(monthlyPriceCents ?? unitAmount ?? 0, currency);
    if (problem) throw badInput(`input.${unitAmount == null ? 'monthlyPriceCents' : 'unitAmount'}`, problem);
    if (tiers.getOverage(tier) && !tiers.getOverage(tier, currency))
      throw badInput(
        'input.currency',
        `The ${tiers.publicNameOf(tier).toLowerCase()} tier sells no overage in ${currency}`,
      );
    const fixed = former?.itemPrice?.currency ?? currency;
    if (fixed !== currency)
      throw badInput('input.currency', `is ${fixed} since the first purchase, and cannot be changed`);
  }

  /** @returns the tier's product at Stripe, which gets the contract's price */
  async function productOf(tier: string): Promise<string> {
    const priceId = tiers.getStripePriceId(tier);
    if (tiers.get(tier).checkout !== 'CONTACT_SALES' || !priceId) {
      const problem = priceId
        ? 'is not priced by contract; use createCheckoutSession'
        : `has no price at Stripe; set STRIPE_PRICE_${tiers.publicNameOf(tier)}`;
      throw badInput('input.tier', problem);
    }
    const { product } = await stripe.prices.retrieve(priceId);
    return typeof product === 'string' ? product : product.id;
  }

  function paramsOf(tenantId: string, terms: AgreedTerms, product: string, endsAt: Date) {
    const { tier, limits, daysUntilDue, interval, seats } = terms;
    const item = {
      price_data: {
        currency: currencyOf(terms),
        product,
        unit_amount: terms.monthlyPriceCents ?? terms.unitAmount ?? 0,
        recurring: { interval: interval ?? ('month' as const) },
        ...purchaseTerms.price,
      },
      quantity: seats ?? 1,
    };
    const metadata = {
      tenant_id: tenantId,
      ...tierMetadata(tiers.get(tier)),
      ...contractMetadata({ id: contractIdOf(terms), tier, limits }),
    };
    const collection =
      daysUntilDue === null
        ? { collection_method: 'charge_automatically' as const }
        : { collection_method: 'send_invoice' as const, days_until_due: daysUntilDue };
    const overagePriceId = tiers.getOveragePriceId(tier);
    const rest = {
      metadata,
      cancel_at: seconds(endsAt),
      ...collection,
      expand: WITH_SCHEDULE,
      ...purchaseTerms.subscription,
    };
    return { item, overagePriceId, rest };
  }
  type Params = ReturnType<typeof paramsOf>;

  /** Converts the tenant's subscription to the contract; unused time is credited. */
  const convert = (
    subscription: BillingSubscriptionDoc,
    { item, overagePriceId, rest }: Params,
    contract: string,
    author: Author,
  ) =>
    sync.change(
      subscription,
      async () => {
        await changes.prepare(subscription);
        return stripe.subscriptions.update(
          subscription.stripeSubscriptionId,
          {
            ...rest,
            items: [{ ...item, id: subscription.itemId }, ...overageSwap(subscription, overagePriceId)],
            proration_behavior: 'always_invoice',
            billing_cycle_anchor: { type: 'now' },
            ...UNPAID_IS_AN_ERROR,
          },
          {
            idempotencyKey: `contract:${subscription.stripeSubscriptionId}:${subscription.revision}:${contract}`,
          },
        );
      },
      author,
    );

  /** Stripe only reports that something is missing. @throws BAD_USER_INPUT when that is a payment method */
  async function checkPayable({ stripeCustomerId }: Customer): Promise<void> {
    const customer = await stripe.customers.retrieve(stripeCustomerId);
    if (customer.deleted || customer.invoice_settings.default_payment_method || customer.default_source)
      return;
    throw badInput('input.daysUntilDue', 'is required, because the tenant has no card on file');
  }

  /** The key does not contain the terms: of two concurrent contracts Stripe rejects the second, which then finds the first. */
  async function create(customer: Customer, { item, overagePriceId, rest }: Params): Promise<void> {
    const { stripeCustomerId } = customer;
    const items = [item, ...(overagePriceId ? [{ price: overagePriceId }] : [])];
    const params = { ...rest, customer: stripeCustomerId, items, ...UNPAID_IS_AN_ERROR };
    try {
      await customers.attempt(customer, (attemptKey) =>
        stripe.subscriptions.create(params, { idempotencyKey: `contract:${attemptKey}` }),
      );
      await customers.countAttempt(customer);
    } catch (error) {
      if (!isKeyReused(error)) throw error;
    }
  }

  /** The subscription's own entry has neither the price nor the term. */
  const noteBegun = (tenantId: string, contract: string, terms: AgreedTerms, author: Author) =>
    auditLog.change(author, async (_session, note) =>
      note({ tenantId, action: 'contract.begun', before: null, after: { contract, ...terms } }),
    );

  return {
    async begin(tenantId, wanted, author) {
      const tenant = await tenants.get(tenantId);
      const tier =
        wanted.tier ??
        tiers.all().find(({ checkout, retired }) => checkout === 'CONTACT_SALES' && !retired)?.name;
      if (!tier)
        throw badInput('input.tier', 'is required, because no tier of the catalogue is priced by contract');
      const limits = Object.fromEntries(Object.entries(wanted.limits).filter(([, limit]) => limit != null));
      rejectRetired(tiers, tier, 'input.');
      const terms = { ...agreed(wanted, tiers.catalogue.currency), tier, limits };
      // One that has ended fixed the currency, too.
      const [former = null] = await subscriptions.findMany([tenantId]);
      checkPrice(terms, former);
      return callingStripe(log, tenantId, async () => {
        const product = await productOf(terms.tier);
        const contract = contractIdOf(terms);
        let wasRejected = false;
        for (let tries = 0; tries < MAX_TRIES; tries++) {
          const current = await currentSubscriptions.fetch(tenantId, tries > 0 ? author : undefined);
          if (current?.contract === contract) {
            if (tries > 0) await noteBegun(tenantId, contract, terms, author);
            return current;
          }
          if (current?.contract) {
            throw badInput('input.tenantId', 'has a contract with other terms; end it at Stripe first');
          }
          checkPrice(terms, current);
          if (current) rejectPaused(current, 'input.tenantId');
          const customer = await customers.ensure(tenantId, tenant.email);
          // An open checkout page must not buy a second subscription.
          if (await subscriptions.closeCheckout(customer)) continue;
          const endsAt = addMonths(new Date(clock.now()), terms.termMonths);
          const params = paramsOf(tenantId, terms, product, endsAt);
          try {
            if (current) {
              const converted = await convert(current, params, contract, author);
              await noteBegun(tenantId, contract, terms, author);
              return converted;
            }
            await create(customer, params);
          } catch (error) {
            if (isMissing(error) && terms.daysUntilDue === null) await checkPayable(customer);
            if (isLocationMissing(error)) throw noLocation(customer);
            if (!current) throw error;
            // The subscription may have changed since it was fetched, so one more attempt fetches it again.
            if (!isRejected(error) || wasRejected) throw error;
            wasRejected = true;
          }
        }
        throw serviceUnavailable('The subscription was changed at the same time; try again');
      });
    },
  };
}

/** Without what is not agreed, or the default, so that the same terms have one id, those of earlier versions too. */
const agreed = ({ currency, ...wanted }: ContractTerms, ownCurrency: string): ContractTerms => {
  const other = currency?.toLowerCase();
  const all = { ...wanted, ...(other && other !== ownCurrency && { currency: other }) };
  const optional = ['unitAmount', 'monthlyPriceCents', 'interval', 'seats'];
  return Object.fromEntries(
    Object.entries(all).filter(([name, value]) => value != null || !optional.includes(name)),
  ) as unknown as ContractTerms;
};

const noLocation = ({ stripeCustomerId }: Customer) =>
  badInput(
    'input.tenantId',
    `has no address from which Stripe can compute tax; set that of ${stripeCustomerId} at Stripe, or let the tenant ` +
      'enter it in the portal (createPortalSession)',
  );

const contractIdOf = (terms: AgreedTerms): string => digest(terms);

/** Rounded down to whole minutes, so that two clicks are one request and no further period begins. */
const seconds = (at: Date): number => Math.floor(at.getTime() / 60_000) * 60;
