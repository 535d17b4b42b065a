import { GraphQLError, GraphQLScalarType, Kind, print } from 'graphql';
import { GraphQLBigInt, GraphQLDateTime, GraphQLJSONObject } from 'graphql-scalars';

/**
 * Counts and bytes pass 2^31, so they are no Int. Inside they are numbers, which are exact to 2^53; the library's own
 * parsing makes bigints of them, or warns of a missing JSON patch.
 */
export const BigIntScalar = new GraphQLScalarType<number>({
  ...GraphQLBigInt.toConfig(),
  serialize: wholeNumber,
  parseValue: wholeNumber,
  parseLiteral: (node) => wholeNumber(node.kind === Kind.INT ? node.value : print(node)),
});

function wholeNumber(value: unknown): number {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  if (Number.isSafeInteger(number)) return number as number;
  throw new GraphQLError(`BigInt must be a whole number below 2^53, not ${String(value)}`);
}

/** Instants, RFC 3339 in UTC. */
export const DateTimeScalar = GraphQLDateTime;
export const JsonObjectScalar = GraphQLJSONObject;
