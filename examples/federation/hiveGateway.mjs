// A Hive gateway in front of the supergraph.
import { readFileSync } from 'node:fs';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';
import { listen } from '../support/listen.mjs';
import { headersTo, limitHeadersOf } from './headers.mjs';

const { SUPERGRAPH = 'supergraph.graphql' } = process.env;

const gateway = createGatewayRuntime({
  supergraph: readFileSync(SUPERGRAPH, 'utf8'),
  logging: false,
  propagateHeaders: {
    fromClientToSubgraphs: ({ request, subgraphName }) =>
      headersTo(subgraphName, request.headers.get('x-api-key')),
    fromSubgraphsToClient: ({ response }) => limitHeadersOf(response.headers),
    // With several answers, the last one's headers are kept.
    deduplicateHeaders: true,
  },
});
listen(gateway, 4003, '/graphql');
