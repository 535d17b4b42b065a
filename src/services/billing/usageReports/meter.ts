import Stripe from 'stripe';
import { type UsageReportDoc, UsageReportKind } from '../../../models/usageReport.js';
import { findListed, PAGE } from '../stripe/stripeObjects.js';

/** Stripe's meters, one for each kind of report. The methods throw the errors of Stripe's SDK. */
export interface Meter {
  /** Sends a report. Within a day, sending it again counts nothing more. */
  send(stripeCustomerId: string, report: UsageReportDoc): Promise<void>;
  /** Cancels a report. @throws when Stripe received it more than a day ago */
  cancel(report: UsageReportDoc): Promise<void>;
  /** @returns what the meter has counted for the customer in the minute */
  countedIn(stripeCustomerId: string, kind: UsageReportKind, minuteMs: number): Promise<number>;
}

/** The meters' event names. Overage has a meter of its own, because usage reported by hand is not limited by a cap. */
export const METER_EVENT_NAMES: Record<UsageReportKind, string> = {
  [UsageReportKind.MANUAL]: 'continuum_api_calls',
  [UsageReportKind.OVERAGE]: 'continuum_overage_calls',
};

/** Metadata of a price that bills overage. It identifies the price even after another one has replaced it. */
export const OVERAGE_PRICE = { overage: 'true' };

export function createMeter({ stripe }: { stripe: Stripe }): Meter {
  const meterIds = new Map<string, string>();

  async function findMeter(eventName: string): Promise<string> {
    const known = meterIds.get(eventName);
    if (known) return known;
    const meters = stripe.billing.meters.list({ status: 'active', limit: PAGE });
    const meter = await findListed(meters, 'meters', ({ event_name: name }) => name === eventName);
    if (!meter)
      throw new Error(`Stripe has no active meter for ${eventName}; run npx continuum-billing stripe setup`);
    meterIds.set(eventName, meter.id);
    return meter.id;
  }

  return {
    async send(stripeCustomerId, { _id, kind, at, quantity }) {
      try {
        // The identifier makes a repetition harmless. An idempotency key would only make Stripe repeat failures for a day.
        await stripe.billing.meterEvents.create({
          event_name: METER_EVENT_NAMES[kind],
          identifier: _id,
          timestamp: Math.floor(at.getTime() / 1000),
          payload: { stripe_customer_id: stripeCustomerId, value: String(quantity) },
        });
      } catch (error) {
        if (!isRepeated(error)) throw error;
      }
    },

    async cancel({ _id, kind }) {
      await stripe.billing.meterEventAdjustments.create({
        event_name: METER_EVENT_NAMES[kind],
        type: 'cancel',
        cancel: { identifier: _id },
      });
    },

    async countedIn(stripeCustomerId, kind, minuteMs) {
      const meterId = await findMeter(METER_EVENT_NAMES[kind]);
      const { data } = await stripe.billing.meters.listEventSummaries(meterId, {
        customer: stripeCustomerId,
        start_time: minuteMs / 1000,
        end_time: minuteMs / 1000 + 60,
      });
      return data.reduce((sum, { aggregated_value }) => sum + aggregated_value, 0);
    },
  };
}

/** Stripe rejects a repeated identifier with 400 and no code, which means that it has the report. */
function isRepeated(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeInvalidRequestError &&
    /identifier/i.test(error.message) &&
    /already|exist|duplicate/i.test(error.message)
  );
}
