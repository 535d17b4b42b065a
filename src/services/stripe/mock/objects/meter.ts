import type { Kind } from '../storage/store.js';
import type { MeterBody, MeterEventBody } from '../wire.js';

export const meters: Kind<MeterBody> = {
  object: 'billing.meter',
  prefix: 'mtr',
  refs: ({ event_name: eventName, status }) => ({ eventName, status }),
};

export const meterEvents: Kind<MeterEventBody, { customer: string }> = {
  object: 'billing.meter_event',
  prefix: 'mtrev',
  refs: ({ event_name: eventName }, { customer }) => ({ eventName, customer }),
};

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
