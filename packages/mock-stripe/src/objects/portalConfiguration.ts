import type { Kind } from '../storage/store.js';
import type { PortalConfigurationBody } from '../wire.js';

export const portalConfigurations: Kind<PortalConfigurationBody> = {
  object: 'billing_portal.configuration',
  prefix: 'bpc',
  refs: ({ active }) => ({ active }),
};

/** The features that a request names; the rest is off, as at Stripe. */
export interface FeatureTerms {
  customer_update?: { enabled?: boolean | undefined; allowed_updates?: string[] | undefined } | undefined;
  invoice_history?: { enabled: boolean } | undefined;
  payment_method_update?: { enabled: boolean } | undefined;
  subscription_cancel?: { enabled?: boolean | undefined; mode?: string | undefined } | undefined;
  subscription_update?:
    | {
        enabled?: boolean | undefined;
        default_allowed_updates?: string[] | undefined;
        products?: { product: string; prices: string[] }[] | undefined;
        proration_behavior?: string | undefined;
        schedule_at_period_end?: { conditions?: { type: string }[] | undefined } | undefined;
      }
    | undefined;
}

export function buildFeatures(terms: FeatureTerms): PortalConfigurationBody['features'] {
  const { customer_update: customer, subscription_cancel: cancel, subscription_update: update } = terms;
  return {
    customer_update: {
      enabled: customer?.enabled ?? false,
      allowed_updates: customer?.allowed_updates ?? [],
    },
    invoice_history: { enabled: terms.invoice_history?.enabled ?? false },
    payment_method_update: {
      enabled: terms.payment_method_update?.enabled ?? false,
      payment_method_configuration: null,
    },
    subscription_cancel: {
      cancellation_reason: { enabled: false, feedback_options: null, options: [] },
      enabled: cancel?.enabled ?? false,
      mode: cancel?.mode ?? 'at_period_end',
      proration_behavior: 'none',
    },
    subscription_pause: { duration: { interval_options: [], type: 'indefinite' }, enabled: false },
    subscription_update: {
      billing_cycle_anchor: null,
      default_allowed_updates: update?.default_allowed_updates ?? [],
      enabled: update?.enabled ?? false,
      products: (update?.products ?? []).map((one) => ({
        ...one,
        adjustable_quantity: { enabled: false, maximum: null, minimum: 1 },
      })),
      proration_behavior: update?.proration_behavior ?? 'none',
      schedule_at_period_end: { conditions: update?.schedule_at_period_end?.conditions ?? [] },
      trial_update_behavior: 'end_trial',
    },
  };
}
