/** Apollo's standalone server with fields as ours has them, whose resolvers do nothing: what Apollo alone takes for a request. */
import { ApolloServer } from '@apollo/server';
import { MapperKind, mapSchema } from '@graphql-tools/utils';
import { buildSchema, type GraphQLScalarType } from 'graphql';
import { BigIntScalar, DateTimeScalar } from '../../src/schema/scalars.js';
import { serveStandalone } from './standalone.js';

const TYPES = /* GraphQL */ `
  scalar BigInt
  scalar DateTime
  input ConsumeInput {
    endpoint: String!
    cost: Int! = 1
    tenantId: ID
    externalId: ID
    idempotencyKey: String
  }
  type ConsumeResult {
    allowed: Boolean!
    remaining: BigInt!
    resetsAt: DateTime!
  }
  type Mutation {
    consume(input: ConsumeInput!): ConsumeResult
  }
  type Brand {
    productName: String!
    upgradeUrl: String!
  }
  type Query {
    brand: Brand!
  }
`;

const SCALARS: Record<string, GraphQLScalarType> = { BigInt: BigIntScalar, DateTime: DateTimeScalar };

const CONSUMED = { allowed: true, remaining: 1_000_000_000, resetsAt: new Date() };
const BRAND = { productName: 'Continuum', upgradeUrl: 'http://localhost/upgrade' };

const schema = mapSchema(buildSchema(TYPES), {
  [MapperKind.SCALAR_TYPE]: (type) => SCALARS[type.name] ?? type,
  [MapperKind.MUTATION_ROOT_FIELD]: (field) => ({ ...field, resolve: async () => CONSUMED }),
  [MapperKind.QUERY_ROOT_FIELD]: (field) => ({ ...field, resolve: () => BRAND }),
});

await serveStandalone(new ApolloServer({ schema, includeStacktraceInErrorResponses: false }), () => ({}));
