import { useOperator } from '../session.js';

/** @returns addresses in Stripe's dashboard; null in mock mode, whose objects Stripe does not know */
export function useStripeAddress(): (kind: 'customers' | 'subscriptions', id: string) => string | null {
  const { mode } = useOperator();
  if (mode === 'mock') return () => null;
  return (kind, id) =>
    `https://dashboard.stripe.com/${mode === 'test' ? 'test/' : ''}${kind}/${encodeURIComponent(id)}`;
}
