import { IsOptional, ValidateBy, type ValidationOptions } from 'class-validator';

const MAX_URL_LENGTH = 2048;

/** An absolute http or https URL, localhost included. */
export const IsHttpUrl = (options?: ValidationOptions) =>
  ValidateBy(
    {
      name: 'isHttpUrl',
      validator: {
        validate: (value) => {
          if (typeof value !== 'string' || value.length > MAX_URL_LENGTH || !URL.canParse(value))
            return false;
          const { protocol, username, password } = new URL(value);
          return (protocol === 'http:' || protocol === 'https:') && !username && !password;
        },
        defaultMessage: () => `must be an absolute http or https URL of at most ${MAX_URL_LENGTH} characters`,
      },
    },
    options,
  );

/** A count that JSON and BSON represent exactly. */
export const IsCount = (max = Number.MAX_SAFE_INTEGER) =>
  ValidateBy({
    name: 'isCount',
    validator: {
      validate: (value) => Number.isSafeInteger(value) && value >= 0 && value <= max,
      defaultMessage: () => `must be a whole number from 0 to ${max}`,
    },
  });

export const MaxBytes = (max: number) =>
  ValidateBy({
    name: 'maxBytes',
    validator: {
      validate: (value) => typeof value === 'string' && Buffer.byteLength(value) <= max,
      defaultMessage: () => `must have at most ${max} bytes of UTF-8`,
    },
  });

/** Only finite numbers: JSON has no infinity. */
export const IsFiniteNumbers = () =>
  ValidateBy({
    name: 'isFiniteNumbers',
    validator: {
      validate: (value) => Array.isArray(value) && value.every(Number.isFinite),
      defaultMessage: () => 'must contain only finite numbers',
    },
  });

/** An object that takes at most `max` bytes as JSON. Its depth has been checked before. */
export const MaxJsonBytes = (max: number) =>
  ValidateBy({
    name: 'maxJsonBytes',
    validator: {
      validate: (value) => Buffer.byteLength(JSON.stringify(value)) <= max,
      defaultMessage: () => `must have at most ${max} bytes as JSON`,
    },
  });

/** At least one character that is not white space. */
export const IsFilled = () =>
  ValidateBy({
    name: 'isFilled',
    validator: {
      validate: (value) => typeof value === 'string' && value.trim().length > 0,
      defaultMessage: () => 'must not be empty',
    },
  });

export const IDEMPOTENCY_KEY_DESCRIPTION =
  'Idempotency key, 1 to 100 printable ASCII characters without spaces. If the same request is repeated with the same key within 24 hours, it gets the first response again, and nothing is charged or changed.';
export const IDEMPOTENCY_KEY_PROBLEM = 'must have 1 to 100 printable ASCII characters without spaces';

export const isIdempotencyKey = (value: unknown): boolean =>
  typeof value === 'string' && /^[\x21-\x7e]{1,100}$/.test(value);

/** An optional idempotency key. */
export function IsIdempotencyKey(): PropertyDecorator {
  const isKey = ValidateBy({
    name: 'isIdempotencyKey',
    validator: { validate: isIdempotencyKey, defaultMessage: () => IDEMPOTENCY_KEY_PROBLEM },
  });
  return (target, property) => {
    IsOptional()(target, property as string);
    isKey(target, property as string);
  };
}
