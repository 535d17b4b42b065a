import type { Logger } from 'pino';
import Stripe from 'stripe';
import { chunksOf } from '../../../common/groups.js';
import type { Models } from '../../../models/models.js';
import type { Author } from '../../audit/author.js';
import { createGate } from '../../infrastructure/gate.js';
import type { Customers } from '../customers/customers.js';
import { expanding } from '../stripe/olderApi.js';
import { PAGE } from '../stripe/stripeObjects.js';
import { answeredAt, LISTED_WITH_SCHEDULE } from './fetchedCustomer.js';
import { type KnownCustomer, knownCustomers } from './knownCustomers.js';
import type { Losses } from './losses.js';
import type { SubscriptionReader } from './subscriptionState.js';
import type { StateWrite, SubscriptionWriter, SyncOutcome } from './subscriptionWriter.js';

/** A customer of whom only one subscription is known to have changed. */
export interface ChangedSubscription {
  stripeCustomerId: string;
  stripeSubscriptionId: string;
  /** When Stripe created the subscription. */
  createdAt: Date;
  author: Author;
}

/**
 * Writes the subscriptions of many customers with few requests. Stripe's list cannot be filtered by several customers, but
 * it is in the order of creation and can begin at any moment: a list that begins at one of the wanted subscriptions
 * brings that one, and up to 99 others.
 */
export interface ListedSubscriptions {
  /**
   * @param ended called once for each customer. null: it has to be fetched by itself, because the list does not show the
   *   subscription, or something might be lost, which the customer's other subscriptions decide.
   * @param pace resolves when the next customers may be written; false: no more
   */
  syncListed(
    changed: readonly ChangedSubscription[],
    ended: (stripeCustomerId: string, outcome: SyncOutcome | null) => Promise<void>,
    pace: () => Promise<boolean>,
  ): Promise<void>;
}

/** Enough requests at once to use Stripe's whole rate. */
const MAX_LISTS = 16;
/** So that few lists are made of a small burst. */
const MIN_EACH = 25;
/** A list has a hundred subscriptions. If it brings fewer of them than this, single requests cost everybody less. */
const MIN_FOUND = 4;
/** Customers that are written in one transaction, and how many such batches are written at once. */
const BATCH = 16;
const MAX_BATCHES = 2;

/** What a list brought of a range. */
interface Found {
  /** Those that the list shows, or would if Stripe had them. */
  reached: readonly ChangedSubscription[];
  /** Those that are older than the list. */
  older: readonly ChangedSubscription[];
  writeOf(one: ChangedSubscription): Promise<StateWrite | string | null>;
}

export function createListedSubscriptions(deps: {
  models: Models;
  stripe: Stripe;
  customers: Customers;
  reader: SubscriptionReader;
  losses: Losses;
  writer: SubscriptionWriter;
  /** Links a customer to the tenant that it names. @returns the reason if it cannot be linked */
  link: (customer: Stripe.Customer, author: Author) => Promise<{ tenantId: string } | string>;
  log: Logger;
}): ListedSubscriptions {
  const { models, stripe, customers, reader, losses, writer, link, log } = deps;

  async function list(from: Date, to: Date): Promise<Stripe.Response<Stripe.ApiList<Stripe.Subscription>>> {
    const created = { gte: secondsOf(from), lte: secondsOf(to) };
    return expanding(['data.customer'], LISTED_WITH_SCHEDULE, (expand) =>
      stripe.subscriptions.list({ created, status: 'all', limit: PAGE, expand }),
    );
  }

  /** @returns what to write, or the reason why nothing can be; null: the customer has to be fetched */
  async function writeOf(
    { stripeCustomerId, author }: ChangedSubscription,
    known: KnownCustomer | undefined,
    subscription: Stripe.Subscription,
    asOf: Date | null,
  ): Promise<StateWrite | string | null> {
    const { customer } = subscription;
    if (typeof customer === 'string' || customer.deleted || customer.id !== stripeCustomerId) return null;
    const linked = known ?? (await link(customer, author));
    if (typeof linked === 'string') return linked;
    // Nothing was read for a tenant that is linked only now. If it has a stored subscription, the write is rejected.
    const { stored, email } = known ?? { stored: null, email: null };
    const state = await reader.stateOf(subscription, stored);
    if (!losses.keepsTier(stored, state)) return null;
    if (customer.email !== email) await customers.noteEmail(stripeCustomerId, customer.email, author);
    return { tenantId: linked.tenantId, stored, state, asOf, author };
  }

  /** What a list says about the wanted subscriptions that begin it, and those that are too old for it. */
  async function find(range: readonly ChangedSubscription[]): Promise<Found> {
    const [newest, oldest] = [range[0], range.at(-1)] as [ChangedSubscription, ChangedSubscription];
    // Read before the request to Stripe: if something else writes in between, this write is rejected.
    const ids = range.map(({ stripeCustomerId }) => stripeCustomerId);
    const known = await knownCustomers(models, ids);
    const page = await list(oldest.createdAt, newest.createdAt);
    const listed = new Map(page.data.map((subscription) => [subscription.id, subscription]));
    const endS = page.has_more ? (page.data.at(-1)?.created ?? 0) : 0;
    // Not the first: if it is not in a list that begins there, no list has it.
    const isOlder = ({ stripeSubscriptionId: id, createdAt }: ChangedSubscription, i: number) =>
      i > 0 && !listed.has(id) && secondsOf(createdAt) <= endS;
    return {
      reached: range.filter((one, i) => !isOlder(one, i)),
      older: range.filter(isOlder),
      async writeOf(one: ChangedSubscription): Promise<StateWrite | string | null> {
        const subscription = listed.get(one.stripeSubscriptionId);
        return subscription
          ? writeOf(one, known.get(one.stripeCustomerId), subscription, answeredAt(page))
          : null;
      },
    };
  }

  /** An error ends no more than the attempt: the fetch of the customer meets it again, and is retried. */
  async function orNull<T>(work: Promise<T>): Promise<T | null> {
    try {
      return await work;
    } catch (error) {
      log.warn({ err: error }, 'webhook.list_failed');
      return null;
    }
  }

  return {
    async syncListed(changed, ended, pace) {
      const batches = createGate({ maxUnits: MAX_BATCHES });
      const endAll = (some: readonly ChangedSubscription[], outcome: SyncOutcome | null) =>
        Promise.all(some.map(({ stripeCustomerId }) => ended(stripeCustomerId, outcome)));

      async function writeBatch(batch: readonly ChangedSubscription[], found: Found): Promise<void> {
        if (!(await pace())) return void (await endAll(batch, null));
        const writes = new Map<ChangedSubscription, StateWrite>();
        for (const one of batch) {
          const write = await orNull(found.writeOf(one));
          if (write !== null && typeof write !== 'string') writes.set(one, write);
          else await endAll([one], write === null ? null : { kind: 'ignored', reason: write });
        }
        const written = (await orNull(writer.writeAll([...writes.values()]))) ?? [];
        const ends = [...writes.keys()].map((one, i) => endAll([one], written[i] ? WRITTEN : null));
        await Promise.all(ends);
      }

      /** Makes lists until one brings little; what is left is fetched by itself. */
      async function syncRange(range: readonly ChangedSubscription[]): Promise<void> {
        let left = range;
        let isWorthIt = true;
        while (left.length > 0 && isWorthIt) {
          const found = await orNull(find(left));
          if (!found) break;
          const { reached } = found;
          await Promise.all(
            chunksOf(reached, BATCH).map((batch) => batches.run('', 1, () => writeBatch(batch, found))),
          );
          left = found.older;
          isWorthIt = reached.length >= MIN_FOUND;
        }
        await endAll(left, null);
      }

      const newestFirst = changed.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
      await Promise.all(rangesOf(newestFirst).map(syncRange));
    },
  };
}

const WRITTEN: SyncOutcome = { kind: 'written', note: null };

const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1000);

/** A list brings at most a page, so that no range is larger. */
function rangesOf(newestFirst: readonly ChangedSubscription[]): ChangedSubscription[][] {
  const size = Math.min(PAGE, Math.max(MIN_EACH, Math.ceil(newestFirst.length / MAX_LISTS)));
  return chunksOf(newestFirst, size);
}
