import { pino } from 'pino';
import { expect, it } from 'vitest';
import { serviceUnavailable } from '../../../src/common/errors.js';
import { createStripeClient } from '../../../src/services/billing/stripe/stripeClient.js';
import { callingStripe } from '../../../src/services/billing/stripe/stripeErrors.js';
import { noMetrics } from '../../../src/services/infrastructure/metrics.js';

const log = pino({ level: 'silent' });

it.each([
  ['too many requests wait', serviceUnavailable('Too many requests wait')],
  ['the database is away', Object.assign(new Error('connection refused'), { name: 'MongoNetworkError' })],
])('while %s, Stripe is not blamed, nothing is sent, and the SDK does not ask again', async (_, cause) => {
  let asked = 0;
  const turns = {
    waiting: () => 0,
    take: async () => {
      asked += 1;
      throw cause;
    },
  };
  // Nobody listens there: a request that went out would be a lost connection.
  const config = { secretKey: 'sk_test_1', apiBase: new URL('http://127.0.0.1:9') };
  const stripe = createStripeClient(config, null, turns, noMetrics);
  const params = { email: 'ann@example.com' };
  await expect(callingStripe(log, 'ten_a', () => stripe.customers.create(params))).rejects.toBe(cause);
  expect(asked).toBe(1);
});
