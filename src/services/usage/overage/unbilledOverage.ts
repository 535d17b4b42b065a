import { type OveragePrice } from '../../../catalogue/overagePrice.js';
import type { Clock } from '../../../common/clock.js';
import { type BillingSubscriptionDoc, billedPeriodOf, ENDED } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { UsageDays } from '../../limits/ledger/usageDays.js';
import { dayOf } from '../../limits/ledger/windows.js';
import { costOfOverage, startOfSpan } from '../../tiers/overage.js';
import { boundariesOf } from './billableTime.js';

/** Overage that will still be invoiced, even after the subscription or its tier has ended. */
export interface UnbilledOverage {
  /**
   * @param price the present price, for calls whose price was not stored
   * @returns in the currency's smallest unit, with fractions
   */
  costOf(tenantId: string, price: OveragePrice): Promise<number>;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Longer than a month, at whose end the invoice comes. */
const LOOK_BACK_DAYS = 34;

export function createUnbilledOverage(deps: {
  models: Models;
  clock: Clock;
  /** Stripe's time; the mock's may be ahead of ours. */
  stripeNow: () => Promise<Date>;
  usageDays: UsageDays;
}): UnbilledOverage {
  const { models, clock, stripeNow, usageDays } = deps;

  /** @returns whether a span's calls are not on a closed invoice yet */
  async function unbilledSpans(subscription: BillingSubscriptionDoc) {
    const stripeMs = (await stripeNow()).getTime();
    const { endedAt, overageItems, status } = subscription;
    const billed = billedPeriodOf(subscription);
    // What was used before an item began was counted, and billed, by another one.
    const begun = (overageItems ?? []).map(({ since }) => since.getTime());
    const periodStarts = [billed.start, endedAt].flatMap((at) => at?.getTime() ?? []);
    return (span: string, starts: readonly number[]): boolean => {
      const startMs = startOfSpan(span);
      if (startMs === 0) return false;
      const next = boundariesOf([...starts, ...begun], subscription, stripeMs).find((at) => at > startMs);
      const endMs = next ?? endedAt?.getTime();
      if (endMs === undefined) return overageItems !== null && !ENDED.includes(status);
      // A period's invoice is a draft for an hour; an item that is removed earlier is billed when it is removed.
      const endsPeriod = periodStarts.includes(endMs) || endMs >= (billed.end?.getTime() ?? 0);
      return endsPeriod && stripeMs < endMs + HOUR_MS;
    };
  }

  return {
    async costOf(tenantId, price) {
      const subscription = await models.billingSubscriptions
        .findById(tenantId)
        .lean<BillingSubscriptionDoc>();
      if (!subscription) return 0;
      const nowMs = clock.now();
      const since = dayOf(nowMs - LOOK_BACK_DAYS * DAY_MS);
      const days = await usageDays.read([{ tenantId, from: since, to: dayOf(nowMs) }], ['overage']);
      const starts = days.flatMap(({ overage }) => Object.keys(overage?.spans ?? {}).map(startOfSpan));
      const isUnbilled = await unbilledSpans(subscription);
      return costOfOverage(
        days.flatMap(({ overage }) => overage ?? []),
        price,
        (span) => isUnbilled(span, starts),
      );
    },
  };
}
