import { buildClientSchema, getIntrospectionQuery } from 'graphql';
import { ErrorCode } from '../../../src/common/errors.js';
import { GATEWAY_SECRET_HEADER } from '../../../src/services/accounts/gatewaySecret.js';
import { createRandom } from '../random.js';
import {
  type FuzzRequest,
  type GraphqlEndpoint,
  graphqlRequests,
  type OpenApi,
  restRequests,
  webhookRequests,
} from './requests.js';
import { KnownStrings } from './values.js';

export interface FuzzOptions {
  /** The server's address, without a path. */
  url: string;
  operatorKey: string;
  seed: number;
  maxRequests: number;
  untilMs: number;
  /** null: webhooks are sent with wrong signatures alone. */
  webhookSecret: string | null;
  /** null: nothing is sent to the subgraph. */
  gatewaySecret: string | null;
  /** Called before each request, with the kind of its caller. */
  onRequest?: (caller: Caller) => void;
}

/** `free`: a tenant of the default tier, which runs into its limits. */
export type Caller = 'nobody' | 'tenant' | 'free' | 'operator' | 'service';

export interface Finding {
  caller: Caller;
  problem: string;
  request: string;
  response: string;
}

export interface FuzzResult {
  requests: number;
  findings: Finding[];
  /** How often each status was answered. */
  statuses: Record<string, number>;
  /** How often each error code was answered. */
  codes: Record<string, number>;
}

/** What graphql and Apollo reject by themselves; in docs/errors.md too. */
const GRAPHQL_CODES = [
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'BAD_REQUEST',
];
const CODES: ReadonlySet<unknown> = new Set([...Object.values(ErrorCode), ...GRAPHQL_CODES]);
/** Answers that no input may cause, as long as the database and Stripe are there. */
const FORBIDDEN_CODES: readonly unknown[] = [
  ErrorCode.INTERNAL_SERVER_ERROR,
  ErrorCode.PAYMENT_PROVIDER_ERROR,
  ErrorCode.SERVICE_UNAVAILABLE,
];
const MAX_RESPONSE_BYTES = 11_000_000;
const MAX_MESSAGE_LENGTH = 1_000;
const MAX_FINDINGS = 50;
const REQUEST_MS = 20_000;
/** Then the tenant may have spent its quota, or revoked its key. */
const REQUESTS_PER_TENANT = 150;
const CALLERS: readonly Caller[] = ['nobody', 'tenant', 'tenant', 'tenant', 'free', 'operator', 'service'];
const GRAPHQL: GraphqlEndpoint = { path: '/graphql', headers: {} };
const MAX_KEYS = 50;
const INTERNALS = /node_modules|Mongo\w*Error|BSONError|TypeError|RangeError|Cannot read prop|stacktrace/;

type Keys = Record<'tenant' | 'free' | 'service', string>;

/** Sends requests that are made up from the schema and from OpenAPI, and checks each answer. Bounded by count and time. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const { url, operatorKey, seed, webhookSecret, gatewaySecret } = options;
  const random = createRandom(seed);
  const known = new KnownStrings();
  const requestsTo = async (endpoint: GraphqlEndpoint) => {
    const introspection = await graphql(url, operatorKey, getIntrospectionQuery(), endpoint);
    return graphqlRequests(buildClientSchema(introspection), endpoint, random, known);
  };
  const toGraphql = await requestsTo(GRAPHQL);
  const toSubgraph =
    gatewaySecret &&
    (await requestsTo({ path: '/subgraph', headers: { [GATEWAY_SECRET_HEADER]: gatewaySecret } }));
  const openApi = (await (await fetch(`${url}/docs/json`)).json()) as OpenApi;
  const restRequest = restRequests(openApi, random, known);
  const webhookRequest = webhookRequests(webhookSecret, random, known);
  const nextRequest = () => {
    const kind = random.next();
    if (kind >= 0.92) return webhookRequest();
    if (kind >= 0.8) return restRequest();
    return toSubgraph && kind >= 0.65 ? toSubgraph() : toGraphql();
  };
  const result: FuzzResult = { requests: 0, findings: [], statuses: {}, codes: {} };

  let keys = await createKeys(url, operatorKey);
  while (result.requests < options.maxRequests && Date.now() < options.untilMs) {
    if (result.requests % REQUESTS_PER_TENANT === REQUESTS_PER_TENANT - 1)
      keys = await createKeys(url, operatorKey);
    const request = nextRequest();
    const caller = random.pick<Caller>(CALLERS);
    options.onRequest?.(caller);
    const key = { nobody: null, operator: operatorKey, ...keys }[caller];
    result.requests++;
    for (const problem of await send(url, request, key, known, result)) {
      result.findings.push({ caller, ...problem });
    }
    if (result.findings.length >= MAX_FINDINGS) break;
  }
  return result;
}

async function send(
  url: string,
  request: FuzzRequest,
  key: string | null,
  known: KnownStrings,
  result: FuzzResult,
): Promise<Omit<Finding, 'caller'>[]> {
  const { method, path, headers, body } = request;
  // The pages of the mock checkout are for people.
  const isPage = path.startsWith('/mock/');
  const shown = `${request.what}: ${method} ${path.slice(0, 1_500)} ${(body ?? '').slice(0, 2_000)}`;
  let status: number;
  let text: string;
  let type: string;
  try {
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...(key !== null && { 'x-api-key': key }) },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    status = response.status;
    type = response.headers.get('content-type') ?? '';
    text = await response.text();
  } catch (error) {
    return [{ problem: `no answer: ${error} ${(error as Error).cause ?? ''}`, request: shown, response: '' }];
  }
  result.statuses[status] = (result.statuses[status] ?? 0) + 1;
  return problemsOf(status, type, text, isPage, known, result.codes).map((problem) => ({
    problem,
    request: shown,
    response: `${status} ${text.slice(0, 500)}`,
  }));
}

/** @returns what is wrong about an answer */
function problemsOf(
  status: number,
  type: string,
  text: string,
  isPage: boolean,
  known: KnownStrings,
  codes: Record<string, number>,
): string[] {
  const problems: string[] = [];
  // 507 is the documented answer to a full storage.
  if (status >= 500 && status !== 507) problems.push(`status ${status}`);
  if (text.length > MAX_RESPONSE_BYTES) problems.push(`a response of ${text.length} characters`);
  // Lines of JSON are not one document.
  if (!/[/+]json\b/.test(type)) {
    const mayBe = status < 400 || isPage;
    return mayBe ? problems : [...problems, `an error as ${type || 'nothing'}`];
  }
  let json: { data?: unknown; errors?: unknown; error?: unknown };
  try {
    json = JSON.parse(text);
  } catch {
    return [...problems, 'a response that is not JSON'];
  }
  known.collect(json);
  if (Array.isArray(json?.errors)) {
    for (const error of json.errors) problems.push(...problemsOfError(error, error?.extensions, codes));
    for (const { extensions } of json.errors) {
      const own = extensions?.http?.status;
      // Clients of persisted queries expect 200, and send the document next.
      const isRight =
        extensions?.code === 'PERSISTED_QUERY_NOT_FOUND' ? own === 200 : own >= 400 && own < 600;
      if (!isRight) problems.push(`an error without a status: ${own}`);
    }
  } else if (status >= 400) problems.push(...problemsOfError(json?.error, json?.error, codes));
  return problems;
}

function problemsOfError(error: unknown, fields: unknown, codes: Record<string, number>): string[] {
  const { message } = (error ?? {}) as { message?: unknown };
  const { code } = (fields ?? {}) as { code?: unknown };
  codes[String(code)] = (codes[String(code)] ?? 0) + 1;
  const problems: string[] = [];
  if (!CODES.has(code)) problems.push(`a code that is not documented: ${code}`);
  if (FORBIDDEN_CODES.includes(code)) problems.push(`code ${code}`);
  if (typeof message !== 'string' || message === '') problems.push('an error without a message');
  else if (message.length > MAX_MESSAGE_LENGTH) problems.push(`a message of ${message.length} characters`);
  // The message may quote what was sent; the internals are never sent.
  if (INTERNALS.test(JSON.stringify(error) ?? '')) problems.push('internals in an error');
  return problems;
}

/** The keys of a new tenant with plenty of room, of one without a subscription, and of a service. */
async function createKeys(url: string, operatorKey: string): Promise<Keys> {
  const asOperator = (query: string) => graphql(url, operatorKey, query, GRAPHQL);
  const createTenant = async () =>
    (
      await asOperator(
        'mutation { createTenant(input: { name: "Fuzz" }) { tenant { id } apiKey { secret } } }',
      )
    ).createTenant;
  const tenant = await createTenant();
  const limits = 'apiCallsPerMinute: 100000, apiCallsPerDay: 100000, concurrentRequests: 100';
  await asOperator(
    `mutation { setTenantLimits(input: { tenantId: "${tenant.tenant.id}", tier: PRO, limits: { ${limits} } }) { id } }`,
  );
  const free = await createTenant();
  // The run makes keys of the operator too, until there are as many as there may be.
  const { apiKeys } = await asOperator('{ apiKeys { id revokedAt } }');
  const usable = apiKeys.filter(({ revokedAt }: { revokedAt: string | null }) => revokedAt === null);
  if (usable.length > MAX_KEYS) {
    const revoked = usable.map(
      ({ id }: { id: string }, i: number) => `k${i}: revokeApiKey(id: "${id}") { id }`,
    );
    await asOperator(`mutation { ${revoked.join(' ')} }`);
  }
  const { createApiKey } = await asOperator(
    'mutation { createApiKey(input: { name: "Fuzz", scopes: [ENFORCE] }) { secret } }',
  );
  return { tenant: tenant.apiKey.secret, free: free.apiKey.secret, service: createApiKey.secret };
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into
async function graphql(url: string, key: string, query: string, endpoint: GraphqlEndpoint): Promise<any> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url + endpoint.path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key, ...endpoint.headers },
      body: JSON.stringify({ query }),
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    // biome-ignore lint/suspicious/noExplicitAny: answers are looked into
    const { data, errors } = (await response.json()) as any;
    if (!errors) return data;
    // The operator's own field limits: a random run creates keys and tenants too.
    if (response.status !== 429 || attempt === 5) throw new Error(`${query}: ${JSON.stringify(errors)}`);
    const waitS = Number(response.headers.get('retry-after') ?? 1);
    await new Promise((resolve) => setTimeout(resolve, Math.min(waitS, 60) * 1_000));
  }
}
