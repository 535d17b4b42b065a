import Stripe from 'stripe';

/**
 * Support for servers that speak an older version of Stripe's API, such as other mocks of Stripe, which lack fields or
 * have them elsewhere. Stripe itself responds in the requested version.
 */

type Item = Omit<Stripe.SubscriptionItem, 'price'> & { price?: Stripe.Price };
interface OlderSubscription {
  current_period_start?: number;
  current_period_end?: number;
}

/** @returns the subscription with a price and a period on each item; older versions have plans instead of prices */
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
 * Makes a request with expanded fields, and repeats it without the fields that an older server does not know.
 * @param fields known to every server
 * @param newFields not known to older servers
 * @param request makes the request, with the fields to expand
 */
export async function expanding<T>(
  fields: readonly string[],
  newFields: readonly string[],
  request: (expand: string[]) => Promise<T>,
): Promise<T> {
  try {
    return await request([...fields, ...newFields]);
  } catch (error) {
    const isUnknown =
      error instanceof Stripe.errors.StripeInvalidRequestError && /\bexpand/i.test(error.message);
    if (!isUnknown) throw error;
    return request([...fields]);
  }
}
