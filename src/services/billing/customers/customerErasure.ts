import type { Logger } from 'pino';
import type Stripe from 'stripe';
import { serviceUnavailable } from '../../../common/errors.js';
import { systemAuthor } from '../../audit/author.js';
import { forBackground } from '../stripe/requester.js';
import { isMissing } from '../stripe/stripeErrors.js';
import type { CurrentSubscriptions } from '../subscriptions/currentSubscriptions.js';
import type { SubscriptionChanges } from '../subscriptions/subscriptionChanges.js';
import type { Subscriptions } from '../subscriptions/subscriptions.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';
import type { Customer, Customers } from './customers.js';

/** Ends what a tenant has at Stripe, and deletes its customer there. */
export interface CustomerErasure {
  /**
   * Cancels the subscription, after its usage was reported, and deletes the customer once its last invoice is finalized.
   * Repeating it does what is left to do.
   * @param waitsForInvoice false: a draft is not waited for any longer
   * @throws Stripe's errors; SERVICE_UNAVAILABLE while an invoice is a draft, or if Stripe does not show the customer
   */
  erase(tenantId: string, waitsForInvoice: boolean): Promise<void>;
}

const AUTHOR = systemAuthor('erasure');

export function createCustomerErasure(deps: {
  stripe: Stripe;
  customers: Customers;
  currentSubscriptions: CurrentSubscriptions;
  changes: SubscriptionChanges;
  subscriptions: Pick<Subscriptions, 'closeCheckout'>;
  sync: Pick<SubscriptionSync, 'syncTenant'>;
  log: Logger;
}): CustomerErasure {
  const { stripe, customers, currentSubscriptions, changes, subscriptions, sync, log } = deps;

  /** A contract ends too: the operator ends its own. */
  async function cancel(tenantId: string): Promise<void> {
    if (!(await currentSubscriptions.fetch(tenantId, AUTHOR))) return;
    const plan = {
      isEnd: true,
      plan: (current: Parameters<typeof changes.cancelNow>[0]) => () => changes.cancelNow(current),
    };
    await currentSubscriptions.change(tenantId, plan, AUTHOR);
  }

  /** The last invoice bills usage. Stripe finalizes and charges it about an hour after the cancellation. */
  async function needNoDraft(customer: string): Promise<void> {
    const { data } = await stripe.invoices.list({ customer, status: 'draft', limit: 1 });
    if (data[0]) throw serviceUnavailable(`Stripe has not finalized the invoice ${data[0].id} yet`);
  }

  async function remove(stripeCustomerId: string): Promise<void> {
    try {
      await stripe.customers.del(stripeCustomerId);
    } catch (error) {
      // It was deleted before. A customer that the key cannot see is missing as well, and then this throws.
      if (!isMissing(error)) throw error;
      await stripe.customers.retrieve(stripeCustomerId);
    }
  }

  return {
    erase: (tenantId, waitsForInvoice) =>
      forBackground(async () => {
        const customer = await customers.find(tenantId);
        if (!customer?.stripeCustomerId) return;
        const { stripeCustomerId } = customer;
        await subscriptions.closeCheckout(customer as Customer);
        await cancel(tenantId);
        if (waitsForInvoice) await needNoDraft(stripeCustomerId);
        await remove(stripeCustomerId);
        // Writes the subscription's end, and forgets the customer's e-mail address.
        await sync.syncTenant(tenantId, AUTHOR);
        if ((await customers.find(tenantId))?.stripeCustomerId)
          throw serviceUnavailable(`Stripe does not show that the customer ${stripeCustomerId} was deleted`);
        log.info({ tenantId, stripeCustomerId }, 'erasure.customer_deleted');
      }),
  };
}
