import { createClient } from './client.mjs';
import { TENANTS, usageOf } from './tenants.mjs';

const DAY_MS = 86_400_000;
/** The most events of one request. */
const BATCH = 1_000;
/** How many tenants are worked on at once. */
const PARALLEL = 4;
const OPERATORS = [
  ['Grace, support', 'SUPPORT'],
  ['Sign-up service', 'PROVISION'],
  ['Finance reports', 'READ'],
];

/**
 * Fills a server in mock mode with tenants on every tier, thirty days of usage, alerts, overage, failed payments, rejections
 * and keys, all by its public API. Doing it again adds only what is missing.
 * @param options.webhookUrls where the server sends its own events; none unless given
 * @param options.log called with a line at each step
 */
export async function fillWithDemoData({ url, key, webhookUrls = [], log = () => undefined }) {
  const client = createClient({ url, key });
  const { data } = await client.ask('{ webhookEndpoints { url } operatorKeys { name } }');
  if (!data) throw new Error(`The server at ${url} does not take this key for an OWNER's`);

  for (const webhookUrl of webhookUrls) {
    if (data.webhookEndpoints.some((endpoint) => endpoint.url === webhookUrl)) continue;
    await client.gql('mutation ($url: String!) { createWebhookEndpoint(input: { url: $url }) { secret } }', {
      url: webhookUrl,
    });
  }
  for (const [name, role] of OPERATORS) {
    if (data.operatorKeys.some((known) => known.name === name)) continue;
    await client.gql(
      'mutation ($name: String!, $role: OperatorRole!) { createOperatorKey(input: { name: $name, role: $role }) { secret } }',
      { name, role },
    );
  }

  log(`${TENANTS.length} tenants, with what they bought`);
  const tenants = await inParallel(TENANTS, (plan) => createTenant(client, plan));
  log('30 days of usage');
  await inParallel(tenants, (tenant) => recordUsage(client, tenant));
  log('failed payments, overrides, rejections');
  await inParallel(
    tenants.filter(({ isNew }) => isNew),
    (tenant) => STATES[tenant.state]?.(client, tenant),
  );
}

async function createTenant(client, plan) {
  const { slug, name, tier, priceCents } = plan;
  const { createTenant: created } = await client.gql(
    `mutation ($name: String!, $email: String, $externalId: ID) {
      createTenant(input: { name: $name, email: $email, externalId: $externalId }) {
        tenant { id tier { name } } apiKey { secret } } }`,
    { name, email: `billing@${slug}.example`, externalId: `demo-${slug}` },
  );
  const tenantId = created.tenant.id;
  const tenant = {
    ...plan,
    tenantId,
    secret: created.apiKey?.secret ?? null,
    isNew: created.apiKey !== null,
  };
  if (created.tenant.tier.name === tier) return tenant;
  if (tier === 'ENTERPRISE') {
    await client.gql(
      `mutation ($tenantId: ID, $priceCents: Int!) { createEnterpriseSubscription(input: {
        tenantId: $tenantId, monthlyPriceCents: $priceCents, termMonths: 12 }) { id } }`,
      { tenantId, priceCents },
    );
  } else if (tier === 'PRO') {
    const id = await startCheckout(client, tenantId);
    await client.post(`/mock/checkout/${id}/complete`);
  }
  return tenant;
}

async function startCheckout(client, tenantId) {
  const { createCheckoutSession: session } = await client.gql(
    `mutation ($tenantId: ID, $url: String!) { createCheckoutSession(tenantId: $tenantId, input: {
      tier: PRO, successUrl: $url, cancelUrl: $url }) { id } }`,
    { tenantId, url: `${client.url}/upgrade` },
  );
  return session.id;
}

async function recordUsage(client, tenant) {
  const events = usageOf(tenant, Date.now());
  for (let start = 0; start < events.length; start += BATCH) {
    await client.gql(
      'mutation ($tenantId: ID, $events: [UsageEventInput!]!) { recordUsage(tenantId: $tenantId, events: $events) { status } }',
      { tenantId: tenant.tenantId, events: events.slice(start, start + BATCH) },
    );
  }
}

/** Records calls of today until a FREE tenant has used this many of its 100. */
async function spendToday(client, { tenantId }, calls) {
  const { usage } = await client.gql('query ($tenantId: ID) { usage(tenantId: $tenantId) { apiCalls } }', {
    tenantId,
  });
  const quantity = calls - Number(usage.apiCalls);
  if (quantity <= 0) return;
  const events = [{ id: `demo:today:${calls}`, endpoint: 'searchMemories', quantity }];
  await client.gql(
    'mutation ($tenantId: ID, $events: [UsageEventInput!]!) { recordUsage(tenantId: $tenantId, events: $events) { status } }',
    { tenantId, events },
  );
}

const setLimits = (client, input) =>
  client.gql('mutation ($input: SetTenantLimitsInput!) { setTenantLimits(input: $input) { id } }', { input });

const storeMemories = (client, secret, count) =>
  client.ask(
    'mutation ($input: [StoreMemoryInput!]!) { storeMemories(input: $input) { id } }',
    { input: Array.from({ length: count }, (_, index) => ({ content: `Note ${index + 1}` })) },
    secret,
  );

/** What makes a tenant worth looking at. */
const STATES = {
  checkout: (client, { tenantId }) => startCheckout(client, tenantId),
  'past due': (client, { tenantId }) =>
    client.post('/mock/trigger', { event: 'invoice.payment_failed', tenantId }),
  canceling: (client, { tenantId }) =>
    client.gql('mutation ($tenantId: ID) { cancelSubscription(tenantId: $tenantId) { id } }', { tenantId }),
  overage: (client, { tenantId }) =>
    client.gql(
      'mutation ($tenantId: ID) { setOverage(tenantId: $tenantId, input: { monthlyCapCents: 5000 }) { usedCalls } }',
      { tenantId },
    ),
  override: (client, { tenantId }) =>
    setLimits(client, {
      tenantId,
      limits: { apiCallsPerDay: 25_000, apiCallsPerMinute: 400 },
      reason: 'Migration of their archive, agreed with sales',
      until: new Date(Date.now() + 21 * DAY_MS).toISOString(),
    }),
  suspended: (client, { tenantId }) =>
    client.gql(
      'mutation ($tenantId: ID, $reason: String) { suspendTenant(tenantId: $tenantId, reason: $reason) { id } }',
      { tenantId, reason: 'Calls from a leaked key; waiting for their answer' },
    ),
  'near the limit': (client, tenant) => spendToday(client, tenant, 93),
  /** Over its minute, its day and its tier. */
  async rejected(client, tenant) {
    const { secret } = tenant;
    const share = 'mutation { shareMemory(id: "mem_none") { id } }';
    await client.ask(share, {}, secret);
    for (let call = 0; call < 14; call += 1) await storeMemories(client, secret, 1);
    await spendToday(client, tenant, 100);
    await storeMemories(client, secret, 1);
    await client.ask(share, {}, secret);
  },
  /** A quota that is full. */
  async stored(client, { tenantId, secret }) {
    await setLimits(client, { tenantId, limits: { maxMemories: 8 }, reason: 'Trial of small quotas' });
    await storeMemories(client, secret, 8);
    await storeMemories(client, secret, 1);
  },
};

async function inParallel(items, work) {
  const results = [];
  const waiting = items.entries();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (const [index, item] of waiting) results[index] = await work(item);
    }),
  );
  return results;
}
