// Prints the supergraph that both gateways run, composed of billing's SDL and the products subgraph's.
import { readFileSync } from 'node:fs';
import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';
import { typeDefs as products } from './productsTypes.mjs';

const { BILLING_URL = 'http://127.0.0.1:4000/subgraph', PRODUCTS_URL = 'http://127.0.0.1:4001/graphql' } =
  process.env;
const billing = parse(readFileSync(new URL('../../subgraph.graphql', import.meta.url), 'utf8'));

const { supergraphSdl, errors } = composeServices([
  { name: 'billing', url: BILLING_URL, typeDefs: billing },
  { name: 'products', url: PRODUCTS_URL, typeDefs: products },
]);
if (errors) {
  console.error(errors.map(({ message }) => message).join('\n'));
  process.exitCode = 1;
} else {
  process.stdout.write(supergraphSdl);
}
