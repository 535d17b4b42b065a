import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** @returns 24 random letters and digits, as long as the tail of a Stripe id. */
function tail(): string {
  let text = '';
  for (const byte of randomBytes(24)) text += ALPHABET[byte % ALPHABET.length];
  return text;
}

/** @param prefix Stripe's prefix for the kind, such as `cus`; `mock` in the id shows that it is not Stripe's. */
export const mockId = (prefix: string): string => `${prefix}_mock_${tail()}`;
export const requestId = (): string => `req_mock_${tail()}`;
