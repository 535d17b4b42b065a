import { IsOptional, ValidateBy } from 'class-validator';

export const KEY_DESCRIPTION =
  'Idempotency key, 1 to 100 printable ASCII characters without spaces: the same request again within 24 hours is answered as the first one was, and charges and changes nothing.';
export const KEY_PROBLEM = 'must have 1 to 100 printable ASCII characters without spaces';

export const isIdempotencyKey = (value: unknown): boolean =>
  typeof value === 'string' && /^[\x21-\x7e]{1,100}$/.test(value);

/** An idempotency key, or none. */
export function IsIdempotencyKey(): PropertyDecorator {
  const isKey = ValidateBy({
    name: 'isIdempotencyKey',
    validator: { validate: isIdempotencyKey, defaultMessage: () => KEY_PROBLEM },
  });
  return (target, property) => {
    IsOptional()(target, property as string);
    isKey(target, property as string);
  };
}
