// A GraphQL API in code-first style, on GraphQL Yoga. It passes its users' tokens on, and billing verifies them.
import { createServer } from 'node:http';
import {
  enforceLimits,
  limitDirectives,
  remoteLimits,
  tenantOf,
  yogaLimits,
} from '@continuum-billing/limits';
import {
  buildASTSchema,
  GraphQLID,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql';
import { createYoga } from 'graphql-yoga';

const { BILLING_URL = 'http://127.0.0.1:4000', SERVICE_KEY = '', PORT = '4002' } = process.env;

const Lamp = new GraphQLObjectType({
  name: 'Lamp',
  fields: { id: { type: new GraphQLNonNull(GraphQLID) }, watts: { type: GraphQLInt } },
});
const Query = new GraphQLObjectType({
  name: 'Query',
  fields: {
    tier: {
      type: GraphQLString,
      // Free, so that it works at every limit. Without a limited field beside it, nobody is asked who calls.
      resolve: (_parent, _args, context, info) => tenantOf(context, info)?.tier,
    },
    lamps: {
      type: new GraphQLList(Lamp),
      args: { ids: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(GraphQLID))) } },
      resolve: (_parent, { ids }) => ids.map((id) => ({ id, watts: 5 })),
      // The same as @rateLimited(cost: 2) in SDL. Pothos, Nexus and TypeGraphQL write it from an option of their own.
      extensions: { directives: { rateLimited: { cost: 2 } } },
    },
    forecast: {
      type: GraphQLString,
      resolve: () => 'bright',
      extensions: { directives: { rateLimited: {}, requiresFeature: { feature: 'FEDERATION' } } },
    },
  },
});

const limits = await remoteLimits({ url: BILLING_URL, serviceKey: SERVICE_KEY, whenAway: 'refuse' });
const { directives } = new GraphQLSchema(buildASTSchema(limitDirectives).toConfig()).toConfig();
// The token in the header Authorization says who calls: the library passes it on to billing.
const schema = enforceLimits(new GraphQLSchema({ query: Query, directives }), { limits });

const server = createServer(createYoga({ schema, plugins: [yogaLimits()], logging: false }));
server.listen(Number(PORT), '127.0.0.1', () => {
  const address = server.address();
  console.log(`Listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : PORT}/graphql`);
});
process.once('SIGTERM', async () => {
  server.close();
  server.closeAllConnections();
  await limits.close();
});
