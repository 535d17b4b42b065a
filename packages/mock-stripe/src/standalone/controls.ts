import Stripe from 'stripe';
import { z } from 'zod';
import { invalidRequest } from '../http/errors.js';
import type { MockStripe } from '../mockStripe.js';

const MAX_ADVANCE_S = 400 * 86_400;

const clockBody = z.strictObject({ advanceSeconds: z.int().min(1).max(MAX_ADVANCE_S) });
const triggerBody = z.strictObject({
  event: z.string().max(100),
  customer: z.string().max(100).optional(),
  price: z.string().max(100).optional(),
});

/** What a developer or a test does to the mock that no call to Stripe's API can do, by path. The bodies are JSON. */
export function controlRoutes(
  mock: MockStripe,
  defaultPrice: string | undefined,
): Record<string, (body: string) => Promise<object>> {
  const stripe = new Stripe('sk_test_controls', {
    httpClient: Stripe.createFetchHttpClient(mock.fetch),
    telemetry: false,
  });
  const newCustomer = async () => (await stripe.customers.create({ description: 'Created by a trigger' })).id;

  return {
    async '/mock/clock'(body) {
      const { advanceSeconds } = parse(clockBody, body);
      const { now } = await mock.advanceClock(advanceSeconds);
      return { now: now.toISOString(), advancedSeconds: advanceSeconds };
    },
    async '/mock/trigger'(body) {
      const { event, customer = await newCustomer(), price = defaultPrice } = parse(triggerBody, body);
      await mock.trigger.run(event, {
        customer,
        items() {
          if (!price) throw invalidRequest('This event needs a price to subscribe to.', { param: 'price' });
          return [{ price }];
        },
      });
      return { event, customer };
    },
  };
}

function parse<Schema extends z.ZodType>(schema: Schema, body: string): z.infer<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw invalidRequest('The body must be JSON.');
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw invalidRequest(z.prettifyError(parsed.error));
}
