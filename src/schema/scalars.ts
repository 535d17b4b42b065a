import { GraphQLBigInt, GraphQLDateTime, GraphQLJSONObject } from 'graphql-scalars';

/** Counts and bytes pass 2^31, so they are no Int. */
export const BigIntScalar = GraphQLBigInt;
/** Instants, RFC 3339 in UTC. */
export const DateTimeScalar = GraphQLDateTime;
export const JsonObjectScalar = GraphQLJSONObject;
