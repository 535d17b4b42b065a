// A service that sells renderings of lamps. It knows its users itself, by organisation, and asks billing with the typed client.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createBillingClient, isBillingError } from '@continuum-billing/client';

const { BILLING_URL = 'http://127.0.0.1:4000', BILLING_KEY = '', PORT = '4001' } = process.env;

const billing = createBillingClient({ url: BILLING_URL, apiKey: BILLING_KEY });
/** Work that nobody waits for is counted afterwards, in batches. */
const meter = billing.meter({ intervalMs: 500 });

interface Reply {
  status: number;
  body: object;
  headers?: Record<string, string>;
}

const routes: Record<string, (externalId: string) => Promise<Reply>> = {
  /** May be repeated: an organisation has one tenant. */
  async '/signup'(externalId) {
    const { tenant } = await billing.createTenant({ externalId, name: externalId });
    return { status: 201, body: { tenant: tenant?.id, tier: tenant?.tier.displayName } };
  },

  /** Charged before it is done: a reached limit is an answer, not an error. */
  async '/render'(externalId) {
    const { allowed, remaining, resetsAt } = await billing.consume({ externalId, endpoint: 'render' });
    if (!allowed) {
      const seconds = Math.ceil((Date.parse(resetsAt) - Date.now()) / 1_000);
      const headers = { 'retry-after': String(Math.max(1, seconds)) };
      return { status: 429, body: { resetsAt, upgrade: `/upgrade?org=${externalId}` }, headers };
    }
    meter.record({ externalId, endpoint: 'thumbnail', quantity: 2 });
    return { status: 200, body: { lamp: '💡', remaining } };
  },

  /** Where a person pays. */
  async '/upgrade'(externalId) {
    const page = { successUrl: 'http://127.0.0.1/thanks', cancelUrl: 'http://127.0.0.1/prices' };
    const { url, localUrl } = await billing.createCheckoutSession({ externalId, tier: 'PRO', ...page });
    void followUpgrade(externalId);
    return { status: 200, body: { pay: localUrl ?? url } };
  },

  async '/usage'(externalId) {
    await meter.flush();
    const { apiCalls, limit, byEndpoint } = await billing.usage({ externalId });
    return { status: 200, body: { apiCalls, limit, byEndpoint } };
  },
};

/** Says when an upgrade has been paid. */
async function followUpgrade(externalId: string): Promise<void> {
  for await (const { tier } of billing.live.subscriptionChanged(
    { externalId },
    { signal: stopping.signal },
  )) {
    if (tier.name === 'FREE') continue;
    console.log(`${externalId} has ${tier.displayName} now`);
    return;
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://lamps');
  const { status, body, headers } = await replyTo(pathname, searchParams.get('org') ?? '');
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}

async function replyTo(pathname: string, organisation: string): Promise<Reply> {
  const route = routes[pathname];
  if (!route || !organisation) return { status: 404, body: { error: 'POST /<route>?org=<organisation>' } };
  try {
    return await route(organisation);
  } catch (error) {
    if (!isBillingError(error)) throw error;
    const { code, message, requestId } = error;
    console.error(`billing: ${code} ${message} (${requestId})`);
    if (code === 'NOT_FOUND') return { status: 404, body: { error: 'Sign up first' } };
    return { status: 503, body: { error: 'Billing is away' } };
  }
}

const stopping = new AbortController();
const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
server.listen(Number(PORT), '127.0.0.1', () => {
  const address = server.address();
  console.log(`Listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : PORT}`);
});
process.once('SIGTERM', async () => {
  stopping.abort();
  server.close();
  // What was recorded is sent before the process ends.
  await meter.close();
});
