// A team's own subgraph: what it sells belongs to billing's tenants, and its fields are limited by what they pay for.
import { buildSubgraphSchema } from '@apollo/subgraph';
import { enforceLimits, remoteLimits, yogaLimits } from '@continuum-billing/limits';
import { createPubSub, createYoga } from 'graphql-yoga';
import { listen } from '../support/listen.mjs';
import { typeDefs } from './productsTypes.mjs';

const { BILLING_API_URL = 'http://127.0.0.1:4000', BILLING_SERVICE_KEY } = process.env;

/** In memory: gone after a restart. */
const products = [];
const events = createPubSub();

const resolvers = {
  Query: {
    products: () => products,
    product: (_, { id }) => products.find((product) => product.id === id) ?? null,
    productsOfTier: (_, { tier }) => products.filter((product) => product.tier === tier),
  },
  Mutation: {
    addProduct(_, input) {
      const product = { id: String(products.length + 1), ...input };
      products.push(product);
      events.publish('added', product);
      return product;
    },
  },
  Subscription: {
    productAdded: { subscribe: () => events.subscribe('added'), resolve: (product) => product },
  },
  // A reference is enough for another subgraph's entity: its key, which the gateway resolves there.
  Product: {
    __resolveReference: ({ id }) => products.find((product) => product.id === id) ?? null,
    owner: ({ ownerId }) => ({ id: ownerId }),
    plan: ({ ownerId }) => ({ tenantId: ownerId }),
    tier: ({ tier }) => ({ name: tier }),
    note: ({ noteId }) => noteId && { id: noteId },
  },
  BillingTenant: {
    products: ({ id }) => products.filter(({ ownerId }) => ownerId === id),
  },
  BillingMemory: {
    products: ({ id }) => products.filter(({ noteId }) => noteId === id),
  },
};

const limits = await remoteLimits({
  url: BILLING_API_URL,
  serviceKey: BILLING_SERVICE_KEY,
  // Without billing nobody knows what a caller has paid for.
  whenAway: 'refuse',
});
const schema = enforceLimits(buildSubgraphSchema([{ typeDefs, resolvers }]), { limits });
listen(createYoga({ schema, plugins: [yogaLimits()], logging: false }), 4001, '/graphql');
