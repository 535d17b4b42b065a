import Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { type BillingError, badInput } from '../../../common/errors.js';
import { type ReceivedEvent, readEvent } from './receivedEvent.js';
import type { Rejection, Rejections } from './rejections.js';

const TOLERANCE_S = 300;

/** Verifies a webhook's body and signature, and reads its event. */
export type WebhookVerifier = (body: Buffer, signature: string | undefined) => ReceivedEvent;

/**
 * @returns a verifier that throws BAD_USER_INPUT for a bad signature, a timestamp more than 300 s away, or a body that
 *   is not an event, and counts each rejection
 */
export function createWebhookVerifier(deps: {
  clock: Clock;
  /** Any of them may have signed; there is more than one only while they are rotated. */
  secrets: () => readonly string[];
  rejections: Rejections;
  /** Mock mode only: a developer may post events by hand. */
  acceptUnsigned: boolean;
}): WebhookVerifier {
  const { clock, secrets, rejections, acceptUnsigned } = deps;
  // Only the SDK's signature check is used, which makes no request and needs no key.
  const checker = new Stripe('sk_unused').webhooks.signature as NonNullable<Stripe['webhooks']['signature']>;

  function rejected(why: Rejection, argument: string, problem: string): BillingError {
    rejections.count(why);
    return badInput(argument, problem);
  }

  function isSignedBy(secret: string, body: Buffer, signature: string): boolean {
    try {
      // The SDK's tolerance is off: it accepts timestamps in the future, and its error does not say what was wrong.
      return checker.verifyHeader(body, signature, secret, 0);
    } catch {
      return false;
    }
  }

  function checkSignature(body: Buffer, signature: string): void {
    if (!secrets().some((secret) => isSignedBy(secret, body, signature)))
      throw rejected('signature', 'stripe-signature', 'does not match the body; check STRIPE_WEBHOOK_SECRET');
    // The last timestamp in the header, which is the one that the SDK uses.
    const timestampS = Number.parseInt(/^(?:.*,)?t=([^,]*)/.exec(signature)?.[1] ?? '', 10);
    const offS = timestampS - Math.floor(clock.now() / 1000);
    if (!(Math.abs(offS) <= TOLERANCE_S)) {
      const when = offS > 0 ? 'in the future' : 'in the past';
      throw rejected('timestamp', 'stripe-signature', `has a timestamp more than ${TOLERANCE_S} s ${when}`);
    }
  }

  return (body, signature) => {
    if (signature !== undefined) checkSignature(body, signature);
    else if (!acceptUnsigned) throw rejected('signature', 'stripe-signature', 'is missing');
    try {
      return readEvent(body.toString('utf8'));
    } catch (error) {
      throw rejected('body', 'body', (error as Error).message);
    }
  };
}
