import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { GraphQLBigInt, GraphQLDateTime } from 'graphql-scalars';

export { JsonObjectScalar } from './jsonObject.js';

/** The number of characters of a bad value that an error message quotes. */
const MAX_QUOTED = 60;
const NOT_SCALAR = 'a list or an object';

/**
 * Counts and bytes exceed 2^31, so Int cannot represent them. The code uses numbers, which are exact up to 2^53, where
 * the scalar of graphql-scalars would parse bigints. Strings of digits are accepted too, because JSON encoders of many
 * languages cannot write larger numbers.
 */
export const BigIntScalar = new GraphQLScalarType<number>({
  ...GraphQLBigInt.toConfig(),
  description:
    'A whole number from -(2^53 - 1) to 2^53 - 1, such as 5368709120: a number in JSON. A text of digits is accepted too.',
  serialize: wholeNumber,
  parseValue: wholeNumber,
  parseLiteral: (node) => wholeNumber(scalarOf(node)),
});

function wholeNumber(value: unknown): number {
  const number = typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
  // Adding 0 turns -0 into 0.
  if (Number.isSafeInteger(number)) return (number as number) + 0;
  throw new GraphQLError(`BigInt must be a whole number from -(2^53 - 1) to 2^53 - 1, not ${quoted(value)}`);
}

/** RFC 3339 without leap seconds. */
const DATE_TIME =
  /^(\d{4}-\d\d-\d\d)[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const MIN_TIME_MS = Date.parse('0001-01-01T00:00:00.000Z');
const MAX_TIME_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** Instants as RFC 3339 in UTC. The years 1 to 9999 are those that can also be printed. */
export const DateTimeScalar = new GraphQLScalarType<Date, string>({
  ...GraphQLDateTime.toConfig(),
  description:
    'An instant, such as "2026-11-26T10:15:30.000Z": a text in JSON. Responses are in UTC with milliseconds; arguments may have any offset. The years are 1 to 9999, and there are no leap seconds.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize(value) {
    if (value instanceof Date) return value.toISOString();
    throw new GraphQLError('DateTime can only serialize a Date');
  },
  parseValue: instant,
  parseLiteral: (node) => instant(scalarOf(node)),
});

function instant(value: unknown): Date {
  const [, day] = (typeof value === 'string' && DATE_TIME.exec(value)) || [];
  if (day && isDay(day)) {
    const date = new Date((value as string).toUpperCase());
    if (date.getTime() >= MIN_TIME_MS && date.getTime() <= MAX_TIME_MS) return date;
  }
  throw new GraphQLError(
    `DateTime must be an RFC 3339 date-time of the years 1 to 9999, such as 2026-11-26T10:15:30Z, not ${quoted(value)}`,
  );
}

/** Whether the calendar has this day: JavaScript reads 30 February as 2 March. */
function isDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00.000Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}

/** Shortens a long value, and never prints a nested one. */
function quoted(value: unknown): string {
  if (typeof value === 'object' && value !== null) return NOT_SCALAR;
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
}

/** The value that a literal would have if it were sent as a variable. */
function scalarOf(node: ValueNode): unknown {
  switch (node.kind) {
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.OBJECT:
    case Kind.LIST:
      return {};
    default:
      return 'value' in node ? node.value : null;
  }
}
