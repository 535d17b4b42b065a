// An Apollo gateway in front of the supergraph.
import { readFileSync } from 'node:fs';
import { ApolloGateway, RemoteGraphQLDataSource } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { headersTo, limitHeadersOf } from './headers.mjs';

const { SUPERGRAPH = 'supergraph.graphql', PORT = '4002' } = process.env;

const gateway = new ApolloGateway({
  supergraphSdl: readFileSync(SUPERGRAPH, 'utf8'),
  buildService: ({ name, url }) =>
    new RemoteGraphQLDataSource({
      url,
      willSendRequest({ request, context }) {
        for (const [header, value] of Object.entries(headersTo(name, context.apiKey)))
          request.http.headers.set(header, value);
      },
      didReceiveResponse({ response, context }) {
        Object.assign(context.limitHeaders, limitHeadersOf(response.http.headers));
        return response;
      },
    }),
});

const server = new ApolloServer({
  gateway,
  includeStacktraceInErrorResponses: false,
  plugins: [
    {
      requestDidStart: async () => ({
        async willSendResponse({ response, contextValue }) {
          for (const [name, value] of Object.entries(contextValue.limitHeaders))
            response.http.headers.set(name, value);
        },
      }),
    },
  ],
});

const { url } = await startStandaloneServer(server, {
  listen: { port: Number(PORT), host: '127.0.0.1' },
  context: async ({ req }) => ({ apiKey: req.headers['x-api-key'], limitHeaders: {} }),
});
console.log(`Listening on ${url}graphql`);
