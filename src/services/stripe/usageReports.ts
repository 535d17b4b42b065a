import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../clock.js';
import { badInput } from '../../errors.js';
import type { Models } from '../../models/models.js';
import type { UsageReportDoc } from '../../models/usageReport.js';
import type { Customers } from './customers.js';
import { callingStripe } from './stripeErrors.js';

export interface UsageReport {
  /** The idempotency key under which it was reported. */
  id: string;
  tenantId: string;
  quantity: number;
  status: 'PENDING' | 'REPORTED';
}

/** Reports metered usage to Stripe's meter. */
export interface UsageReports {
  /** The same idempotency key again changes nothing; with another quantity it is refused. */
  report(tenantId: string, quantity: number, idempotencyKey?: string | null): Promise<UsageReport>;
}

export const METER_EVENT_NAME = 'continuum_api_calls';

export function createUsageReports(deps: {
  models: Models;
  stripe: Stripe;
  customers: Customers;
  clock: Clock;
  log: Logger;
}): UsageReports {
  const { models, stripe, customers, clock, log } = deps;
  const reports = models.usageReports;

  return {
    async report(tenantId, quantity, idempotencyKey) {
      const id = idempotencyKey ?? randomUUID();
      const key = `${tenantId}:${id}`;
      const intent = await reports
        .findOneAndUpdate(
          { _id: key },
          { $setOnInsert: { quantity, status: 'PENDING', at: new Date(clock.now()), reportedAt: null } },
          { upsert: true, returnDocument: 'after' },
        )
        .lean<UsageReportDoc>();
      if (!intent) throw new Error(`The usage report ${key} was not stored`);
      if (intent.quantity !== quantity) {
        throw badInput('input.idempotencyKey', `was used before, for the quantity ${intent.quantity}`);
      }
      if (intent.status === 'PENDING') {
        await callingStripe(log, async () => {
          const { stripeCustomerId } = await customers.ensure(tenantId, null);
          await send(stripeCustomerId, key, intent);
        });
        await reports.updateOne(
          { _id: key },
          { $set: { status: 'REPORTED', reportedAt: new Date(clock.now()) } },
        );
      }
      return { id, tenantId, quantity, status: 'REPORTED' };
    },
  };

  async function send(
    stripeCustomerId: string,
    identifier: string,
    { quantity, at }: UsageReportDoc,
  ): Promise<void> {
    try {
      // The identifier makes a repetition harmless; an idempotency key beside it would only repeat failures for a day.
      await stripe.billing.meterEvents.create({
        event_name: METER_EVENT_NAME,
        identifier,
        timestamp: Math.floor(at.getTime() / 1000),
        payload: { stripe_customer_id: stripeCustomerId, value: String(quantity) },
      });
    } catch (error) {
      // Stripe answers a repeated identifier with 400: it has it already.
      const { statusCode, message } = error as { statusCode?: number; message?: string };
      const repeated =
        statusCode === 400 &&
        /identifier/i.test(message ?? '') &&
        /already|exist|duplicate/i.test(message ?? '');
      if (!repeated) throw error;
    }
  }
}
