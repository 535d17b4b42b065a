const MODE = /^[a-z]+_(test|live)_/;

/**
 * Whether a secret key belongs to Stripe's live mode: objects and events of the other mode are none of this server's.
 * @returns null for a key that does not say
 */
export function isLiveKey(secretKey: string): boolean | null {
  const mode = MODE.exec(secretKey)?.[1];
  return mode === undefined ? null : mode === 'live';
}
