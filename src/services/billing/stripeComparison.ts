import type { Logger } from 'pino';
import Stripe from 'stripe';
import { type Clock, instantText } from '../../common/clock.js';
import { BillingError } from '../../common/errors.js';
import { formatMoney } from '../../common/money.js';
import {
  type BillingSubscriptionDoc,
  ENDED,
  type ItemPrice,
  type OverageItem,
} from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import { isDatabaseUnavailable } from '../infrastructure/databaseErrors.js';
import type { Tiers } from '../tiers/tiers.js';
import type { Customers } from './customers/customers.js';
import { callingStripe, describeFailure } from './stripe/stripeErrors.js';
import { type FetchedCustomer, NotVisibleError } from './sync/fetchedCustomer.js';
import { type Inspection, outsideCatalogueNote } from './sync/subscriptionDiff.js';
import type { SubscriptionState } from './sync/subscriptionState.js';
import type { SubscriptionSync } from './sync/subscriptionSync.js';

export enum StripeComparisonStatus {
  IN_SYNC = 'IN_SYNC',
  OUT_OF_SYNC = 'OUT_OF_SYNC',
  /** The server's key cannot see something that is stored. */
  NOT_VISIBLE = 'NOT_VISIBLE',
  /** Stripe has something that this version cannot read. */
  NOT_COMPARABLE = 'NOT_COMPARABLE',
  /** There is nothing to compare. */
  NO_CUSTOMER = 'NO_CUSTOMER',
}

/** A tenant's customer and subscription, as one side has them. */
export interface ComparedSubscription extends Partial<SubscriptionState> {
  customerId: string;
  email: string | null;
}

/** What is stored of one tenant, beside what Stripe says now. */
export interface StripeComparison {
  tenantId: string;
  at: Date;
  status: StripeComparisonStatus;
  summary: string;
  stored: ComparedSubscription | null;
  /** null: Stripe has none, or does not show it. */
  stripe: ComparedSubscription | null;
  /** One sentence each. Empty unless OUT_OF_SYNC. */
  differences: string[];
  /** The names of the fields that differ. */
  differentFields: string[];
  /** What else a person should know. */
  notes: string[];
  /** The differences that `repair` has removed. */
  repaired: string[];
}

/** Answers for one tenant what a reconcile asks for all. Both throw what `callingStripe` throws when Stripe is away. */
export interface StripeComparisons {
  /** Changes nothing. */
  compare(tenantId: string): Promise<StripeComparison>;
  /**
   * Writes what Stripe has, by the way that webhooks take. Repeating it changes nothing. What Stripe does not show to the
   * key is kept.
   * @returns the comparison afterwards
   */
  repair(tenantId: string, author: Author): Promise<StripeComparison>;
}

export function createStripeComparisons(deps: {
  models: Models;
  customers: Customers;
  sync: SubscriptionSync;
  tiers: Tiers;
  auditLog: AuditLog;
  clock: Clock;
  log: Logger;
}): StripeComparisons {
  const { models, customers, sync, tiers, auditLog, clock, log } = deps;

  async function compare(tenantId: string): Promise<StripeComparison> {
    const [customer, stored] = await Promise.all([
      customers.find(tenantId),
      models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>(),
    ]);
    const customerId = customer?.stripeCustomerId ?? null;
    const known = customerId ?? stored?.stripeCustomerId;
    const base: StripeComparison = {
      tenantId,
      at: new Date(clock.now()),
      status: StripeComparisonStatus.NO_CUSTOMER,
      summary: NO_CUSTOMER,
      stored: known
        ? { ...(stored && named(stored)), customerId: known, email: customer?.email ?? null }
        : null,
      stripe: null,
      differences: [],
      differentFields: [],
      notes: [],
      repaired: [],
    };
    if (!customerId) return base;
    const inspection = await inspected(customerId, stored);
    if (typeof inspection === 'string')
      return { ...base, status: StripeComparisonStatus.NOT_COMPARABLE, summary: inspection };
    const shown = { ...inspection, state: inspection.state && named(inspection.state) };
    const ours = { customerId, email: customer?.email ?? null, stored: stored && named(stored) };
    return { ...base, ...outcomeOf(shown, ours) };
  }

  /** With the names of tiers that people know. */
  function named<T extends SubscriptionState>(subscription: T): T {
    const { tier, scheduledTier } = subscription;
    return {
      ...subscription,
      tier: tiers.publicNameOf(tier),
      scheduledTier: scheduledTier && tiers.publicNameOf(scheduledTier),
    };
  }

  /** @returns why the customer cannot be compared, if it cannot */
  async function inspected(
    customerId: string,
    stored: BillingSubscriptionDoc | null,
  ): Promise<Inspection | string> {
    try {
      return await sync.inspect(customerId, stored);
    } catch (error) {
      const isOurs = error instanceof BillingError || isDatabaseUnavailable(error);
      if (isOurs || error instanceof Stripe.errors.StripeError) throw error;
      log.warn({ err: error, customer: customerId }, 'customer.not_comparable');
      return `The customer cannot be compared: ${describeFailure(error)}.`;
    }
  }

  return {
    compare: (tenantId) => callingStripe(log, tenantId, () => compare(tenantId)),

    repair: (tenantId, author) =>
      callingStripe(log, tenantId, async () => {
        const before = await compare(tenantId);
        const customerId = before.stored?.customerId;
        if (before.status !== StripeComparisonStatus.OUT_OF_SYNC || !customerId) return before;
        // The changes have entries of their own; this one says that they are Stripe's and not the operator's.
        await auditLog.change(author, async (_session, note) => {
          const after = { stripeCustomerId: customerId, fields: before.differentFields };
          note({ tenantId, action: 'subscription.repair_requested', before: null, after });
        });
        await sync.sync(customerId, author).catch((error: unknown) => {
          // The comparison says so too.
          if (!(error instanceof NotVisibleError)) throw error;
        });
        const after = await compare(tenantId);
        const isRepaired = after.status !== StripeComparisonStatus.NOT_VISIBLE;
        return { ...after, repaired: isRepaired ? before.differences : [] };
      }),
  };
}

interface Stored {
  customerId: string;
  email: string | null;
  stored: BillingSubscriptionDoc | null;
}

type Outcome = Pick<StripeComparison, 'status' | 'summary'> & Partial<StripeComparison>;

const NO_CUSTOMER =
  'The tenant has no customer at Stripe. A customer that was made there by hand is found by a reconcile.';
const NOT_VISIBLE = StripeComparisonStatus.NOT_VISIBLE;

function outcomeOf({ fetched, primary, state }: Inspection, known: Stored): Outcome {
  const { customerId, email, stored } = known;
  if (fetched.kind === 'unseen')
    return { status: NOT_VISIBLE, summary: sentence(new NotVisibleError(customerId)) };
  if (fetched.kind === 'deleted') {
    const deleted = 'The customer was deleted at Stripe, and its subscription ended with it.';
    return outOfSync([{ field: 'customerId', text: deleted }], null, []);
  }
  if (stored && fetched.isStoredUnseen && !primary?.grantsTier)
    return { status: NOT_VISIBLE, summary: sentence(new NotVisibleError(stored.stripeSubscriptionId)) };
  const theirs = { ...state, customerId, email: fetched.customer.email };
  const found = [
    ...(state ? differencesOf(stored, state) : []),
    ...(email === theirs.email
      ? []
      : [{ field: 'email', text: differ("customer's e-mail address", email, theirs.email) }]),
  ];
  const notes = notesOf(fetched, primary?.subscription.id ?? null, stored);
  if (found.length > 0) return outOfSync(found, theirs, notes);
  const summary = state
    ? 'What is stored is what Stripe has.'
    : 'The customer is the same here and at Stripe, and has no subscription there.';
  return { status: StripeComparisonStatus.IN_SYNC, summary, stripe: theirs, notes };
}

interface Difference {
  field: string;
  text: string;
}

function outOfSync(found: Difference[], stripe: ComparedSubscription | null, notes: string[]): Outcome {
  const count = found.length === 1 ? 'One thing differs' : `${found.length} things differ`;
  return {
    status: StripeComparisonStatus.OUT_OF_SYNC,
    summary: `${count} from Stripe. Repairing writes what Stripe has.`,
    stripe,
    differences: found.map(({ text }) => text),
    differentFields: found.map(({ field }) => field),
    notes,
  };
}

/** What the stored fields are called, in the order in which differences are listed. */
type ComparedField = Exclude<keyof SubscriptionState, 'announceRetry'>;
const LABELS: Readonly<Record<ComparedField, string>> = {
  stripeSubscriptionId: 'subscription',
  stripeCustomerId: "subscription's customer",
  status: 'status',
  tier: 'tier',
  tierVersion: 'version of the tier',
  priceId: 'price',
  itemId: 'subscription item',
  itemPrice: 'amount of the price',
  quantity: 'quantity',
  currentPeriodStart: 'start of the period',
  currentPeriodEnd: 'end of the period',
  cancelAtPeriodEnd: 'cancellation at the end of the period',
  cancelAt: 'date of the cancellation',
  trialEnd: 'end of the trial',
  pause: 'pause of payments',
  endedAt: 'end of the subscription',
  pastDueSince: 'first payment that failed',
  scheduleId: 'schedule',
  scheduledTier: 'scheduled tier',
  scheduledPriceId: 'scheduled price',
  scheduledAt: 'date of the scheduled change',
  contract: 'contract',
  limits: "contract's limits",
  overageItems: 'items that bill overage',
  automaticTax: 'automatic tax',
  outsideCatalogue: 'mark of a price outside the catalogue',
};

function differencesOf(stored: BillingSubscriptionDoc | null, state: SubscriptionState): Difference[] {
  const { stripeSubscriptionId: id, status, tier } = state;
  if (!stored)
    return [
      { field: 'subscriptionId', text: `${id} (${textOf('status', status)}, ${tier}) is not stored here.` },
    ];
  return (Object.keys(LABELS) as ComparedField[]).flatMap((field) => {
    const values = [stored[field], state[field]] as const;
    const [ours, theirs] = values.map(comparable);
    if (ours === theirs) return [];
    const [here, atStripe] = values.map((value) => textOf(field, value));
    return [{ field: NAMES[field] ?? field, text: differ(LABELS[field], here, atStripe) }];
  });
}

/** What is missing, empty or not set is the same. */
function comparable(value: unknown): string {
  const isEmpty = !value || (Array.isArray(value) && value.length === 0);
  return JSON.stringify(isEmpty ? null : value);
}

/** Fields that have another name in a comparison. */
const NAMES: Partial<Record<ComparedField, string>> = {
  stripeSubscriptionId: 'subscriptionId',
  stripeCustomerId: 'customerId',
  overageItems: 'overagePriceIds',
};

const differ = (label: string, ours: string | null | undefined, theirs: string | null | undefined): string =>
  `The ${label} is ${ours ?? 'none'} here and ${theirs ?? 'none'} at Stripe.`;

const priceText = ({ unitCents, currency, interval, intervalCount }: ItemPrice): string =>
  `${formatMoney(unitCents, currency)} ${intervalCount === 1 ? `a ${interval}` : `every ${intervalCount} ${interval}s`}`;

function textOf(field: ComparedField, value: unknown): string {
  if (value === null || value === undefined || value === '') return 'none';
  if (typeof value === 'boolean') return value ? 'set' : 'not set';
  if (field === 'status') return String(value).toUpperCase();
  if (field === 'itemPrice') return priceText(value as ItemPrice);
  if (field === 'overageItems')
    return (value as OverageItem[]).map(({ priceId }) => priceId).join(', ') || 'none';
  if (value instanceof Date) return instantText(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Other subscriptions of the customer, which it may pay too, and a price that nobody expects. */
function notesOf(
  fetched: Extract<FetchedCustomer, { kind: 'found' }>,
  primaryId: string | null,
  stored: BillingSubscriptionDoc | null,
): string[] {
  const others = fetched.subscriptions.filter(
    ({ id, status }) => id !== primaryId && !ENDED.some((ended) => ended === status),
  );
  const outside = stored && outsideCatalogueNote(stored);
  return [
    ...others.map(({ id, status, items }) => {
      const price = items.data[0]?.price.id ?? 'no price';
      return `The customer has ${id} too, which is ${status.toUpperCase()} at ${price}: it may be paid twice.`;
    }),
    ...(outside ? [`${outside}.`] : []),
  ];
}

const sentence = ({ message }: Error): string => `${message}.`;
