import { invalidRequest } from '../http/errors.js';
import { mergeMetadata } from '../http/params.js';
import { isMetered, subscribablePrice } from '../objects/price.js';
import { type StoredSchedule, schedules } from '../objects/schedule.js';
import {
  buildItem,
  periodOfNew,
  planOf,
  type StoredSubscription,
  subscriptions,
} from '../objects/subscription.js';
import type { Change } from '../operation.js';
import { idOf, type PhaseBody, type SubscriptionItemBody } from '../wire.js';
import { setDiscounts } from './discounts.js';
import { takeSettings } from './settings.js';

/** @throws MockStripeError for a schedule that has ended, which can no longer be changed */
export function requireRunning({ body }: StoredSchedule, what: string): void {
  if (body.status === 'active' || body.status === 'not_started') return;
  throw invalidRequest(
    `You cannot ${what} a subscription schedule that is currently in the \`${body.status}\` status.`,
  );
}

/** Lets a subscription go: it stays as it is, and nothing more is scheduled for it. */
export async function releaseSchedule(change: Change, schedule: StoredSchedule): Promise<void> {
  const { tx, nowS, emit } = change;
  const { body } = schedule;
  const subscription = await tx.get(subscriptions, idOf(body.subscription) ?? '', 'subscription');
  subscription.body.schedule = null;
  await tx.save(subscriptions, subscription);
  await closeReleased(change, schedule, nowS);
  await emit('customer.subscription.updated', subscription.body, { schedule: body.id });
}

async function closeReleased({ tx, emit }: Change, schedule: StoredSchedule, nowS: number): Promise<void> {
  const { body } = schedule;
  body.released_subscription = idOf(body.subscription);
  body.subscription = null;
  body.status = 'released';
  body.released_at = nowS;
  body.current_phase = null;
  await tx.save(schedules, schedule);
  await emit('subscription_schedule.released', body);
}

/** The subscription ended: so does its schedule. */
export async function cancelScheduleOf(
  { tx, nowS, emit }: Change,
  stored: StoredSubscription,
): Promise<void> {
  const id = idOf(stored.body.schedule);
  const schedule = id ? await tx.find(schedules, id) : null;
  if (!schedule) return;
  schedule.body.status = 'canceled';
  schedule.body.canceled_at = nowS;
  schedule.body.current_phase = null;
  await tx.save(schedules, schedule);
  await emit('subscription_schedule.canceled', schedule.body);
}

/** The items become those of the phase: one whose price goes on stays, another takes the place of one that goes. */
async function takeItems(
  { tx, nowS }: Change,
  { body }: StoredSubscription,
  phase: PhaseBody,
): Promise<void> {
  const going = [...body.items.data];
  const take = (fits: (item: SubscriptionItemBody) => boolean) => {
    const index = going.findIndex(fits);
    return index < 0 ? null : (going.splice(index, 1)[0] ?? null);
  };
  const items: SubscriptionItemBody[] = [];
  for (const [index, wanted] of phase.items.entries()) {
    const price = await subscribablePrice(tx, idOf(wanted.price) ?? '', `items[${index}][price]`);
    const quantity = wanted.quantity ?? 1;
    const kept = take((item) => item.price.id === price.id);
    const replaced = kept ?? (isMetered(price) ? null : take((item) => isGoing(item, phase)));
    const { metadata, tax_rates, billing_thresholds } = wanted;
    const settings = { metadata: metadata ?? {}, tax_rates: tax_rates ?? [], billing_thresholds };
    items.push(
      replaced
        ? { ...replaced, price, plan: planOf(price), ...(isMetered(price) ? {} : { quantity }), ...settings }
        : buildItem(
            body.id,
            { price, quantity, metadata: metadata ?? {}, settings },
            periodOfNew(body, price, nowS),
            nowS,
          ),
    );
  }
  body.items.data = items;
}

const isGoing = ({ price }: SubscriptionItemBody, phase: PhaseBody): boolean =>
  !isMetered(price) && !phase.items.some((wanted) => idOf(wanted.price) === price.id);

/** Applies a phase to the subscription: what the phase does not name is unset. Saves nothing. */
export async function takePhase(change: Change, stored: StoredSubscription, phase: PhaseBody): Promise<void> {
  await takeItems(change, stored, phase);
  takeSettings(stored.body, phase);
  await setDiscounts(change, stored, phase.discounts.map(termsOf));
  stored.body.metadata = mergeMetadata(stored.body.metadata, phase.metadata ?? {});
}

const termsOf = ({ discount, coupon, promotion_code: code }: PhaseBody['discounts'][number]) => ({
  discount: idOf(discount) ?? undefined,
  coupon: idOf(coupon) ?? undefined,
  promotion_code: idOf(code) ?? undefined,
});

/** At the end of a period: the next phase's prices are what is renewed; after the last phase the schedule is over. */
export async function enterPhase(change: Change, stored: StoredSubscription): Promise<void> {
  const { tx, nowS, emit } = change;
  const id = idOf(stored.body.schedule);
  const schedule = id ? await tx.find(schedules, id) : null;
  if (!schedule?.body.current_phase || schedule.body.current_phase.end_date > nowS) return;
  const next = schedule.body.phases.find(
    ({ start_date: startS, end_date: endS }) => startS <= nowS && nowS < endS,
  );
  if (!next) {
    stored.body.schedule = null;
    await closeReleased(change, schedule, nowS);
    return;
  }
  await takePhase(change, stored, next);
  if (next.billing_cycle_anchor === 'phase_start') stored.body.billing_cycle_anchor = next.start_date;
  schedule.body.current_phase = { start_date: next.start_date, end_date: next.end_date };
  await tx.save(schedules, schedule);
  await emit('subscription_schedule.updated', schedule.body);
}
