// An Express API with users of its own. It knows their organisations by API keys that it issued; billing knows each by the same id.
import { expressLimits, remoteLimits, tenantOfRequest } from '@continuum-billing/limits';
import express from 'express';

const { BILLING_URL, BILLING_SERVICE_KEY, BILLING_OPERATOR_KEY, PORT = '4001' } = process.env;

/** In a real API these are in a database, as hashes. */
const ORGANISATIONS = new Map([
  ['acme-key', 'acme'],
  ['bolt-key', 'bolt'],
]);

const limits = await remoteLimits({
  url: BILLING_URL,
  serviceKey: BILLING_SERVICE_KEY,
  whenAway: 'refuse',
});
const limited = expressLimits({ limits, identify: ({ organisation }) => ({ externalId: organisation }) });

async function billing(route, body) {
  const response = await fetch(`${BILLING_URL}/v1/billing/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': BILLING_OPERATOR_KEY },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`);
  return answer;
}

const app = express();
app.use((request, response, next) => {
  request.organisation = ORGANISATIONS.get(request.get('x-api-key'));
  if (request.organisation) next();
  else response.status(401).json({ error: 'Send one of the keys as x-api-key' });
});

/** May be repeated: an organisation has one tenant. */
app.post('/signup', async ({ organisation }, response) => {
  const { tenant } = await billing('create-tenant', { name: organisation, external_id: organisation });
  response.status(201).json({ tier: tenant.tier });
});

app.get('/lamps', limited(), (request, response) => {
  response.json({ lamps: ['desk', 'floor'], tier: tenantOfRequest(request)?.tier });
});

app.get('/shared', limited({ cost: 2, feature: 'FEDERATION' }), (_request, response) => {
  response.json({ lamps: ['street'] });
});

/** What it costs is known only afterwards. A client that repeats a request sends the same id, and is counted once. */
app.post('/render', limited({ cost: 0, concurrent: true }), async (request, response) => {
  const images = 1 + Math.floor(Math.random() * 3);
  const id = request.get('x-request-id') ?? crypto.randomUUID();
  const events = [{ id, endpoint: 'render', quantity: images }];
  await billing('record-usage', { external_id: request.organisation, events });
  response.json({ images });
});

/** Where a person pays. */
app.post('/upgrade', async ({ organisation }, response) => {
  const page = { success_url: 'http://127.0.0.1/thanks', cancel_url: 'http://127.0.0.1/prices' };
  const { url, local_url: localUrl } = await billing('create-checkout-session', {
    external_id: organisation,
    tier: 'pro',
    ...page,
  });
  response.json({ pay: localUrl ?? url });
});

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`Listening on http://127.0.0.1:${server.address().port}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(() => limits.close().then(() => process.exit(0)));
    server.closeAllConnections();
  });
}
