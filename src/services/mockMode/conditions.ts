import type { MockStripe } from '@continuum-billing/mock-stripe';

/** How Stripe's webhooks arrive. */
export enum WebhookCondition {
  NORMAL = 'NORMAL',
  /** Late, twice, and in another order. */
  DISORDERLY = 'DISORDERLY',
  /** Never: only a comparison with Stripe finds what changed. */
  LOST = 'LOST',
}

/** How Stripe's API answers. */
export enum StripeCondition {
  NORMAL = 'NORMAL',
  SLOW = 'SLOW',
  /** Every request fails with 500. */
  FAILING = 'FAILING',
  UNREACHABLE = 'UNREACHABLE',
}

export interface Conditions {
  webhooks: WebhookCondition;
  stripe: StripeCondition;
}

/** What goes wrong at the mock until it is set back. Known to this process alone: another server on the database has its own. */
export interface ConditionSwitch {
  current(): Conditions;
  set(changes: Partial<Conditions>): Conditions;
}

const DISORDER = { seed: 1, duplicated: 0.5, delayed: 0.7 };
const LOSS = { seed: 1, dropped: 1 };
const SLOW_MS = 3_000;
const ALWAYS = Number.POSITIVE_INFINITY;

export function createConditionSwitch(
  mock: Pick<MockStripe, 'failNext' | 'clearFailures' | 'disturbWebhooks'>,
): ConditionSwitch {
  const conditions: Conditions = { webhooks: WebhookCondition.NORMAL, stripe: StripeCondition.NORMAL };

  function disturbWebhooks(): void {
    switch (conditions.webhooks) {
      case WebhookCondition.NORMAL:
        return mock.disturbWebhooks(null);
      case WebhookCondition.DISORDERLY:
        return mock.disturbWebhooks(DISORDER);
      case WebhookCondition.LOST:
        return mock.disturbWebhooks(LOSS);
    }
  }

  function disturbStripe(): void {
    mock.clearFailures();
    switch (conditions.stripe) {
      case StripeCondition.NORMAL:
        return;
      case StripeCondition.SLOW:
        return mock.failNext({ kind: 'slow', delayMs: SLOW_MS, times: ALWAYS });
      case StripeCondition.FAILING:
        return mock.failNext({ kind: 'server_error', times: ALWAYS });
      case StripeCondition.UNREACHABLE:
        return mock.failNext({ kind: 'connection', times: ALWAYS });
    }
  }

  return {
    current: () => ({ ...conditions }),
    set({ webhooks, stripe }) {
      if (webhooks) {
        conditions.webhooks = webhooks;
        disturbWebhooks();
      }
      if (stripe) {
        conditions.stripe = stripe;
        disturbStripe();
      }
      return { ...conditions };
    },
  };
}
