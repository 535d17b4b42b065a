import { z } from 'zod';
import { releaseSchedule, requireRunning, takePhase } from '../billing/phases.js';
import { itemSettingsFrom, phaseSettingsOf, settingsFrom } from '../billing/settings.js';
import { addIntervals, type Interval } from '../calendar.js';
import { changedFields } from '../events.js';
import { billingSettings, itemSettings } from '../http/billingSettings.js';
import { invalidRequest } from '../http/errors.js';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  clearable,
  expand,
  flag,
  ignoring,
  integer,
  list,
  listOf,
  mergeMetadata,
  metadata,
  natural,
  prorationBehavior,
  range,
  text,
} from '../http/params.js';
import { mockId } from '../ids.js';
import { isMetered, rejectQuantity, subscribablePrice } from '../objects/price.js';
import {
  buildPhase,
  buildPhaseItem,
  buildSchedule,
  type PhaseTerms,
  schedules,
} from '../objects/schedule.js';
import { subscriptions } from '../objects/subscription.js';
import { type Call, operation } from '../operation.js';
import { idOf, type PhaseBody, type ScheduleBody } from '../wire.js';

const creation = z.strictObject({ from_subscription: text, metadata, expand });
const discountTerms = listOf(
  z.strictObject({
    discount: text.optional(),
    coupon: text.optional(),
    promotion_code: text.optional(),
  }),
).optional();
const phase = z.strictObject({
  items: listOf(
    z.strictObject({
      price: text,
      quantity: natural.optional(),
      metadata,
      ...itemSettings.shape,
      ...ignoring(discountTerms, 'discounts'),
    }),
    20,
  ),
  start_date: integer.optional(),
  end_date: integer.optional(),
  duration: z
    .strictObject({ interval: z.enum(['day', 'week', 'month', 'year']), interval_count: integer.optional() })
    .optional(),
  discounts: discountTerms,
  proration_behavior: prorationBehavior.optional(),
  metadata,
  collection_method: z.enum(['charge_automatically', 'send_invoice']).optional(),
  currency: text.optional(),
  default_payment_method: text.optional(),
  description: clearable.optional(),
  trial_end: integer.optional(),
  ...billingSettings.shape,
  ...ignoring(list, 'add_invoice_items'),
  billing_cycle_anchor: z.enum(['automatic', 'phase_start']).optional(),
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
    for (const [place, wanted] of terms.items.entries()) {
      const { price: id, quantity } = wanted;
      const price = await subscribablePrice(tx, id, `${param}[items][${place}][price]`);
      rejectQuantity(price, quantity, `${param}[items][${place}]`);
      items.push(
        buildPhaseItem(id, {
          quantity: isMetered(price) ? undefined : (quantity ?? 1),
          metadata: mergeMetadata({}, wanted.metadata),
          ...(await itemSettingsFrom(tx, wanted)),
        }),
      );
    }
    const discounts = terms.discounts?.map(({ discount, coupon, promotion_code: code }) => ({
      coupon: coupon ?? null,
      discount: discount ?? null,
      promotion_code: code ?? null,
    }));
    phases.push(
      buildPhase({ start: startS, end: endS }, terms.currency ?? first?.currency ?? 'usd', {
        items,
        metadata: mergeMetadata({}, terms.metadata),
        discounts: (discounts ?? []) as PhaseBody['discounts'],
        proration: terms.proration_behavior ?? 'create_prorations',
        settings: {
          ...((await settingsFrom(tx, terms)) as Partial<PhaseBody>),
          collection_method: terms.collection_method ?? null,
          default_payment_method: terms.default_payment_method ?? null,
          description: terms.description || null,
          trial_end: terms.trial_end ?? null,
          billing_cycle_anchor: terms.billing_cycle_anchor ?? null,
        },
      }),
    );
  }
  return phases;
}

/** The phase that runs may end at another time than before. */
function runningPhase({ phases, current_phase: current }: ScheduleBody): ScheduleBody['current_phase'] {
  const running = phases.find(({ start_date: at }) => at === current?.start_date);
  return running ? { start_date: running.start_date, end_date: running.end_date } : current;
}

/** A change of the phase that runs is a change of the subscription. */
async function takeCurrentPhase(call: Call, { phases, current_phase: current, subscription }: ScheduleBody) {
  const running = phases.find(({ start_date: at }) => at === current?.start_date);
  if (!running) return;
  const stored = await call.tx.get(subscriptions, idOf(subscription) ?? '', 'subscription');
  const before = structuredClone(stored.body);
  await takePhase(call, stored, running);
  await call.tx.save(subscriptions, stored);
  const changed = changedFields(before, stored.body);
  if (Object.keys(changed).length > 0) await call.emit('customer.subscription.updated', stored.body, changed);
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
    const settings = phaseSettingsOf(subscription.body);
    const body = buildSchedule(mockId(schedules.prefix), subscription.body, settings, nowS);
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
    if (params.phases) {
      stored.body.phases = await phasesFrom(call, params.phases, before);
      stored.body.current_phase = runningPhase(stored.body);
    }
    await takeCurrentPhase(call, stored.body);
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
