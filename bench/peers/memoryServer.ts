/**
 * What the peers have in common: Apollo's standalone server with the type and the resolver of the metered operation,
 * as ours has them. It authenticates nobody, and takes the tenant from a header.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { limitDirectivesSdl } from '@continuum-billing/limits';
import type { Storable } from '@continuum-billing/limits/core';
import { MapperKind, mapSchema } from '@graphql-tools/utils';
import { buildSchema, type GraphQLResolveInfo, type GraphQLScalarType, type GraphQLSchema } from 'graphql';
import type { Connection } from 'mongoose';
import { pino } from 'pino';
import { connectDatabase } from '../../src/database.js';
import { createModels } from '../../src/models/models.js';
import { toMemory } from '../../src/resolvers/mappers.js';
import { BigIntScalar, DateTimeScalar, JsonObjectScalar } from '../../src/schema/scalars.js';
import { createStorage } from '../../src/services/limits/storage/storage.js';
import { LARGE_FIELDS } from '../../src/services/memories/boundedReads.js';
import { createMemories, memoryDocument } from '../../src/services/memories/memories.js';
import { serveStandalone } from './standalone.js';

const TYPES = /* GraphQL */ `
  scalar BigInt
  scalar DateTime
  scalar JSONObject
  type Memory {
    id: ID!
    content: String!
    embedding: [Float!]
    metadata: JSONObject
    bytes: BigInt!
    shared: Boolean!
    createdAt: DateTime!
  }
  input StoreMemoryInput {
    content: String!
    embedding: [Float!]
    metadata: JSONObject
  }
  type Query {
    memory(id: ID!): Memory @rateLimited
  }
  type Mutation {
    storeMemory(input: StoreMemoryInput!): Memory!
  }
`;

const SCALARS: Record<string, GraphQLScalarType> = {
  BigInt: BigIntScalar,
  DateTime: DateTimeScalar,
  JSONObject: JsonObjectScalar,
};

export interface PeerContext {
  tenantId: string;
  headers: IncomingHttpHeaders;
}

export interface Enforced {
  schema: GraphQLSchema;
  plugins: ApolloServerPlugin<PeerContext>[];
}

/** Comes before the resolver. @throws when the call is rejected */
export type Guard = (args: object, context: PeerContext, info: GraphQLResolveInfo) => Promise<void>;

export interface PeerSettings {
  mongodbUri: string;
  /** Calls of a tenant in the peer's window. */
  limit: number;
}

const log = pino({ level: 'silent' });
const clock = { now: Date.now };
const UNBOUNDED = { fields: LARGE_FIELDS, budget: { read: () => undefined } };

/** Serves the metered operation. The parent gives the settings as the one argument, in JSON. */
export async function serveMemories(
  createGuard?: (connection: Connection, settings: PeerSettings) => Guard,
  enforce?: (schema: GraphQLSchema, settings: PeerSettings) => Promise<Enforced>,
): Promise<void> {
  const settings = JSON.parse(process.argv[2] as string) as PeerSettings;
  const models = createModels(await connectDatabase(settings.mongodbUri, log));
  const guard = createGuard?.(models.connection, settings);
  const memories = createMemories({
    // Its requests have no keys.
    idempotencyKeys: { complete: async () => undefined, completed: () => undefined },
    models,
    clock,
    storage: createStorage({ models, clock }),
    alone: (_tenants, work) => work(),
    stored: () => undefined,
  });
  const memory = async (_: unknown, args: { id: string }, context: PeerContext, info: GraphQLResolveInfo) => {
    await guard?.(args, context, info);
    const found = await memories.find(context.tenantId, args.id, UNBOUNDED);
    return found && toMemory(found);
  };
  const storeMemory = async (_: unknown, { input }: { input: Storable }, { tenantId }: PeerContext) => {
    const doc = memoryDocument(tenantId, input, new Date(clock.now()));
    await models.memories.collection.insertOne(doc as never);
    return toMemory(doc);
  };
  const plain = mapSchema(buildSchema(`${limitDirectivesSdl}${TYPES}`), {
    [MapperKind.SCALAR_TYPE]: (type) => SCALARS[type.name] ?? type,
    [MapperKind.QUERY_ROOT_FIELD]: (field) => ({ ...field, resolve: memory }),
    [MapperKind.MUTATION_ROOT_FIELD]: (field) => ({ ...field, resolve: storeMemory }),
  });
  const { schema, plugins } = (await enforce?.(plain, settings)) ?? { schema: plain, plugins: [] };
  const server = new ApolloServer<PeerContext>({
    schema,
    plugins,
    includeStacktraceInErrorResponses: false,
  });
  await serveStandalone(server, ({ headers }) => ({ tenantId: String(headers['x-tenant']), headers }));
}
