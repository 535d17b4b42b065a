import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createErrorReports } from '../../src/services/infrastructure/errorReports.js';
import { subscribe } from '../support/billing.js';
import { collectLog } from '../support/log.js';
import { connectRaw, rawPost } from '../support/rawClient.js';
import {
  type SentryReceiver,
  startSentryReceiver,
  startTraceReceiver,
  type TraceReceiver,
} from '../support/receivers.js';
import { expectNoLeaks, noteSecrets, searchForSecrets } from '../support/secrets.js';
import {
  LOOPBACK_WEBHOOKS,
  OPERATOR_KEY,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';
import { soon } from '../support/soon.js';

const GATEWAY_SECRET = 'gateway-secret-of-the-tests-9876543210';
const EMAIL = 'someone.private@example.com';
const VARIABLE = 'variable-that-nobody-may-see';

let sentry: SentryReceiver;
let collector: TraceReceiver;
let server: TestServer;
let lines: string[];
let errors: string[];
let metrics: string;
/** What must be found nowhere. */
const secrets = new Set([OPERATOR_KEY, GATEWAY_SECRET, EMAIL, VARIABLE]);

/** Sends an operation, and remembers the secrets of its answer. */
async function gql(query: string, key: string | null = OPERATOR_KEY, variables: object = {}) {
  const answer = await server.gql(query, { key, variables });
  for (const secret of noteSecrets(JSON.stringify(answer.data ?? null))) secrets.add(secret);
  if (answer.errors.length > 0) errors.push(JSON.stringify(answer.errors));
  return answer;
}

async function rest(path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(`${server.url}${path}`, init);
  if (!response.ok) errors.push(await response.clone().text());
  return response;
}

/** The same for an operation that must succeed. */
async function make(query: string, key?: string) {
  const answer = await gql(query, key);
  if (answer.errors[0]) throw new Error(`${query}: ${answer.errors[0].message}`);
  return answer;
}

/** Each kind of secret is made, used, used wrongly, and part of an error that nobody expected. */
async function useEverything(tenant: TestTenant): Promise<void> {
  const { key, id } = tenant;
  secrets.add(key);
  const scopes = '[READ, WRITE, USAGE, BILLING, KEYS]';
  const made = await make(
    `mutation { createApiKey(input: { name: "second", scopes: ${scopes} }) { apiKey { id } secret } }`,
    key,
  );
  await make(`mutation { rotateApiKey(id: "${made.data.createApiKey.apiKey.id}") { secret } }`, key);
  await make('mutation { createOperatorKey(input: { name: "reader", role: READ }) { secret } }');
  const service = await make(
    'mutation { createApiKey(input: { name: "service", scopes: [ENFORCE] }) { secret } }',
  );
  const token = await make(`mutation { createTenantToken(input: { scopes: [READ, WRITE] }) { token } }`, key);
  await make('mutation { createWebhookEndpoint(input: { url: "https://127.0.0.1:1025/hook" }) { secret } }');
  await make(`mutation { exportTenant(tenantId: "${id}") { url } }`);
  await gql('mutation ($input: UpdateTenantInput!) { updateTenant(input: $input) { id } }', OPERATOR_KEY, {
    input: { tenantId: id, email: EMAIL },
  });
  await gql('{ usage { today } memory(id: "mem_1") { id } }', token.data.createTenantToken.token);

  const store = 'mutation Store($input: StoreMemoryInput!) { storeMemory(input: $input) { id } }';
  await gql(store, key, { input: { content: VARIABLE, metadata: { VARIABLE } } });
  await gql(store, key, { input: { content: VARIABLE, embedding: [] } });
  await gql('mutation { consume(input: { endpoint: "jobs" }) { allowed } }', key);
  await gql(
    'mutation ($operations: [OperationInput!]!) { decideOperations(operations: $operations) { allowed receipt } }',
    service.data.createApiKey.secret,
    {
      operations: [
        { apiKey: key, scope: 'WRITE', charges: [], features: [], fieldLimits: [], stores: [] },
        { apiKey: `${key}x`, scope: 'WRITE', charges: [], features: [], fieldLimits: [], stores: [] },
      ],
    },
  );
  await subscribe(server, key);
  await soon(async () => {
    const { data } = await gql('{ subscription { tier { name } } }', key);
    expect(data.subscription.tier.name).toBe('PRO');
  });

  // Where a key does not belong.
  await gql('{ tiers { name } }', `${key.slice(0, -1)}x`);
  await gql(`{ memory(id: "${key}") { id } }`, key);
  await gql(`{ ${key}: tiers { name } none }`, null);
  await gql('{ tiers { name } }', 'hunter2-that-is-no-key');
  await rest(`/v1/billing/subscription?x-api-key=${key}`, { headers: { authorization: `Bearer ${key}` } });
  // The answer is not searched: it quotes to the sender what the sender wrote.
  await fetch(`${server.url}/${key}`);
  await rest('/v1/billing/webhook', {
    method: 'POST',
    body: JSON.stringify({ VARIABLE }),
    headers: { 'stripe-signature': `t=1,v1=${VARIABLE}` },
  });
  await rest('/subgraph', {
    method: 'POST',
    headers: { 'x-gateway-secret': GATEWAY_SECRET, 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ tiers { name } }' }),
  });
  await rest('/subgraph', { method: 'POST', headers: { 'x-gateway-secret': `${GATEWAY_SECRET}x` } });
  const client = await connectRaw(server.url);
  client.write(rawPost('/graphql', { 'x-api-key': key, 'content-length': 'many' }, { VARIABLE }));
  errors.push(await client.ended());

  // An error of a driver quotes what it was given.
  const { token: jwt } = token.data.createTenantToken;
  const message = `dup key: { email: "${EMAIL}" } by ${key}, Bearer ${jwt}, mongodb://root:${VARIABLE}@db/x`;
  vi.spyOn(server.app.services.memories, 'find').mockRejectedValueOnce(
    Object.assign(new Error(message, { cause: new Error(message) }), { document: { VARIABLE, key } }),
  );
  await gql('query Failing { memory(id: "mem_1") { id } }', key);
}

beforeAll(async () => {
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '20');
  [sentry, collector] = await Promise.all([startSentryReceiver(), startTraceReceiver()]);
  const reports = await createErrorReports({ dsn: sentry.dsn, environment: 'test', release: 'x@1' });
  const collected = collectLog('trace', reports);
  lines = collected.lines;
  errors = [];
  server = await startTestServer({
    log: collected.log,
    env: { ...LOOPBACK_WEBHOOKS, GATEWAY_SECRET, OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint },
  });
  await useEverything(await server.createTenant());
  metrics = await (await fetch(`${server.url}/metrics`)).text();
  await server.stop();
  await reports.flush();
});
afterAll(() => {
  sentry.close();
  collector.close();
  vi.unstubAllEnvs();
});

describe('no key, token, secret, e-mail address or variable is in', () => {
  it.each<[string, () => string[], RegExp]>([
    ['the log', () => lines, /"request\.answered"[\s\S]*"operation\.failed"|"operation\.failed"/],
    ['an error', () => errors, /UNAUTHENTICATED[\s\S]*Internal server error/],
    ['a metric', () => [metrics], /continuum_operations_total\{/],
    ['a trace', () => collector.received, /"Failing"/],
    ['what Sentry gets', () => sentry.received, /"operation\.failed"/],
  ])('%s', (_, texts, expected) => {
    const text = texts().join('\n');
    // Otherwise nothing would have been searched.
    expect(text).toMatch(expected);
    expect(secrets.size).toBeGreaterThanOrEqual(12);
    expect([...secrets].filter((secret) => text.includes(secret))).toEqual([]);
  });
});

it('the search of the whole suite would find one', () => {
  noteSecrets('{"secret":"ctm_test_abcdefghijkl_ABCDEFGHIJKLMNOPQRSTUVWX"}');
  searchForSecrets('{"msg":"harmless"}');
  expectNoLeaks();
  searchForSecrets('{"msg":"key ctm_test_abcdefghijkl_ABCDEFGHIJKLMNOPQRSTUVWX"}');
  expect(expectNoLeaks).toThrow();
});
