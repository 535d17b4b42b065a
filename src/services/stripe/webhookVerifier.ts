import Stripe from 'stripe';
import { z } from 'zod';
import type { Clock } from '../../clock.js';
import { badInput } from '../../errors.js';

/** The part of an event that is relied on; the rest is kept as it came. */
const eventSchema = z.looseObject({
  id: z.string().min(1).max(255),
  type: z.string().min(1).max(255),
  data: z.looseObject({ object: z.record(z.string(), z.unknown()) }),
});
export type ReceivedEvent = z.infer<typeof eventSchema>;

const TOLERANCE_S = 300;

/**
 * Makes an event of a webhook's body.
 * @throws BAD_USER_INPUT for a bad signature, a timestamp that is not within 300 s, or a body that is no event
 */
export function createWebhookVerifier(deps: {
  clock: Clock;
  secret: () => string;
  /** Mock mode only: a developer may post events by hand. */
  acceptUnsigned: boolean;
}): (body: Buffer, signature: string | undefined) => ReceivedEvent {
  const { clock, secret, acceptUnsigned } = deps;
  // Only the SDK's check of signatures is used: it calls nobody and needs no key.
  const { webhooks } = new Stripe('sk_unused');

  function checkSignature(body: Buffer, signature: string): void {
    const nowS = Math.floor(clock.now() / 1000);
    try {
      webhooks.constructEvent(body, signature, secret(), TOLERANCE_S, undefined, clock.now());
    } catch (error) {
      if (error instanceof Stripe.errors.StripeSignatureVerificationError) {
        throw badInput('stripe-signature', 'does not fit the body, the secret or the time');
      }
      // It also parses the body, once the signature was found good.
      throw badInput('body', 'is not a Stripe event');
    }
    // The SDK lets a timestamp of the future pass. It takes the last one that is given.
    const timestampS = Number.parseInt(/^(?:.*,)?t=([^,]*)/.exec(signature)?.[1] ?? '', 10);
    if (!(timestampS <= nowS + TOLERANCE_S))
      throw badInput('stripe-signature', 'has a timestamp of the future');
  }

  return (body, signature) => {
    if (signature !== undefined) checkSignature(body, signature);
    else if (!acceptUnsigned) throw badInput('stripe-signature', 'is missing');
    let json: unknown;
    try {
      json = JSON.parse(body.toString('utf8'));
    } catch {
      throw badInput('body', 'is not JSON');
    }
    const event = eventSchema.safeParse(json);
    if (!event.success) {
      const faults = event.error.issues.map((issue) => `${issue.path.join('.') || 'body'} ${issue.message}`);
      throw badInput('body', `is not a Stripe event: ${faults.join('; ')}`);
    }
    return event.data;
  };
}
