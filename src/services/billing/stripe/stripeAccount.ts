import Stripe from 'stripe';

/** A start waits for Stripe only this long. */
const REQUEST = { timeout: 3_000, maxNetworkRetries: 0 };

/**
 * Reads the account that the key belongs to. A restricted key may not be allowed to, but then Stripe's rejection names
 * the account.
 * @returns the account's id, and the account itself if the key may read it
 * @throws the errors of Stripe's SDK
 */
export async function readAccount(stripe: Stripe): Promise<{ id: string; account: Stripe.Account | null }> {
  try {
    const account = await stripe.accounts.retrieveCurrent({}, REQUEST);
    return { id: account.id, account };
  } catch (error) {
    const isDenied = error instanceof Stripe.errors.StripePermissionError;
    const named = isDenied ? /\baccount '(acct_\w+)'/.exec(error.message)?.[1] : undefined;
    if (named) return { id: named, account: null };
    throw error;
  }
}
