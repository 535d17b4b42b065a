import Stripe from 'stripe';
import { type UsageReportDoc, UsageReportKind } from '../../../models/usageReport.js';
import { findListed, PAGE } from '../stripe/stripeObjects.js';

/** Stripe's meters: one a kind of report. The methods throw what Stripe's SDK throws. */
export interface Meter {
  /** Sending the same report again, within a day, counts nothing more. */
  send(stripeCustomerId: string, report: UsageReportDoc): Promise<void>;
  /** Takes a report back. @throws when Stripe received it more than a day ago */
  cancel(report: UsageReportDoc): Promise<void>;
  /** @returns what the kind's meter has counted of the customer in the minute */
  countedIn(stripeCustomerId: string, kind: UsageReportKind, minuteMs: number): Promise<number>;
}

/** The names of the events of the meters. Overage has one of its own: what is reported by hand was never under a cap. */
export const METER_EVENT_NAMES: Record<UsageReportKind, string> = {
  [UsageReportKind.MANUAL]: 'continuum_api_calls',
  [UsageReportKind.OVERAGE]: 'continuum_overage_calls',
};

/** Metadata of a price that bills overage: it identifies the price after another one has replaced it. */
export const OVERAGE_PRICE = { overage: 'true' };

export function createMeter({ stripe }: { stripe: Stripe }): Meter {
  const meterIds = new Map<string, string>();

  async function findMeter(eventName: string): Promise<string> {
    const known = meterIds.get(eventName);
    if (known) return known;
    const meters = stripe.billing.meters.list({ status: 'active', limit: PAGE });
    const meter = await findListed(meters, 'meters', ({ event_name: name }) => name === eventName);
    if (!meter) throw new Error(`Stripe has no active meter for ${eventName}; run stripe:setup`);
    meterIds.set(eventName, meter.id);
    return meter.id;
  }

  return {
    async send(stripeCustomerId, { _id, kind, at, quantity }) {
      try {
        // The identifier makes a repetition harmless; an idempotency key beside it would only repeat failures for a day.
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

/** Stripe answers a repeated identifier with 400, without a code: it has it already. */
function isRepeated(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeInvalidRequestError &&
    /identifier/i.test(error.message) &&
    /already|exist|duplicate/i.test(error.message)
  );
}
