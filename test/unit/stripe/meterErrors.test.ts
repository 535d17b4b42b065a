import Stripe from 'stripe';
import { expect, it } from 'vitest';
import { systemAuthor } from '../../../src/services/audit/author.js';
import { createEventEffect } from '../../../src/services/billing/inbox/eventEffects.js';
import { targetOf } from '../../../src/services/billing/inbox/eventTarget.js';
import { readEvent } from '../../../src/services/billing/inbox/receivedEvent.js';
import type { MeterError } from '../../../src/services/billing/usageReports/usageReports.js';

const NOTIFICATION = {
  id: 'evt_test_meter_1',
  object: 'v2.core.event',
  type: 'v1.billing.meter.error_report_triggered',
  created: '2026-11-22T12:00:00.000Z',
  related_object: { id: 'mtr_1', type: 'billing.meter', url: '/v1/billing/meters/mtr_1' },
};

/** The event as Stripe's API v2 answers for it. */
const EVENT = {
  ...NOTIFICATION,
  data: {
    developer_message_summary: 'There are 3 errors.',
    reason: {
      error_count: 3,
      error_types: [
        {
          code: 'meter_event_customer_not_found',
          error_count: 2,
          sample_errors: [
            {
              error_message: 'No such customer: cus_1',
              request: { identifier: 'ten_1:overage/2026-11-22/0001' },
            },
            { error_message: 'No such customer: cus_2', request: { identifier: 'ten_2:by-hand' } },
          ],
        },
        {
          code: 'meter_event_invalid_value',
          error_count: 1,
          sample_errors: [
            { error_message: 'The value is no number', request: { identifier: 'of-another-system' } },
          ],
        },
      ],
    },
    validation_start: '2026-11-22T11:00:00.000Z',
    validation_end: '2026-11-22T12:00:00.000Z',
  },
};

it("Stripe's report of usage that it could not count is fetched, and reported one by one", async () => {
  const target = targetOf(readEvent(JSON.stringify(NOTIFICATION)));
  expect(target).toMatchObject({ queue: 'meterErrors:evt_test_meter_1', object: 'mtr_1', reason: null });

  const asked: string[] = [];
  const answer: typeof fetch = async (input) => {
    asked.push(new URL(input instanceof Request ? input.url : input).pathname);
    return new Response(JSON.stringify(EVENT), { headers: { 'content-type': 'application/json' } });
  };
  const errors: MeterError[] = [];
  const effect = createEventEffect({
    stripe: new Stripe('sk_test_x', { httpClient: Stripe.createFetchHttpClient(answer), telemetry: false }),
    models: null as never,
    customers: null as never,
    sync: null as never,
    onMeterErrors: async (reported) => void errors.push(...reported),
  });
  expect(await effect(target.queue ?? '', systemAuthor('test'))).toEqual({ kind: 'applied', note: null });
  expect(asked).toEqual(['/v2/core/events/evt_test_meter_1']);
  const code = 'meter_event_customer_not_found';
  expect(errors).toEqual([
    { identifier: 'ten_1:overage/2026-11-22/0001', code, message: 'No such customer: cus_1' },
    { identifier: 'ten_2:by-hand', code, message: 'No such customer: cus_2' },
    { identifier: 'of-another-system', code: 'meter_event_invalid_value', message: 'The value is no number' },
  ]);
});
