import Stripe from 'stripe';

/**
 * Servers that speak an older version of Stripe's API, such as Stripes of others for tests: what they lack, or have in
 * another place, is read here. Stripe itself answers in the version that we ask for.
 */

type Item = Omit<Stripe.SubscriptionItem, 'price'> & { price?: Stripe.Price };
interface OlderSubscription {
  current_period_start?: number;
  current_period_end?: number;
}

/** @returns the subscription with a price and a period at each item; plans came before prices */
export function inCurrentForm(subscription: Stripe.Subscription): Stripe.Subscription {
  const items: readonly Item[] = subscription.items.data;
  const metadata: Stripe.Metadata | null = subscription.metadata;
  if (metadata && items.every(({ price, current_period_end: endS }) => price && endS !== undefined))
    return subscription;
  const { current_period_start: startS, current_period_end: endS }: OlderSubscription =
    subscription as OlderSubscription;
  const data = items.map((item) => ({
    ...item,
    current_period_start: item.current_period_start ?? startS,
    current_period_end: item.current_period_end ?? endS,
    price: item.price ?? priceOf(item.plan),
  }));
  return {
    ...subscription,
    metadata: metadata ?? {},
    items: { ...subscription.items, data: data as Stripe.SubscriptionItem[] },
  };
}

const priceOf = ({ id, product, metadata, usage_type }: Stripe.Plan) => ({
  id,
  product,
  metadata: metadata ?? {},
  recurring: { usage_type },
});

/**
 * Asks with fields expanded, and without where the server does not know such a field.
 * @param ask makes the request, with what is to be expanded
 */
export async function expanding<T>(
  fields: readonly string[],
  unknownBefore: readonly string[],
  ask: (expand: string[]) => Promise<T>,
): Promise<T> {
  try {
    return await ask([...fields, ...unknownBefore]);
  } catch (error) {
    const isUnknown =
      error instanceof Stripe.errors.StripeInvalidRequestError && /\bexpand/i.test(error.message);
    if (!isUnknown) throw error;
    return ask([...fields]);
  }
}
