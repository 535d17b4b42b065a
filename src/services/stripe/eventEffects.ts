import type { Customers } from './customers.js';
import type { SubscriptionSync } from './subscriptionSync.js';
import type { ReceivedEvent } from './webhookVerifier.js';

/**
 * What an event means for us. An event is only a hint of which object to look at: its present state is fetched and
 * written, so the order of events and their repetition make no difference.
 * @returns why there was nothing to do, or null
 */
export type EventEffect = (event: ReceivedEvent) => Promise<string | null>;

export function createEventEffect(deps: { customers: Customers; sync: SubscriptionSync }): EventEffect {
  const { customers, sync } = deps;

  const syncSubscription = async (reference: unknown) => {
    const id = idOf(reference);
    return id ? sync.sync(id) : 'it names no subscription';
  };

  const effects: Record<string, (object: Record<string, unknown>) => Promise<string | null>> = {
    'customer.created': async ({ id }) => customers.sync(String(id)),
    'customer.updated': async ({ id }) => customers.sync(String(id)),
    'customer.deleted': async ({ id }) => customers.sync(String(id)),
    'customer.subscription.created': syncSubscription,
    'customer.subscription.updated': syncSubscription,
    'customer.subscription.deleted': syncSubscription,
    'invoice.payment_succeeded': async (invoice) => syncSubscription(subscriptionOfInvoice(invoice)),
    'invoice.payment_failed': async (invoice) => syncSubscription(subscriptionOfInvoice(invoice)),
    'payment_method.attached': async ({ customer }) => {
      const id = idOf(customer);
      if (!id) return 'it names no customer';
      await customers.notePaymentMethod(id);
      return null;
    },
    'checkout.session.completed': async ({ subscription }) => syncSubscription(subscription),
  };

  return async ({ type, data }) => effects[type]?.(data.object) ?? `events of type ${type} have no effect`;
}

/** Stripe gives a reference as an id, or as the object itself. */
function idOf(reference: unknown): string | null {
  if (typeof reference === 'string') return reference;
  const id = (reference as { id?: unknown } | null | undefined)?.id;
  return typeof id === 'string' ? id : null;
}

function subscriptionOfInvoice(invoice: Record<string, unknown>): unknown {
  const parent = invoice.parent as { subscription_details?: { subscription?: unknown } } | null | undefined;
  return parent?.subscription_details?.subscription;
}
