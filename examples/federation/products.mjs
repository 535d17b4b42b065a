// A team's own subgraph: what it sells belongs to billing's tenants.
import { readFileSync } from 'node:fs';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { createPubSub, createYoga } from 'graphql-yoga';
import { listen } from './listen.mjs';

/** In memory: gone after a restart. */
const products = [];
const events = createPubSub();

const resolvers = {
  Query: {
    products: () => products,
    product: (_, { id }) => products.find((product) => product.id === id) ?? null,
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
  // Of another subgraph's entity a reference is enough: its key, which the gateway resolves there.
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
};

const typeDefs = parse(readFileSync(new URL('products.graphql', import.meta.url), 'utf8'));
listen(createYoga({ schema: buildSubgraphSchema([{ typeDefs, resolvers }]), logging: false }), 4001);
