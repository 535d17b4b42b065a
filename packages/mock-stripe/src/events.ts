import Stripe from 'stripe';
import { withoutCurrencyOptions } from './http/expand.js';
import { mockId } from './ids.js';
import type { Change, EventRequest } from './operation.js';
import type { Store, Tx } from './storage/store.js';
import { type EventBody, idOf } from './wire.js';

const API_VERSION = Stripe.API_VERSION;

/**
 * @param request the API call that causes the events; null for what happens by itself
 * @returns a writer of events in one transaction, in the order of its calls
 */
export function eventWriter(store: Store, tx: Tx, nowS: number, request: EventRequest): Change['emit'] {
  return async (type, object, previous) => {
    const body: EventBody = {
      id: mockId('evt'),
      object: 'event',
      api_version: API_VERSION,
      created: nowS,
      data: {
        object: withoutCurrencyOptions(object),
        ...(previous ? { previous_attributes: withoutCurrencyOptions(previous) as typeof previous } : {}),
      },
      livemode: false,
      pending_webhooks: 1,
      request: request ?? { id: null, idempotency_key: null },
      type,
    };
    await tx.collections.events.insertOne(
      {
        _id: body.id,
        created: nowS,
        seq: store.nextSequence(),
        type,
        ...customerOf(object),
        body,
        delivery: { state: 'pending', attempts: 0, nextAttemptAt: new Date(), lastError: null },
      },
      tx.session ? { session: tx.session } : {},
    );
  };
}

function customerOf(object: unknown): { customer?: string } {
  const { object: kind, id, customer } = object as EventObject;
  const found = kind === 'customer' ? id : idOf(customer);
  return found ? { customer: found } : {};
}

interface EventObject {
  object?: string;
  id?: string;
  customer?: string | { id?: string } | null;
}

/** @returns the former values of the fields that changed, as `data.previous_attributes` has them */
export function changedFields(before: object, after: object): Record<string, unknown> {
  const now = after as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(before).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(now[key])),
  );
}
