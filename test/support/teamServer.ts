import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { apolloLimits, enforceLimits, limitDirectivesSdl, yogaLimits } from '@continuum-billing/limits';
import type { Limits } from '@continuum-billing/limits/core';
import { buildSchema, execute, type GraphQLSchema, parse } from 'graphql';
import { ask, type GraphQLAnswer } from './server.js';

/** A team's own server, which uses the library. */
export interface TeamServer {
  /** null: it has none. */
  url: string | null;
  ask(query: string, key: string | null): Promise<GraphQLAnswer>;
  stop(): Promise<void>;
}

/** How often each resolver has run. */
export type Runs = Record<string, number>;

const SDL = /* GraphQL */ `
  type Query {
    free: Int
    lamp: Int @rateLimited
    lamps(ids: [ID!]!): Int @rateLimited(cost: 2)
    shade: Int @rateLimited @requiresFeature(feature: SEMANTIC_SEARCH)
    federated: Int @requiresFeature(feature: FEDERATION)
    seldom: Int @rateLimited(cost: 0, max: 2, window: "1h")
    rare: Int @rateLimited(cost: 0, max: 1, window: "1d")
    thing: Thing
    lampThing: Lamp
    things: [Thing!]!
    broken: Int @rateLimited
    slow: Int @rateLimited
  }
  interface Thing {
    id: ID
    weight: Int
    price: Int
  }
  type Lamp implements Thing {
    id: ID
    weight: Int @rateLimited(cost: 0, max: 3, window: "1h")
    price: Int @rateLimited(cost: 3)
  }
  type Bulb implements Thing {
    id: ID
    weight: Int
    price: Int @rateLimited
  }
  type Mutation {
    make(name: String): Int @rateLimited
    fail: Int @rateLimited
    mustFail: Int! @rateLimited
    makeWrong: Oddity! @rateLimited
    keep(lamp: LampInput!): Int @storageQuota(arg: "lamp", resource: "lamps")
    keepAll(lamps: [LampInput]): Int @storageQuota(arg: "lamps", resource: "lamps")
    keepBroken(lamp: LampInput!): Int @storageQuota(arg: "lamp", resource: "lamps")
    keepOddly(lamp: LampInput!): Oddity! @storageQuota(arg: "lamp", resource: "lamps")
  }
  input LampInput {
    name: String!
  }
  type Oddity {
    odd: Int!
  }
  type Subscription {
    ticks: Int @rateLimited(cost: 2)
  }
`;

/** @param slow ends the field of that name */
export function teamSchema(
  limits: Limits,
  runs: Runs = {},
  slow: () => Promise<void> = async () => {},
): GraphQLSchema {
  const schema = buildSchema(`${limitDirectivesSdl}\n${SDL}`);
  const counted =
    (name: string, value: unknown = 1) =>
    () => {
      runs[name] = (runs[name] ?? 0) + 1;
      return value;
    };
  const broken = (name: string) => () => {
    counted(name)();
    throw new Error('the lamp is broken');
  };
  const resolvers: Record<string, Record<string, (payload?: unknown) => unknown>> = {
    Query: {
      ...Object.fromEntries(
        ['free', 'lamp', 'lamps', 'shade', 'federated', 'seldom', 'rare'].map((name) => [
          name,
          counted(name),
        ]),
      ),
      thing: counted('thing', { __typename: 'Lamp', id: '1', price: 5, weight: 2 }),
      lampThing: counted('lampThing', { __typename: 'Lamp', weight: 2 }),
      things: counted('things', [
        { __typename: 'Lamp', price: 5 },
        { __typename: 'Bulb', price: 6 },
      ]),
      broken: broken('broken'),
      slow: async () => {
        await slow();
        return 1;
      },
    },
    Mutation: {
      make: counted('make'),
      fail: broken('fail'),
      mustFail: broken('mustFail'),
      makeWrong: counted('makeWrong', {}),
      keep: counted('keep'),
      keepAll: counted('keepAll'),
      keepBroken: broken('keepBroken'),
      keepOddly: counted('keepOddly', {}),
    },
    Oddity: { odd: broken('odd') },
    Subscription: { ticks: (payload) => payload },
  };
  for (const [type, fields] of Object.entries(resolvers)) {
    for (const [name, resolve] of Object.entries(fields)) {
      const field = (
        schema.getType(type) as never as { getFields(): Record<string, { resolve: unknown }> }
      ).getFields()[name];
      if (!field) throw new Error(`${type}.${name} is not in the schema`);
      field.resolve = resolve;
    }
  }
  const ticks = schema.getSubscriptionType()?.getFields().ticks;
  if (ticks) {
    ticks.subscribe = () => {
      counted('ticks')();
      return twoTicks();
    };
  }
  return enforceLimits(schema, { limits });
}

async function* twoTicks(): AsyncGenerator<number> {
  yield 1;
  yield 2;
}

export async function startApollo(schema: GraphQLSchema): Promise<TeamServer> {
  const server = new ApolloServer({
    schema,
    allowBatchedHttpRequests: true,
    plugins: [apolloLimits()],
    includeStacktraceInErrorResponses: false,
  });
  const { url } = await startStandaloneServer(server, { listen: { port: 0, host: '127.0.0.1' } });
  return { url, ask: (query, key) => ask(url, query, { key }), stop: () => server.stop() };
}

/** Not known to the compiler: its types would add the browser's, and its own to graphql's errors, in all files. */
const YOGA: string = 'graphql-yoga';

/** The parts of the package that tests use. */
interface YogaPackage {
  useExecutionCancellation(): object;
}

/** @param morePlugins given the package */
export async function startYoga(
  schema: GraphQLSchema,
  morePlugins: (yoga: YogaPackage) => object[] = () => [],
): Promise<TeamServer> {
  const loaded = await import(YOGA);
  const plugins = [yogaLimits(), ...morePlugins(loaded)];
  const yoga = loaded.createYoga({ schema, plugins, logging: false, batching: true });
  const server = createServer(yoga);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/graphql`;
  return {
    url,
    ask: (query, key) => ask(url, query, { key }),
    stop: () => closed(server),
  };
}

/** No server at all: graphql's own execution. */
export async function startPlain(schema: GraphQLSchema): Promise<TeamServer> {
  return {
    url: null,
    async ask(query, key) {
      const { data, errors = [] } = await execute({
        schema,
        document: parse(query),
        contextValue: { apiKey: key },
      });
      const status = (errors[0]?.extensions.http as { status?: number } | undefined)?.status ?? 200;
      return { status, headers: new Headers(), data, errors: errors as never };
    },
    async stop() {},
  };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
