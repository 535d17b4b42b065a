import { describe, expect, it } from 'vitest';
import type { BillingSubscriptionDoc } from '../../src/models/billingSubscription.js';
import { billableTime } from '../../src/services/usage/overage/billableTime.js';

const at = (text: string) => Date.parse(`2026-11-${text}Z`);
const START = at('10T11:30:00');

/** A period from the 10th at 11:30, billed since then. */
function subscription(changes: Partial<BillingSubscriptionDoc> = {}): BillingSubscriptionDoc {
  return {
    overageItems: [{ id: 'si_1', priceId: 'price_1', since: new Date(at('01T00:00:00')) }],
    currentPeriodStart: new Date(START),
    currentPeriodEnd: new Date(at('30T11:30:00')),
    cancelAt: null,
    cancelAtPeriodEnd: false,
    ...changes,
  } as BillingSubscriptionDoc;
}
const timeOf = (
  used: string,
  now: string,
  changes: Partial<BillingSubscriptionDoc> = {},
  span: string | null = null,
) => {
  const known = { atMs: at(used), spanStartMs: span && at(span) } as Parameters<typeof billableTime>[0];
  return new Date(billableTime(known, subscription(changes), at(now))).toISOString().slice(8, 19);
};

describe('the time with which usage is reported', () => {
  it('is that of the use, as long as its invoice is open', () => {
    expect(timeOf('20T10:59:00', '20T11:00:10')).toBe('20T10:59:00');
    expect(timeOf('10T10:59:00', '10T11:59:00')).toBe('10T10:59:00');
  });

  it('is in the present period, once the invoice of the one before is closed', () => {
    expect(timeOf('10T10:59:00', '10T12:21:00')).toBe('10T11:30:00');
    expect(timeOf('02T10:59:00', '12T00:00:00')).toBe('10T11:30:00');
  });

  it('is not before the part that bills it', () => {
    const overageItems = [{ id: 'si_1', priceId: 'price_1', since: new Date(at('20T10:59:30')) }];
    expect(timeOf('20T10:59:00', '20T11:00:10', { overageItems })).toBe('20T10:59:30');
  });

  it('is in the period that has ended while its invoice is open, though another item bills the next one', () => {
    const overageItems = [{ id: 'si_2', priceId: 'price_2', since: new Date(START) }];
    const span = '01T00:00:00';
    expect(timeOf('10T11:29:59', '10T12:15:00', { overageItems }, span)).toBe('10T11:29:59');
    expect(timeOf('10T11:29:59', '10T12:21:00', { overageItems }, span)).toBe('10T11:30:00');
  });

  it('is before the end of the subscription', () => {
    expect(timeOf('20T11:59:00', '20T12:00:10', { cancelAt: new Date(at('20T11:30:00')) })).toBe(
      '20T11:29:59',
    );
    expect(timeOf('30T11:59:00', '30T12:00:10', { cancelAtPeriodEnd: true })).toBe('30T11:29:59');
    expect(timeOf('20T11:59:00', '20T12:00:10', { endedAt: new Date(at('20T11:40:00')) })).toBe(
      '20T11:39:59',
    );
  });

  it('is never ahead of ours, though Stripe’s clock be', () => {
    const overageItems = [{ id: 'si_1', priceId: 'price_1', since: new Date(at('25T00:00:00')) }];
    expect(timeOf('20T10:59:00', '20T11:00:10', { overageItems })).toBe('20T11:00:10');
  });

  it('is left as it is where no subscription bills overage', () => {
    expect(timeOf('02T10:59:00', '12T00:00:00', { overageItems: null })).toBe('02T10:59:00');
    expect(billableTime({ atMs: 5, spanStartMs: null }, null, 10)).toBe(5);
  });
});
