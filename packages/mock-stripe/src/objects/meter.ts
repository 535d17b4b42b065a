import type { Kind } from '../storage/store.js';
import type { MeterBody, MeterEventBody } from '../wire.js';

export const meters: Kind<MeterBody> = {
  object: 'billing.meter',
  prefix: 'mtr',
  refs: ({ event_name: eventName, status }) => ({ eventName, status }),
};

export interface MeterEventHidden {
  customer: string;
  canceled: boolean;
  /** The event's time by the mock's clock, which may be ahead of the one by which it was sent. */
  atS: number;
}

export const meterEvents: Kind<MeterEventBody, MeterEventHidden> = {
  object: 'billing.meter_event',
  prefix: 'mtrev',
  refs: ({ event_name: eventName, identifier }, { customer, canceled }) => ({
    eventName,
    identifier,
    customer,
    canceled: String(canceled),
  }),
};

type MeterTerms = Pick<MeterBody, 'default_aggregation' | 'display_name' | 'event_name'> & {
  [name in 'customer_mapping' | 'event_time_window' | 'value_settings']?: MeterBody[name] | undefined;
};

export const buildMeter = (id: string, terms: MeterTerms, nowS: number): MeterBody => ({
  id,
  object: 'billing.meter',
  created: nowS,
  customer_mapping: terms.customer_mapping ?? { event_payload_key: 'stripe_customer_id', type: 'by_id' },
  default_aggregation: terms.default_aggregation,
  display_name: terms.display_name,
  event_name: terms.event_name,
  event_time_window: terms.event_time_window ?? null,
  livemode: false,
  status: 'active',
  status_transitions: { deactivated_at: null },
  updated: nowS,
  value_settings: terms.value_settings ?? { event_payload_key: 'value' },
});

/** Remembers an identifier for as long as it must not come again. */
export interface IdentifierBody {
  created: number;
  untilS: number;
}

export const meterIdentifiers: Kind<IdentifierBody> = {
  object: 'mock.meter_identifier',
  prefix: 'mock_identifier',
  refs: () => ({}),
};
