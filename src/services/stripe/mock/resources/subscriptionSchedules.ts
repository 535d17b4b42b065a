import { z } from 'zod';
import { releaseSchedule, requireRunning } from '../billing/phases.js';
import { addIntervals, type Interval } from '../calendar.js';
import { changedFields } from '../events.js';
import { invalidRequest } from '../http/errors.js';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  expand,
  flag,
  ignoring,
  integer,
  listOf,
  mergeMetadata,
  metadata,
  natural,
  prorationBehavior,
  range,
  text,
} from '../http/params.js';
import { mockId } from '../ids.js';
import { isMetered, refuseQuantity, subscribablePrice } from '../objects/price.js';
import { buildPhase, buildSchedule, type PhaseTerms, schedules } from '../objects/schedule.js';
import { subscriptions } from '../objects/subscription.js';
import { type Call, operation } from '../operation.js';
import type { PhaseBody, ScheduleBody } from '../wire.js';

const creation = z.strictObject({ from_subscription: text, metadata, expand });
const phase = z.strictObject({
  items: listOf(z.strictObject({ price: text, quantity: natural.optional() }), 20),
  start_date: integer.optional(),
  end_date: integer.optional(),
  duration: z
    .strictObject({ interval: z.enum(['day', 'week', 'month', 'year']), interval_count: integer.optional() })
    .optional(),
  discounts: listOf(z.strictObject({ discount: text.optional(), coupon: text.optional() })).optional(),
  proration_behavior: prorationBehavior.optional(),
  metadata,
});
const change = z.strictObject({
  end_behavior: z.enum(['cancel', 'release']).optional(),
  proration_behavior: prorationBehavior.optional(),
  phases: listOf(phase, 10).optional(),
  metadata,
  expand,
});

async function phasesFrom(
  { tx }: Call,
  wanted: z.infer<typeof phase>[],
  { phases: [first] }: ScheduleBody,
): Promise<PhaseBody[]> {
  const phases: PhaseBody[] = [];
  for (const [index, terms] of wanted.entries()) {
    const param = `phases[${index}]`;
    const startS: number | undefined = terms.start_date ?? phases.at(-1)?.end_date;
    if (startS === undefined)
      throw invalidRequest('The first phase must have a start_date.', { param: `${param}[start_date]` });
    const { interval, interval_count: count = 1 } = terms.duration ?? {};
    const endS = terms.end_date ?? (interval && addIntervals(startS, interval as Interval, count));
    if (!endS || endS <= startS)
      throw invalidRequest('A phase must end after it starts.', { param: `${param}[end_date]` });
    const items: PhaseTerms['items'] = [];
    for (const [place, { price: id, quantity }] of terms.items.entries()) {
      const price = await subscribablePrice(tx, id, `${param}[items][${place}][price]`);
      refuseQuantity(price, quantity, `${param}[items][${place}]`);
      items.push({ price: id, quantity: isMetered(price) ? undefined : (quantity ?? 1) });
    }
    const discounts = terms.discounts?.map(({ discount, coupon }) => ({
      coupon: coupon ?? null,
      discount: discount ?? null,
      promotion_code: null,
    }));
    phases.push(
      buildPhase({ start: startS, end: endS }, first?.currency ?? 'usd', {
        items,
        metadata: mergeMetadata({}, terms.metadata),
        discounts: (discounts ?? []) as PhaseBody['discounts'],
        proration: terms.proration_behavior ?? 'create_prorations',
      }),
    );
  }
  return phases;
}

export const subscriptionScheduleOperations = [
  operation('POST', '/v1/subscription_schedules', creation, async (call, params) => {
    const { tx, nowS, emit } = call;
    const subscription = await tx.get(subscriptions, params.from_subscription, 'from_subscription');
    if (subscription.body.schedule) {
      throw invalidRequest(
        'You cannot migrate a subscription that is already attached to a schedule: ' +
          `it is attached to ${String(subscription.body.schedule)}.`,
        { param: 'from_subscription' },
      );
    }
    if (['canceled', 'incomplete_expired'].includes(subscription.body.status))
      throw invalidRequest('You cannot schedule a canceled subscription.', { param: 'from_subscription' });
    const body = buildSchedule(mockId(schedules.prefix), subscription.body, nowS);
    body.metadata = mergeMetadata({}, params.metadata);
    await tx.insert(schedules, body.id, body, null);
    subscription.body.schedule = body.id;
    await tx.save(subscriptions, subscription);
    await emit('subscription_schedule.created', body);
    await emit('customer.subscription.updated', subscription.body, { schedule: null });
    return body;
  }),
  operation('GET', '/v1/subscription_schedules/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(schedules, id)).body;
  }),
  operation('POST', '/v1/subscription_schedules/:id', change, async (call, params) => {
    const stored = await call.tx.get(schedules, call.id);
    requireRunning(stored, 'update');
    const before = structuredClone(stored.body);
    if (params.phases) stored.body.phases = await phasesFrom(call, params.phases, before);
    if (params.end_behavior) stored.body.end_behavior = params.end_behavior;
    stored.body.metadata = mergeMetadata(stored.body.metadata ?? {}, params.metadata);
    await call.tx.save(schedules, stored);
    await call.emit('subscription_schedule.updated', stored.body, changedFields(before, stored.body));
    return stored.body;
  }),
  operation(
    'POST',
    '/v1/subscription_schedules/:id/release',
    z.strictObject({ preserve_cancel_date: flag.optional(), expand }),
    async (call) => {
      const stored = await call.tx.get(schedules, call.id);
      requireRunning(stored, 'release');
      await releaseSchedule(call, stored);
      return stored.body;
    },
  ),
  operation(
    'GET',
    '/v1/subscription_schedules',
    z.strictObject({ ...page, created: range, customer: text.optional(), ...ignoring(flag, 'scheduled') }),
    (call, params) =>
      listObjects(call, schedules, params, [
        createdFilter(params.created),
        params.customer ? { 'refs.customer': params.customer } : {},
      ]),
  ),
];
