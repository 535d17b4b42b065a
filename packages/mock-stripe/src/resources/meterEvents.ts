import { z } from 'zod';
import { invalidRequest } from '../http/errors.js';
import { expand, integer, text } from '../http/params.js';
import { mockId } from '../ids.js';
import { meterEvents, meterIdentifiers, meters } from '../objects/meter.js';
import { type Call, operation } from '../operation.js';
import type { MeterEventBody } from '../wire.js';

const DAY_S = 86_400;
const MAX_AGE_S = 35 * DAY_S;
const MAX_AHEAD_S = 300;

const creation = z.strictObject({
  event_name: text.max(100),
  payload: z.record(z.string(), z.string().max(100)),
  identifier: text.max(100).optional(),
  timestamp: integer.optional(),
  expand,
});

const adjustment = z.strictObject({
  event_name: text.max(100),
  type: z.literal('cancel'),
  cancel: z.strictObject({ identifier: text.max(100) }),
  expand,
});

/** Stripe's words for a repeated identifier, which has no code. */
async function claimIdentifier({ tx, nowS }: Call, identifier: string): Promise<void> {
  const id = `${meterIdentifiers.prefix}_${identifier}`;
  const known = await tx.find(meterIdentifiers, id);
  if (!known) {
    await tx.insert(meterIdentifiers, id, { created: nowS, untilS: nowS + DAY_S }, null);
    return;
  }
  if (known.body.untilS > nowS)
    throw invalidRequest(`An event already exists with identifier ${identifier}.`);
  known.body.untilS = nowS + DAY_S;
  await tx.save(meterIdentifiers, known);
}

function requireRecent(timestamp: number, { nowS, machineNowS }: Call): void {
  if (timestamp < machineNowS - MAX_AGE_S) {
    throw invalidRequest('The timestamp must be within the past 35 calendar days.', { param: 'timestamp' });
  }
  if (timestamp > nowS + MAX_AHEAD_S) {
    throw invalidRequest('The timestamp must be at most 5 minutes in the future.', { param: 'timestamp' });
  }
}

export const meterEventOperations = [
  operation('POST', '/v1/billing/meter_events', creation, async (call, params) => {
    const { tx, nowS } = call;
    const timestamp = params.timestamp ?? nowS;
    requireRecent(timestamp, call);
    const identifier = params.identifier ?? mockId('meter_event');
    await claimIdentifier(call, identifier);
    // An event that no meter counts is accepted, as by Stripe, which reports it later.
    const [meter] = await tx.list(
      meters,
      { 'refs.eventName': params.event_name, 'refs.status': 'active' },
      1,
    );
    const customerKey = meter?.body.customer_mapping.event_payload_key ?? 'stripe_customer_id';
    const body: MeterEventBody = {
      object: 'billing.meter_event',
      created: nowS,
      event_name: params.event_name,
      identifier,
      livemode: false,
      payload: params.payload,
      timestamp,
    };
    const customer = params.payload[customerKey] ?? '';
    const atS = timestamp + (nowS - call.machineNowS);
    await tx.insert(meterEvents, mockId(meterEvents.prefix), body, { customer, canceled: false, atS });
    return body;
  }),
  operation('POST', '/v1/billing/meter_event_adjustments', adjustment, async ({ tx, nowS }, params) => {
    const { identifier } = params.cancel;
    const [event] = await tx.list(
      meterEvents,
      { 'refs.eventName': params.event_name, 'refs.identifier': identifier },
      1,
    );
    if (!event || event.body.created < nowS - DAY_S) {
      throw invalidRequest(
        `No meter event with identifier ${identifier} was received in the past 24 hours.`,
        {
          param: 'cancel[identifier]',
        },
      );
    }
    if (event.hidden.canceled) throw invalidRequest(`The event ${identifier} has already been canceled.`);
    event.hidden.canceled = true;
    await tx.save(meterEvents, event);
    return {
      object: 'billing.meter_event_adjustment',
      cancel: { identifier },
      event_name: params.event_name,
      livemode: false,
      status: 'pending',
      type: 'cancel',
    };
  }),
];
