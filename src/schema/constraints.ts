import { z } from 'zod';

/**
 * The constraints of one property, in the order in which they are checked: decorators apply from the bottom up, so the
 * lowest one is first.
 */
type Constraints = z.ZodType[];

const constraints = new Map<object, Map<string, Constraints>>();

/** @returns the constraints of a class by property, inherited ones included */
export function constraintsOf(type: new () => object): ReadonlyMap<string, readonly z.ZodType[]> {
  const found = new Map<string, Constraints>();
  for (let prototype = type.prototype; prototype; prototype = Object.getPrototypeOf(prototype)) {
    for (const [property, own] of constraints.get(prototype) ?? [])
      found.set(property, [...(found.get(property) ?? []), ...own]);
  }
  return found;
}

/** A property of an input class must satisfy the schema. Null and absent values are GraphQL's concern. */
const Constraint =
  (schema: z.ZodType): PropertyDecorator =>
  (prototype, property) => {
    const own = constraints.get(prototype) ?? new Map<string, Constraints>();
    constraints.set(prototype, own);
    own.set(String(property), [...(own.get(String(property)) ?? []), schema]);
  };

/** @param message what is wrong with a value that is not valid, without a subject: `must be …` */
export const Satisfies = (isValid: (value: unknown) => boolean, message: string) =>
  Constraint(z.unknown().refine(isValid, message));

export const MaxLength = (max: number) =>
  Constraint(z.string().max(max, `must have at most ${max} characters`));

/** Each item of a list of strings. */
export const MaxLengthEach = (max: number) =>
  Constraint(z.array(z.string().max(max, `must have at most ${max} characters`)));

export const Min = (min: number, message = `must be at least ${min}`) =>
  Constraint(z.number().min(min, message));

export const Max = (max: number, message = `must be at most ${max}`) =>
  Constraint(z.number().max(max, message));

export const IsInt = () => Satisfies(Number.isInteger, 'must be a whole number');

/** @param items what the list contains, as its message says: `numbers` */
export const MinItems = (min: number, items = min === 1 ? 'item' : 'items') =>
  Satisfies((value) => Array.isArray(value) && value.length >= min, `must have at least ${min} ${items}`);

/** @param items what the list contains, as its message says: `numbers` */
export const MaxItems = (max: number, items = 'items') =>
  Satisfies((value) => Array.isArray(value) && value.length <= max, `must have at most ${max} ${items}`);

export const Matches = (pattern: RegExp, message: string) => Constraint(z.string().regex(pattern, message));

/**
 * Letters of any alphabet, plus-addresses and subdomains; no quoted names and no bare host names. The length is bounded
 * first, because the rest takes more than linear time.
 */
const EMAIL =
  /^(?=[^\n]{3,320}$)(?=[^@]{1,64}@)[^\s@<>()[\]\\,;:".]+(?:\.[^\s@<>()[\]\\,;:".]+)*@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+(?:\p{L}{2,}|xn--[a-z\d-]+)$/iu;

/** zod's own pattern knows ASCII only. */
export const IsEmail = () => Constraint(z.email({ pattern: EMAIL, error: 'must be an e-mail address' }));

const MAX_URL_LENGTH = 2048;

/** An absolute http or https URL, localhost included. */
export const IsHttpUrl = () =>
  Satisfies((value) => {
    if (typeof value !== 'string' || value.length > MAX_URL_LENGTH || !URL.canParse(value)) return false;
    // The parser drops line breaks, and would make another URL of the rest.
    if (/[\s\p{Cc}]/u.test(value)) return false;
    const { protocol, username, password } = new URL(value);
    return (protocol === 'http:' || protocol === 'https:') && !username && !password;
  }, `must be an absolute http or https URL of at most ${MAX_URL_LENGTH} characters`);

/** A count that JSON and BSON represent exactly. */
export const IsCount = (max = Number.MAX_SAFE_INTEGER) =>
  Satisfies(
    (value) => Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= max,
    `must be a whole number from 0 to ${max}`,
  );

export const MaxBytes = (max: number) =>
  Satisfies(
    (value) => typeof value === 'string' && Buffer.byteLength(value) <= max,
    `must have at most ${max} bytes of UTF-8`,
  );

/** Only finite numbers: JSON has no infinity. */
export const IsFiniteNumbers = () =>
  Satisfies(
    (value) => Array.isArray(value) && value.every(Number.isFinite),
    'must contain only finite numbers',
  );

/** An object that takes at most `max` bytes as JSON. Its depth has been checked before. */
export const MaxJsonBytes = (max: number) =>
  Satisfies(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= max,
    `must have at most ${max} bytes as JSON`,
  );

/** At least one character that is not white space. */
export const IsFilled = () =>
  Satisfies((value) => typeof value === 'string' && value.trim().length > 0, 'must not be empty');

/** Line breaks and other control characters, and those that turn the direction of what follows them. */
const UNSHOWN = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** A name that a page or a log shows in one line, as it is. */
export const IsName = (maxLength: number) =>
  Constraint(
    z
      .string()
      .max(maxLength, `must have at most ${maxLength} characters`)
      .refine((text) => text.trim().length > 0, 'must not be empty')
      .refine(
        (text) => !UNSHOWN.test(text),
        'must have no line breaks, control characters or marks of direction',
      ),
  );

export const IDEMPOTENCY_KEY_DESCRIPTION =
  'Idempotency key, 1 to 100 printable ASCII characters without spaces. If the same request is repeated with the same key within 24 hours, it gets the first response again, and nothing is charged or changed.';
export const IDEMPOTENCY_KEY_PROBLEM = 'must have 1 to 100 printable ASCII characters without spaces';

export const isIdempotencyKey = (value: unknown): boolean =>
  typeof value === 'string' && /^[\x21-\x7e]{1,100}$/.test(value);

export const IsIdempotencyKey = () => Satisfies(isIdempotencyKey, IDEMPOTENCY_KEY_PROBLEM);
