import Stripe from 'stripe';
import type { UsageReportDoc } from '../../models/usageReport.js';

/** Stripe's meter. The methods throw what Stripe's SDK throws. */
export interface Meter {
  /** Sending the same report again, within a day, counts nothing more. */
  send(stripeCustomerId: string, report: UsageReportDoc): Promise<void>;
  /** Takes a report back. @throws when Stripe received it more than a day ago */
  cancel(report: UsageReportDoc): Promise<void>;
  /** @returns what the meter has counted of the customer in the minute */
  countedIn(stripeCustomerId: string, minuteMs: number): Promise<number>;
}

export const METER_EVENT_NAME = 'continuum_api_calls';

const MAX_METERS = 100;

export function createMeter({ stripe }: { stripe: Stripe }): Meter {
  let meterId: string | null = null;

  async function findMeter(): Promise<string> {
    if (meterId) return meterId;
    const { data } = await stripe.billing.meters.list({ status: 'active', limit: MAX_METERS });
    const meter = data.find(({ event_name }) => event_name === METER_EVENT_NAME);
    if (!meter) throw new Error(`Stripe has no active meter for ${METER_EVENT_NAME}`);
    meterId = meter.id;
    return meterId;
  }

  return {
    async send(stripeCustomerId, { _id, at, quantity }) {
      try {
        // The identifier makes a repetition harmless; an idempotency key beside it would only repeat failures for a day.
        await stripe.billing.meterEvents.create({
          event_name: METER_EVENT_NAME,
          identifier: _id,
          timestamp: Math.floor(at.getTime() / 1000),
          payload: { stripe_customer_id: stripeCustomerId, value: String(quantity) },
        });
      } catch (error) {
        if (!isRepeated(error)) throw error;
      }
    },

    async cancel({ _id }) {
      await stripe.billing.meterEventAdjustments.create({
        event_name: METER_EVENT_NAME,
        type: 'cancel',
        cancel: { identifier: _id },
      });
    },

    async countedIn(stripeCustomerId, minuteMs) {
      const { data } = await stripe.billing.meters.listEventSummaries(await findMeter(), {
        customer: stripeCustomerId,
        start_time: minuteMs / 1000,
        end_time: minuteMs / 1000 + 60,
      });
      return data.reduce((sum, { aggregated_value }) => sum + aggregated_value, 0);
    },
  };
}

/** Stripe answers a repeated identifier with 400, without a code: it has it already. */
function isRepeated(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeInvalidRequestError &&
    /identifier/i.test(error.message) &&
    /already|exist|duplicate/i.test(error.message)
  );
}
