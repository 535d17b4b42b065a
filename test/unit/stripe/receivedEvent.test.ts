import { describe, expect, it } from 'vitest';
import { readEvent } from '../../../src/services/billing/inbox/receivedEvent.js';

const TEXTS = ['a\0b', '\ud800', 'x'.repeat(256)];

const snapshot = (object: object, type = 'invoice.paid') =>
  JSON.stringify({ id: 'evt_1', object: 'event', type, livemode: false, data: { object } });
const thin = (related_object: object, type = 'v1.billing.meter.error_report_triggered') =>
  JSON.stringify({ id: 'evt_1', object: 'v2.core.event', type, related_object });

describe('an event with a text that MongoDB cannot store as it is, is rejected', () => {
  it.each(TEXTS)('%j', (text) => {
    expect(() => readEvent(snapshot({ id: 'in_1' }, text))).toThrow('type must be');
    for (const name of ['id', 'customer', 'charge']) {
      expect(() => readEvent(snapshot({ [name]: text }))).toThrow('data.object must have ids');
      expect(() => readEvent(snapshot({ [name]: { id: text } }))).toThrow('data.object must have ids');
    }
    expect(() => readEvent(thin({ id: text, type: 'billing.meter' }))).toThrow('related_object.id must be');
    expect(() => readEvent(thin({ id: 'mtr_1', type: text }))).toThrow('related_object.type must be');
    expect(() => readEvent(thin({ id: 'mtr_1', type: 'billing.meter' }, text))).toThrow('type must be');
  });

  it('and no other', () => {
    const object = { id: 'in_1', customer: { id: 'cus_1' }, charge: null, description: 'a\0b' };
    expect(readEvent(snapshot(object)).subject).toMatchObject({ id: 'in_1' });
    expect(readEvent(snapshot({}, 'v2.core.account[requirements].updated')).subject).toEqual({});
  });
});
