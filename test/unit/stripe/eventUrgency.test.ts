import { expect, it } from 'vitest';
import { EventUrgency } from '../../../src/models/webhookEvent.js';
import { subscriptionOf } from '../../../src/services/billing/inbox/eventTarget.js';
import { urgencyOf } from '../../../src/services/billing/inbox/eventUrgency.js';
import { received, thinOf } from '../../support/stripeSide.js';

const { GRANTS, NEUTRAL, TAKES } = EventUrgency;
const eventOf = (type: string, object: object, changed: object = {}) =>
  received({ id: 'evt_1', object: 'event', type, data: { object, previous_attributes: changed } });

it.each([
  ['invoice.payment_succeeded', {}, {}, GRANTS],
  ['checkout.session.completed', {}, {}, GRANTS],
  ['customer.subscription.created', { status: 'active' }, {}, GRANTS],
  ['customer.subscription.created', { status: 'past_due' }, {}, TAKES],
  ['customer.subscription.updated', { status: 'active' }, { status: 'past_due' }, GRANTS],
  ['customer.subscription.updated', { status: 'active' }, { items: {} }, GRANTS],
  ['customer.subscription.updated', { status: 'active' }, { cancel_at_period_end: false }, NEUTRAL],
  ['customer.subscription.updated', { status: 'unpaid' }, { status: 'past_due' }, TAKES],
  ['customer.subscription.updated', {}, {}, NEUTRAL],
  ['customer.subscription.deleted', { status: 'canceled' }, {}, TAKES],
  ['customer.deleted', {}, {}, TAKES],
  ['invoice.payment_failed', {}, {}, TAKES],
  ['charge.refunded', {}, {}, TAKES],
  ['invoice.finalized', {}, {}, NEUTRAL],
  ['customer.updated', { status: 'active' }, { status: 1 }, NEUTRAL],
])('%s of %o after %o is %i', (type, object, changed, expected) => {
  expect(urgencyOf(eventOf(type, object, changed))).toBe(expected);
});

it('of a thin event follows from its type alone', () => {
  const related = { id: 'sub_1', type: 'subscription' };
  expect(urgencyOf(thinOf('evt_1', 'v1.customer.subscription.deleted', related))).toBe(TAKES);
  expect(urgencyOf(thinOf('evt_1', 'v1.customer.subscription.updated', related))).toBe(NEUTRAL);
});

it.each([
  ['customer.subscription.updated', { id: 'sub_1', created: 60 }, 'sub_1', 60],
  ['customer.subscription.updated', { id: 'sub_1', created: 60, test_clock: 'clock_1' }, 'sub_1', null],
  ['customer.subscription.updated', { id: 'sub_1', created: 'now' }, 'sub_1', null],
  ['customer.subscription.updated', { id: 'sub_1', created: 1e300 }, 'sub_1', null],
  ['invoice.finalized', { parent: { subscription_details: { subscription: 'sub_2' } } }, 'sub_2', null],
  ['invoice.finalized', { id: 'in_1', created: 60, subscription: 'sub_3' }, 'sub_3', null],
  ['invoice.finalized', { parent: 'none' }, null, null],
  ['invoice.finalized', { subscription: 'not an id' }, null, null],
  ['checkout.session.completed', { subscription: { id: 'sub_4' } }, 'sub_4', null],
  ['subscription_schedule.released', { released_subscription: 'sub_5' }, 'sub_5', null],
  ['customer.updated', { id: 'cus_1', created: 60 }, null, null],
])('%s with %o concerns the subscription %s, created at %s', (type, object, id, createdS) => {
  const createdAt = createdS === null ? null : new Date(createdS * 1000);
  expect(subscriptionOf(eventOf(type, object))).toEqual({ id, createdAt });
});
