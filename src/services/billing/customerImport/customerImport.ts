import Stripe from 'stripe';
import { chunksOf } from '../../../common/groups.js';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import { type Tenants, tenantIdTime } from '../../accounts/tenants.js';
import { systemAuthor } from '../../audit/author.js';
import { isDatabaseUnavailable } from '../../infrastructure/databaseErrors.js';
import type { Tiers } from '../../tiers/tiers.js';
import type { Customer, Customers } from '../customers/customers.js';
import { forBackground } from '../stripe/requester.js';
import { describeFailure, isAway } from '../stripe/stripeErrors.js';
import { PAGE } from '../stripe/stripeObjects.js';
import { customerIdOf } from '../sync/fetchedCustomer.js';
import { knownCustomers } from '../sync/knownCustomers.js';
import { diffFields } from '../sync/subscriptionDiff.js';
import type { SubscriptionState } from '../sync/subscriptionState.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';
import { type CustomerMatch, isPaying, matchCustomer } from './customerMatch.js';
import type { ImportOptions, MatchedBy } from './importOptions.js';
import { createUnknownPrices, emptyReport, type ImportFinding, type ImportReport } from './importReport.js';
import { currentSubscriptions, type PageFacts, readPageFacts } from './pageFacts.js';
import { createPriceTiers } from './priceTiers.js';
import { createTenantClaims, type TenantClaims } from './tenantClaims.js';

/**
 * Brings the customers of a Stripe account here: matches them with tenants or creates tenants, links them, and stores their
 * subscriptions. It keeps nothing about itself: what was done before is found done, so that it may be interrupted and
 * repeated at any time. It never ends or lowers what is stored, which is left to the reconcile.
 */
export interface CustomerImport {
  /** @throws ImportOptionError before anything is changed; Stripe's or the database's error if they are away */
  run(options: ImportOptions, observer: ImportObserver): Promise<ImportReport>;
}

export interface ImportObserver {
  onFinding(finding: ImportFinding): void;
  onProgress(progress: ImportProgress): void;
}

export interface ImportProgress {
  /** All customers are read, then linked; then subscriptions that have ended are stored. */
  phase: 'reading' | 'linking' | 'ended subscriptions';
  seen: number;
  /** null: unknown. */
  total: number | null;
}

const AUTHOR = systemAuthor('import');
/** Customers that are written at once. */
const CONCURRENT = 8;
/** Statuses in which the only subscription of a customer may be written from a list. */
const LISTABLE: readonly string[] = ['active', 'trialing'];

/** One import under way. */
interface Run {
  options: ImportOptions;
  observer: ImportObserver;
  claims: TenantClaims;
  report: ImportReport;
  prices: ReturnType<typeof createUnknownPrices>;
  /** Rows of the CSV whose customer Stripe did not list yet. */
  unseenRows: Set<string>;
}

/** A customer of a page, with what is to be done. */
interface Item {
  customer: Stripe.Customer;
  match: CustomerMatch;
  /** What is stored of its subscription. */
  stored: BillingSubscriptionDoc | null;
  /** What Stripe's list shows of it; null: it has no current subscription. */
  state: SubscriptionState | null;
}

export function createCustomerImport(deps: {
  models: Models;
  stripe: Stripe;
  tiers: Tiers;
  tenants: Pick<Tenants, 'restore'>;
  customers: Customers;
  sync: SubscriptionSync;
}): CustomerImport {
  const { models, stripe, tiers, tenants, customers, sync } = deps;
  const priceTiers = createPriceTiers(deps);

  async function* customerPages(): AsyncGenerator<Stripe.Customer[]> {
    let after: string | undefined;
    for (;;) {
      const from = after ? { starting_after: after } : {};
      const page = await stripe.customers.list({ limit: PAGE, expand: ['data.subscriptions'], ...from });
      if (page.data.length > 0) yield page.data;
      after = page.data.at(-1)?.id;
      if (!page.has_more || !after) return;
    }
  }

  /** Notes which tenants the customers lead to, so that a tenant with two is noticed before any is linked. */
  async function read({ options, observer, claims, report }: Run): Promise<void> {
    for await (const page of customerPages()) {
      const facts = await readPageFacts(models, page, options);
      for (const customer of page) claims.note(customer, matchCustomer(customer, facts, options));
      report.customers += page.length;
      observer.onProgress({ phase: 'reading', seen: report.customers, total: null });
    }
  }

  async function link(run: Run): Promise<void> {
    let seen = 0;
    for await (const page of customerPages()) {
      const facts = await readPageFacts(models, page, run.options);
      const items: Item[] = [];
      for (const customer of page) {
        run.unseenRows.delete(customer.id);
        const item = await orFailed(run, customer.id, () => itemOf(run, customer, facts));
        if (item) items.push(item);
      }
      const linked: Item[] = [];
      await eachOf(items, async (item) => {
        if (await orFailed(run, item.customer.id, () => apply(run, item, facts))) linked.push(item);
      });
      await syncAll(run, linked);
      seen += page.length;
      run.observer.onProgress({ phase: 'linking', seen, total: Math.max(run.report.customers, seen) });
    }
    run.report.customers = seen;
  }

  async function itemOf(run: Run, customer: Stripe.Customer, facts: PageFacts): Promise<Item> {
    const { options, claims, prices } = run;
    const found = matchCustomer(customer, facts, options);
    const conflict = claims.conflictOf(customer, found);
    const match: CustomerMatch = conflict ? { kind: 'ambiguous', reason: conflict } : found;
    const stored = facts.known.get(customer.id)?.stored ?? null;
    const current = currentSubscriptions(customer).map((one) => withTiers(one, options.tiers));
    const isExcluded = match.kind === 'excluded';
    const state = current.length > 0 && !isExcluded ? await sync.preview(current, stored) : null;
    if (state?.outsideCatalogue) prices.note(state, current);
    return { customer, match, stored, state };
  }

  /** @returns whether the customer is linked, or would be */
  async function apply(run: Run, item: Item, facts: PageFacts): Promise<boolean> {
    const { customer, match } = item;
    switch (match.kind) {
      case 'linked':
        await complete(run, item, match.tenantId, facts);
        return true;
      case 'link':
        await linkTo(run, item, match, facts);
        return true;
      case 'create':
        await linkTo(run, item, { tenantId: match.tenant.id, by: match.by }, facts);
        return true;
      case 'none':
        noteWithoutTenant(run, item, match.reason);
        return false;
      case 'excluded':
        run.report.excluded += 1;
        return false;
      case 'ambiguous':
      case 'failed':
        run.report[match.kind] += 1;
        run.observer.onFinding({ kind: match.kind, customer: customer.id, reason: match.reason });
        return false;
    }
  }

  async function linkTo(
    run: Run,
    item: Item,
    { tenantId, by }: { tenantId: string; by: MatchedBy },
    facts: PageFacts,
  ): Promise<void> {
    const { options, observer, report } = run;
    const { customer, match, state } = item;
    const isNew = match.kind === 'create';
    if (!options.dryRun) {
      if (isNew) {
        const stored = await tenants.restore(match.tenant, AUTHOR);
        if (stored !== tenantId) throw new Error(`its external id was given to ${stored} meanwhile`);
      }
      if (!(await customers.link(tenantId, customer.id, AUTHOR)))
        throw new Error(`${tenantId} has got another customer meanwhile`);
    }
    if (isNew) report.created += 1;
    else report.matched[by] = (report.matched[by] ?? 0) + 1;
    report.linked += 1;
    const tier = state && tiers.publicNameOf(state.tier);
    observer.onFinding({ kind: 'linked', customer: customer.id, tenant: tenantId, isNew, by, tier });
    await complete(run, item, tenantId, facts);
  }

  /** Does what an import that was interrupted left undone of a linked customer, apart from its subscription. */
  async function complete(run: Run, item: Item, tenantId: string, facts: PageFacts): Promise<void> {
    const { options, report } = run;
    const { customer, match, stored, state } = item;
    const { changed } = report;
    const known = facts.known.get(customer.id);
    const isNoted = (known?.email ?? null) === customer.email;
    const named = customer.metadata.tenant_id;
    const isOthers = Boolean(named) && tenantIdTime(named as string) === null;
    const isNamed = named === tenantId || isOthers;
    if (!options.dryRun && !isNoted) await customers.noteEmail(customer.id, customer.email, AUTHOR);
    if (!options.dryRun && !isNamed) {
      const linked = await customers.find(tenantId);
      if (linked?.stripeCustomerId === customer.id) await customers.nameTenant(linked as Customer);
    }
    if (!isNoted) changed.emails += 1;
    if (!isNamed) changed.metadata += 1;
    if (isOthers) report.metadataKept += 1;
    if (match.kind !== 'linked') return;
    const isStored = !needsSync(item);
    const differs = isStored && state !== null && stored !== null && differsFrom(stored, state);
    if (differs) report.outOfSync += 1;
    else if (isNoted && isNamed && isStored) report.alreadyRight += 1;
  }

  function noteWithoutTenant({ report, observer }: Run, item: Item, reason: string | null): void {
    const { customer, state } = item;
    const { id, email } = customer;
    report.withoutTenant += 1;
    if (!reason && !isPaying(customer)) return;
    report.payingWithoutTenant += 1;
    const subscription = state?.stripeSubscriptionId ?? null;
    const tier = state && !state.outsideCatalogue ? tiers.publicNameOf(state.tier) : null;
    observer.onFinding({ kind: 'without_tenant', customer: id, email, subscription, tier, reason });
  }

  /** Stores subscriptions of linked customers: from lists where they are the only ones, else customer by customer. */
  async function syncAll(run: Run, items: readonly Item[]): Promise<void> {
    const { options, report } = run;
    const due = items.filter(needsSync);
    if (options.dryRun) {
      report.changed.subscriptions += due.filter(wouldChange).length;
      return;
    }
    const left = new Set(due.map(({ customer }) => customer.id));
    await sync.syncListed(
      due.flatMap(({ customer }) => {
        const [only, ...others] = currentSubscriptions(customer);
        if (!only || others.length > 0 || !LISTABLE.includes(only.status)) return [];
        const createdAt = new Date(only.created * 1000);
        return { stripeCustomerId: customer.id, stripeSubscriptionId: only.id, createdAt, author: AUTHOR };
      }),
      async (customerId, outcome) => {
        if (outcome) left.delete(customerId);
      },
      async () => true,
    );
    await eachOf([...left], async (customerId) => {
      await orFailed(run, customerId, () => sync.sync(customerId, AUTHOR));
    });
    const ids = due.map(({ customer }) => customer.id);
    const after = await knownCustomers(models, ids);
    const isChanged = ({ customer, stored }: Item) => {
      const now = after.get(customer.id)?.stored;
      return now && (!stored || differsFrom(stored, now));
    };
    report.changed.subscriptions += due.filter(isChanged).length;
  }

  /** Tenants whose subscriptions have all ended get the last one, which says what they had. */
  async function storeEnded(run: Run): Promise<void> {
    const { options, observer, report } = run;
    let seen = 0;
    let after: string | undefined;
    do {
      const from = after ? { starting_after: after } : {};
      const page = await stripe.subscriptions.list({ status: 'ended', limit: PAGE, ...from });
      const known = await knownCustomers(models, [...new Set(page.data.map(customerIdOf))]);
      const due = [...known].filter(([id, { stored }]) => !stored && !options.rows.get(id)?.isExcluded);
      const ids = due.map(([id]) => id);
      if (!options.dryRun)
        await eachOf(ids, async (id) => void (await orFailed(run, id, () => sync.sync(id, AUTHOR))));
      const now = options.dryRun ? null : await knownCustomers(models, ids);
      report.changed.subscriptions += now
        ? [...now.values()].filter(({ stored }) => stored).length
        : ids.length;
      seen += page.data.length;
      observer.onProgress({ phase: 'ended subscriptions', seen, total: page.has_more ? null : seen });
      after = page.has_more ? page.data.at(-1)?.id : undefined;
    } while (after);
  }

  function finish({ observer, prices, report, unseenRows }: Run): ImportReport {
    for (const customer of unseenRows) {
      report.failed += 1;
      observer.onFinding({ kind: 'failed', customer, reason: 'the CSV has it, and Stripe does not list it' });
    }
    const unknown = prices.all();
    for (const price of unknown) observer.onFinding({ kind: 'unknown_price', ...price });
    return { ...report, unknownPrices: unknown.length };
  }

  return {
    run: (options, observer) =>
      forBackground(async () => {
        const run: Run = {
          options,
          observer,
          claims: createTenantClaims(options),
          report: emptyReport(options.dryRun),
          prices: createUnknownPrices(),
          unseenRows: new Set(options.rows.keys()),
        };
        await priceTiers.assign(options.tiers, options.dryRun);
        await read(run);
        await link(run);
        await storeEnded(run);
        return finish(run);
      }),
  };
}

/** One customer that needs a person does not stop the import of others. @returns null after its failure */
async function orFailed<T>(
  { report, observer }: Run,
  customer: string,
  work: () => Promise<T>,
): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (isAway(error) || isDatabaseUnavailable(error) || error instanceof Stripe.errors.StripePermissionError)
      throw error;
    report.failed += 1;
    observer.onFinding({ kind: 'failed', customer, reason: describeFailure(error) });
    return null;
  }
}

/** Works on a few at once. After a failure the others of its group still end. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (const chunk of chunksOf(items, CONCURRENT)) {
    const ended = await Promise.allSettled(chunk.map(work));
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  }
}

/** A current subscription that is not stored, or whose tier was not known. What is stored otherwise is kept. */
const needsSync = ({ state, stored }: Item): boolean =>
  state !== null && (!stored || stored.outsideCatalogue === true || ENDED.includes(stored.status));

const wouldChange = ({ state, stored }: Item): boolean =>
  state !== null && (stored === null || differsFrom(stored, state));

/** Fields that no list shows, or that change with every write. */
const UNCOMPARED = [
  'pastDueSince',
  'asOf',
  'revision',
  'createdAt',
  'updatedAt',
  'unannounced',
  'announceRetry',
];

const differsFrom = (stored: BillingSubscriptionDoc, state: Partial<BillingSubscriptionDoc>): boolean =>
  diffFields(stored, Object.fromEntries(Object.entries(state).filter(([name]) => !UNCOMPARED.includes(name))))
    .length > 0;

/** A subscription as it is read once the operator's tiers are written to the prices. */
function withTiers(
  subscription: Stripe.Subscription,
  tierOf: ReadonlyMap<string, string>,
): Stripe.Subscription {
  const data = subscription.items.data.map((item) => {
    const tier = tierOf.get(item.price?.id);
    return tier ? { ...item, price: { ...item.price, metadata: { ...item.price.metadata, tier } } } : item;
  });
  return { ...subscription, items: { ...subscription.items, data } };
}
