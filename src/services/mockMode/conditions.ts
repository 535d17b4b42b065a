import type { Disorder, InjectedFailure, MockStripe } from '@continuum-billing/mock-stripe';

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
  /** What is left out stays as it is. */
  set(changes: { [Name in keyof Conditions]?: Conditions[Name] | undefined }): Conditions;
}

const DISORDERS: Record<WebhookCondition, Disorder | null> = {
  NORMAL: null,
  DISORDERLY: { seed: 1, duplicated: 0.5, delayed: 0.7 },
  LOST: { seed: 1, dropped: 1 },
};

const FAILURES: Record<StripeCondition, InjectedFailure | null> = {
  NORMAL: null,
  SLOW: { kind: 'slow', delayMs: 3_000 },
  FAILING: { kind: 'server_error' },
  UNREACHABLE: { kind: 'connection' },
};

export function createConditionSwitch(
  mock: Pick<MockStripe, 'failNext' | 'clearFailures' | 'disturbWebhooks'>,
): ConditionSwitch {
  const conditions: Conditions = { webhooks: WebhookCondition.NORMAL, stripe: StripeCondition.NORMAL };

  return {
    current: () => ({ ...conditions }),
    set({ webhooks, stripe }) {
      if (webhooks) {
        conditions.webhooks = webhooks;
        mock.disturbWebhooks(DISORDERS[webhooks]);
      }
      if (stripe) {
        conditions.stripe = stripe;
        mock.clearFailures();
        const failure = FAILURES[stripe];
        if (failure) mock.failNext({ ...failure, times: Number.POSITIVE_INFINITY });
      }
      return { ...conditions };
    },
  };
}
