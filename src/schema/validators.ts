import { ValidateBy, type ValidationOptions } from 'class-validator';

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

/** A count that JSON and BSON hold exactly. */
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

const MAX_JSON_DEPTH = 100;

/** Iterative: what is nested too deep must not overflow the stack that looks for it. */
function isDeeperThan(value: unknown, max: number): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > max) return true;
    level = level.flatMap((item) => (item !== null && typeof item === 'object' ? Object.values(item) : []));
  }
  return false;
}

/** All finite: JSON has no infinity. */
export const IsFiniteNumbers = () =>
  ValidateBy({
    name: 'isFiniteNumbers',
    validator: {
      validate: (value) => Array.isArray(value) && value.every(Number.isFinite),
      defaultMessage: () => 'must have finite numbers only',
    },
  });

/** An object that takes at most `max` bytes as JSON. */
export const MaxJsonBytes = (max: number) =>
  ValidateBy({
    name: 'maxJsonBytes',
    validator: {
      validate: (value) =>
        !isDeeperThan(value, MAX_JSON_DEPTH) && Buffer.byteLength(JSON.stringify(value)) <= max,
      defaultMessage: () => `must have at most ${max} bytes as JSON, nested at most ${MAX_JSON_DEPTH} deep`,
    },
  });

/** Not only white space. */
export const IsFilled = () =>
  ValidateBy({
    name: 'isFilled',
    validator: {
      validate: (value) => typeof value === 'string' && value.trim().length > 0,
      defaultMessage: () => 'must not be empty',
    },
  });
