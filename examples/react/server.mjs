// The shop's own server: a GraphQL API with limits, the route that gives the page its token, and the page.
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { createBillingClient } from '@continuum-billing/client';
import { enforceLimits, limitDirectivesSdl, remoteLimits, yogaLimits } from '@continuum-billing/limits';
import { createSchema, createYoga } from 'graphql-yoga';
import { listen } from '../support/listen.mjs';

const { BILLING_URL = '', SERVICE_KEY = '', PROVISION_KEY = '', PAGE_DIRECTORY = '' } = process.env;

/** Your session says who is asking. Here everybody is from Acme. */
const organizationOf = (_request) => 'acme';

const typeDefs = `${limitDirectivesSdl}
  type Lamp { id: ID!  colour: String! }
  type Query { lamps: [Lamp!]! }
  type Mutation { orderLamp(colour: String!): Lamp @rateLimited }
`;
const lamps = [];
const resolvers = {
  Query: { lamps: () => lamps },
  Mutation: {
    orderLamp(_parent, { colour }) {
      const lamp = { id: String(lamps.length + 1), colour };
      lamps.push(lamp);
      return lamp;
    },
  },
};

const limits = await remoteLimits({ url: BILLING_URL, serviceKey: SERVICE_KEY, whenAway: 'refuse' });
const schema = enforceLimits(createSchema({ typeDefs, resolvers }), {
  limits,
  identify: ({ request }) => ({ externalId: organizationOf(request) }),
});
/** Creates tokens of any tenant, so that it never leaves the server. */
const billing = createBillingClient({ url: BILLING_URL, apiKey: PROVISION_KEY });

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

async function answer(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/billing-token' && request.method === 'POST') {
    const externalId = organizationOf(request);
    return Response.json(await billing.createTenantToken({ externalId, scopes: ['READ', 'BILLING'] }));
  }
  if (pathname === '/config.json') return Response.json({ billingUrl: BILLING_URL });
  const file = /^\/assets\/[\w.-]+$/.test(pathname) ? pathname : '/index.html';
  const content = await readFile(join(PAGE_DIRECTORY, file));
  return new Response(content, { headers: { 'content-type': TYPES[extname(file)] ?? 'text/plain' } });
}

const pages = {
  async onRequest({ request, url, endResponse }) {
    if (url.pathname !== '/graphql') endResponse(await answer(request));
  },
};
listen(createYoga({ schema, plugins: [yogaLimits(), pages], logging: false }), 4001);
