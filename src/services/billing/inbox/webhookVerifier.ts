import Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { type BillingError, badInput } from '../../../common/errors.js';
import { type ReceivedEvent, readEvent } from './receivedEvent.js';
import type { Rejection, Rejections } from './rejections.js';

const TOLERANCE_S = 300;

/** Makes an event of a webhook's body. */
export type WebhookVerifier = (body: Buffer, signature: string | undefined) => ReceivedEvent;

/**
 * @returns a verifier that throws BAD_USER_INPUT for a bad signature, a timestamp that is not within 300 s, or a body
 *   that is no event, and counts what it refuses
 */
export function createWebhookVerifier(deps: {
  clock: Clock;
  /** Any of them may have signed: one more than one only while they are exchanged. */
  secrets: () => readonly string[];
  rejections: Rejections;
  /** Mock mode only: a developer may post events by hand. */
  acceptUnsigned: boolean;
}): WebhookVerifier {
  const { clock, secrets, rejections, acceptUnsigned } = deps;
  // Only the SDK's check of signatures is used: it calls nobody and needs no key.
  const checker = new Stripe('sk_unused').webhooks.signature as NonNullable<Stripe['webhooks']['signature']>;

  function refused(why: Rejection, argument: string, problem: string): BillingError {
    rejections.count(why);
    return badInput(argument, problem);
  }

  function isSignedBy(secret: string, body: Buffer, signature: string): boolean {
    try {
      // Its own check of the time is left out: it lets the future pass, and does not tell which of both was wrong.
      return checker.verifyHeader(body, signature, secret, 0);
    } catch {
      return false;
    }
  }

  function checkSignature(body: Buffer, signature: string): void {
    if (!secrets().some((secret) => isSignedBy(secret, body, signature)))
      throw refused('signature', 'stripe-signature', 'does not fit the body or the secret');
    // The one that the SDK takes: the last that is given.
    const timestampS = Number.parseInt(/^(?:.*,)?t=([^,]*)/.exec(signature)?.[1] ?? '', 10);
    const offS = timestampS - Math.floor(clock.now() / 1000);
    if (!(Math.abs(offS) <= TOLERANCE_S)) {
      const when = offS > 0 ? 'of the future' : 'that is too old';
      throw refused('timestamp', 'stripe-signature', `has a timestamp ${when}`);
    }
  }

  return (body, signature) => {
    if (signature !== undefined) checkSignature(body, signature);
    else if (!acceptUnsigned) throw refused('signature', 'stripe-signature', 'is missing');
    try {
      return readEvent(body.toString('utf8'));
    } catch (error) {
      throw refused('body', 'body', (error as Error).message);
    }
  };
}
