import { z } from 'zod';
import { countedBy } from '../billing/usage.js';
import { invalidRequest } from '../http/errors.js';
import { listObjects, page } from '../http/pagination.js';
import { expand, integer, text } from '../http/params.js';
import { mockId } from '../ids.js';
import { buildMeter, meters } from '../objects/meter.js';
import { type Call, operation } from '../operation.js';
import type { ListBody, MeterBody, MeterSummaryBody } from '../wire.js';

const creation = z.strictObject({
  display_name: text,
  event_name: text,
  default_aggregation: z.strictObject({ formula: z.enum(['count', 'last', 'sum']) }),
  customer_mapping: z.strictObject({ event_payload_key: text, type: z.literal('by_id') }).optional(),
  event_time_window: z.enum(['day', 'hour']).optional(),
  value_settings: z.strictObject({ event_payload_key: text }).optional(),
  expand,
});

async function setStatus({ tx, id, nowS, emit }: Call, status: 'active' | 'inactive'): Promise<MeterBody> {
  const stored = await tx.get(meters, id);
  stored.body.status = status;
  stored.body.status_transitions.deactivated_at = status === 'inactive' ? nowS : null;
  stored.body.updated = nowS;
  await tx.save(meters, stored);
  await emit(`billing.meter.${status === 'active' ? 'reactivated' : 'deactivated'}`, stored.body);
  return stored.body;
}

/** @returns what the meter counted for a customer in `[start, end)`, as one summary */
async function summarize(
  { tx, id, path }: Call,
  {
    customer,
    start_time: startS,
    end_time: endS,
  }: { customer: string; start_time: number; end_time: number },
): Promise<ListBody<MeterSummaryBody>> {
  const { body: meter } = await tx.get(meters, id);
  const during = { 'body.timestamp': { $gte: startS, $lt: endS } };
  const summary: MeterSummaryBody = {
    id: mockId('mtrusg'),
    object: 'billing.meter_event_summary',
    aggregated_value: await countedBy(tx, meter, customer, during),
    end_time: endS,
    livemode: false,
    meter: id,
    start_time: startS,
  };
  return { object: 'list', data: [summary], has_more: false, url: path };
}

export const meterOperations = [
  operation('POST', '/v1/billing/meters', creation, async ({ tx, nowS, emit }, params) => {
    const taken = await tx.list(meters, { 'refs.eventName': params.event_name, 'refs.status': 'active' }, 1);
    if (taken.length > 0) {
      throw invalidRequest(`An active meter with event name ${params.event_name} exists already.`, {
        param: 'event_name',
      });
    }
    const body = buildMeter(mockId(meters.prefix), params, nowS);
    await tx.insert(meters, body.id, body, null);
    await emit('billing.meter.created', body);
    return body;
  }),
  operation('GET', '/v1/billing/meters/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(meters, id)).body;
  }),
  operation('POST', '/v1/billing/meters/:id/deactivate', z.strictObject({ expand }), (call) =>
    setStatus(call, 'inactive'),
  ),
  operation('POST', '/v1/billing/meters/:id/reactivate', z.strictObject({ expand }), (call) =>
    setStatus(call, 'active'),
  ),
  operation(
    'GET',
    '/v1/billing/meters',
    z.strictObject({ ...page, status: z.enum(['active', 'inactive']).optional() }),
    (call, params) =>
      listObjects(call, meters, params, [params.status ? { 'refs.status': params.status } : {}]),
  ),
  operation(
    'GET',
    '/v1/billing/meters/:id/event_summaries',
    z.strictObject({ ...page, customer: text, start_time: integer, end_time: integer }),
    summarize,
  ),
];
