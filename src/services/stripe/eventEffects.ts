import type { Customers } from './customers.js';
import type { SubscriptionSync } from './subscriptionSync.js';
import type { ReceivedEvent } from './webhookVerifier.js';

/**
 * What an event means for us. An event is only a hint of whom to look at: the customer and its subscription are
 * fetched as they are now and written, so the order of events and their repetition make no difference.
 * @returns why there was nothing to do, or null
 */
export type EventEffect = (event: ReceivedEvent) => Promise<string | null>;

type Effect = (object: Record<string, unknown>) => Promise<string | null>;

export function createEventEffect(deps: { customers: Customers; sync: SubscriptionSync }): EventEffect {
  const { customers, sync } = deps;

  const about =
    (field: 'id' | 'customer', run: (stripeCustomerId: string) => Promise<string | null>): Effect =>
    async (object) => {
      const customerId = idOf(object[field]);
      return customerId ? run(customerId) : 'it names no customer';
    };
  const syncItself = about('id', sync.sync);
  const syncCustomer = about('customer', sync.sync);

  const effects = new Map<string, Effect>([
    ['customer.created', syncItself],
    ['customer.updated', syncItself],
    ['customer.deleted', syncItself],
    ['customer.subscription.created', syncCustomer],
    ['customer.subscription.updated', syncCustomer],
    ['customer.subscription.deleted', syncCustomer],
    ['customer.subscription.paused', syncCustomer],
    ['customer.subscription.resumed', syncCustomer],
    ['invoice.payment_succeeded', syncCustomer],
    ['invoice.payment_failed', syncCustomer],
    ['checkout.session.completed', syncCustomer],
    [
      'payment_method.attached',
      about('customer', async (id) =>
        (await customers.notePaymentMethod(id)) ? null : 'the customer belongs to no tenant',
      ),
    ],
  ]);

  return async ({ type, data }) => {
    const effect = effects.get(type);
    return effect ? effect(data.object) : `events of type ${type} have no effect`;
  };
}

/** Stripe gives a reference as an id, or as the object itself. */
function idOf(reference: unknown): string | null {
  const id =
    typeof reference === 'string' ? reference : (reference as { id?: unknown } | null | undefined)?.id;
  return typeof id === 'string' && id !== '' ? id : null;
}
