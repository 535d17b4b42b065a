// A GraphQL API that knows its users, and sells them calls: Apollo Server, a schema in SDL, and JWTs that it verifies itself.
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { createBillingClient } from '@continuum-billing/client';
import {
  apolloLimits,
  enforceLimits,
  limitDirectivesSdl,
  remoteLimits,
  tenantOf,
} from '@continuum-billing/limits';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { GraphQLError } from 'graphql';
import { userOf } from './users.mjs';

const {
  BILLING_URL = 'http://127.0.0.1:4000',
  SERVICE_KEY = '',
  SIGN_UP_KEY = '',
  PORT = '4002',
} = process.env;

/** Creates tenants, and can do nothing else: its key has the role PROVISION. */
const billing = createBillingClient({ url: BILLING_URL, apiKey: SIGN_UP_KEY });

const typeDefs = `${limitDirectivesSdl}
  type Lamp { id: ID! }
  type Account { organization: String!  tier: String! }
  type Query {
    account: Account                                          # free, so that it works at every limit
    lamp(id: ID!): Lamp @rateLimited
    lamps(ids: [ID!]!): [Lamp!]! @rateLimited(cost: 2)        # 2 for each id
    forecast: String @rateLimited @requiresFeature(feature: FEDERATION)
  }
  type Mutation {
    signUp: Account
  }`;

const resolvers = {
  Query: {
    account(_parent, _args, context, info) {
      const tenant = tenantOf(context, info);
      return tenant && { organization: context.user?.organization, tier: tenant.tier };
    },
    lamp: (_parent, { id }) => ({ id }),
    lamps: (_parent, { ids }) => ids.map((id) => ({ id })),
    forecast: () => 'bright',
  },
  Mutation: {
    /** May be repeated: an organisation has one tenant. */
    async signUp(_parent, _args, { user }) {
      if (!user) throw new GraphQLError('Sign in first', { extensions: { code: 'UNAUTHENTICATED' } });
      const { organization } = user;
      const { tenant } = await billing.createTenant({ externalId: organization, name: organization });
      return { organization, tier: tenant?.tier.name };
    },
  },
};

const limits = await remoteLimits({
  url: BILLING_URL,
  serviceKey: SERVICE_KEY,
  // Without billing nobody knows what a caller has paid for.
  whenAway: 'refuse',
});
const schema = enforceLimits(makeExecutableSchema({ typeDefs, resolvers }), {
  limits,
  identify: (context) => {
    const { user } = context;
    return user && { externalId: user.organization };
  },
});
const server = new ApolloServer({ schema, plugins: [apolloLimits()] });
const { url } = await startStandaloneServer(server, {
  listen: { port: Number(PORT), host: '127.0.0.1' },
  context: async ({ req }) => ({ user: await userOf(req.headers.authorization) }),
});
console.log(`Listening on ${url}`);
process.once('SIGTERM', async () => {
  await server.stop();
  await limits.close();
});
