import { type BillingErrorCode, isBillingError } from '@continuum-billing/client';
import { type BillingContext, useBillingContext } from './BillingProvider.js';

/** An error for people who know neither keys nor the API. */
export interface Explanation {
  title: string;
  /** What the payment provider said. The other messages of the server name fields of the API. */
  message: string;
  advice: string;
  /** By which the server's log names the request. */
  requestId: string | null;
}

/** @returns how many seats are needed for what is stored, if that is what an error says */
export function seatsNeeded(error: unknown): number | null {
  if (!isBillingError(error)) return null;
  const needed = (error.details as { seatsNeeded?: unknown }).seatsNeeded;
  return typeof needed === 'number' ? needed : null;
}

/** `useExplanation` outside a BillingProvider: the words of an error, in given texts and formats. */
export function explanationOf(
  error: unknown,
  { texts, formats }: Pick<BillingContext, 'texts' | 'formats'>,
): Explanation {
  const needed = seatsNeeded(error);
  if (needed !== null) {
    const title = texts.seatsNeeded(needed, formats.number(needed));
    return { title, message: '', advice: texts.seatsNeededAdvice, requestId: null };
  }
  const code: BillingErrorCode | 'OTHER' = isBillingError(error) ? error.code : 'OTHER';
  const [title, advice] = texts.errors[code] ?? texts.errors.OTHER;
  const message = isBillingError(error, 'PAYMENT_PROVIDER_ERROR') ? sentence(error.message) : '';
  return { title, message, advice, requestId: isBillingError(error) ? error.requestId : null };
}

/** The API's messages have no full stop. */
const sentence = (text: string): string => (/[.!?…]$/.test(text) ? text : `${text}.`);

export const useExplanation = (error: unknown): Explanation => explanationOf(error, useBillingContext());
