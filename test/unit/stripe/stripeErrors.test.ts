import { describe, expect, it } from 'vitest';
import { describeFailure } from '../../../src/services/billing/stripe/stripeErrors.js';

describe('what an operator reads of a failure', () => {
  it.each([
    ['Invalid API Key provided: sk_live_51AbC', 'Invalid API Key provided: sk_…'],
    ['Invalid API Key provided: rk_test_********************1234', 'Invalid API Key provided: rk_…'],
    ['no whsec_abc fits', 'no whsec_… fits'],
    ['connect mongodb://user:pass@db:27017 failed', 'connect mongodb://…@db:27017 failed'],
    ['Subscription sub_1 has no price of a tier', 'Subscription sub_1 has no price of a tier'],
  ])('has no secrets: %s', (message, expected) => {
    expect(describeFailure(new Error(message))).toBe(expected);
  });

  it('names the request at Stripe', () => {
    expect(describeFailure(Object.assign(new Error('Too many requests'), { requestId: 'req_1' }))).toBe(
      'Too many requests (req_1)',
    );
  });

  it('is no longer than 500 characters, and is text whatever was thrown', () => {
    expect(describeFailure(new Error('x'.repeat(1_000)))).toHaveLength(500);
    expect(describeFailure('nothing')).toBe('nothing');
  });
});
