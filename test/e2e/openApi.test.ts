import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src/common/errors.js';
import { CANCEL_URL, SUCCESS_URL, settled, subscribe } from '../support/billing.js';
import { createServiceKey } from '../support/federation.js';
import { OPERATOR_KEY, startTestServer, type TestServer } from '../support/server.js';
import { catalogueFile, pricedCatalogue } from '../support/teamCatalogue.js';

const SECRET = 'whsec_openapi';

interface Operation {
  operationId: string;
  tags: string[];
  security: object[];
  parameters?: { name: string }[];
  requestBody?: { required: boolean; content: Record<string, { schema: object }> };
  responses: Record<
    string,
    {
      description: string;
      content?: Record<string, { schema: object; examples?: Record<string, { value: object }> }>;
    }
  >;
}

interface Document {
  openapi: string;
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes: object };
}

interface Described extends Operation {
  path: string;
  method: string;
}

let server: TestServer;
let document: Document;
let operations: Described[];
let validate: (operation: Described, status: number, type: string) => ValidateFunction;

beforeAll(async () => {
  const env = {
    CATALOG_FILE: catalogueFile(pricedCatalogue({ team: { overage: null } })),
    STRIPE_WEBHOOK_SECRET: SECRET,
  };
  server = await startTestServer({ env });
  document = (await (await fetch(`${server.url}/docs/json`)).json()) as Document;
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, ...operation })),
  );
  const ajv = new Ajv2020({ strict: false, validateFormats: true });
  addFormats.default(ajv);
  ajv.addSchema(document, 'document');
  const pointer = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));
  const compiled = new Map<string, ValidateFunction>();
  validate = ({ path, method }, status, type) => {
    const place = ['paths', path, method, 'responses', String(status), 'content', type, 'schema'];
    const $ref = `document#/${place.map(pointer).join('/')}`;
    const isValid = compiled.get($ref) ?? ajv.compile({ $ref });
    compiled.set($ref, isValid);
    return isValid;
  };
});
afterAll(() => server.stop());

/** Every route, with what the test asks of it. */
const ROUTES = [
  'get /health/live',
  'get /health/ready',
  'get /v1/audit-log',
  'get /v1/billing/entitlements',
  'get /v1/billing/preview-seats',
  'get /v1/billing/preview-tier-change',
  'get /v1/billing/subscription',
  'get /v1/billing/tenant',
  'get /v1/billing/tenants',
  'get /v1/billing/tiers',
  'get /v1/billing/usage',
  'get /v1/billing/usage-history',
  'get /v1/decisions',
  'get /v1/tenants/export/{token}',
  'post /v1/billing/cancel-subscription',
  'post /v1/billing/change-tier',
  'post /v1/billing/consume',
  'post /v1/billing/create-checkout-session',
  'post /v1/billing/create-portal-session',
  'post /v1/billing/create-tenant',
  'post /v1/billing/record-usage',
  'post /v1/billing/report-usage',
  'post /v1/billing/resume-subscription',
  'post /v1/billing/set-seats',
  'post /v1/billing/webhook',
  'post /v1/decisions',
  'post /v1/decisions/end',
];

describe('the document', () => {
  it('is a page at /docs', async () => {
    const response = await fetch(`${server.url}/docs`);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('swagger-ui');
  });

  it('is valid OpenAPI 3.1', async () => {
    expect(document.openapi).toBe('3.1.0');
    const validator = new Validator();
    expect(await validator.validate({ ...structuredClone(document) })).toEqual({ valid: true });
    const unresolved = JSON.stringify(document).match(/"\$ref":"(?!#\/components\/schemas\/)[^"]*"/g);
    expect(unresolved).toBeNull();
    expect(() => validator.resolveRefs()).not.toThrow();
  });

  it('lists every route, and none of the mock', () => {
    expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(ROUTES);
  });

  it('has what generators of clients need: ids, tags, a server, keys, named schemas', () => {
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z]+$/);
    expect(document.servers).toEqual([{ url: '/' }]);
    expect(document.components.securitySchemes).toMatchObject({
      apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      bearer: { type: 'http', scheme: 'bearer' },
    });
    for (const { path, tags, responses, security } of operations) {
      expect(tags, path).toHaveLength(1);
      expect(security, path).toBeDefined();
      if (!path.startsWith('/v1/') || path.includes('webhook') || path.includes('export')) continue;
      const content = responses[200]?.content ?? {};
      if (content['application/json'])
        expect(JSON.stringify(content), path).toMatch(/\$ref|ended|upgradeUrl/);
    }
  });

  it('describes the errors of every route by their codes, with valid examples', () => {
    const codes = new Set<string>(Object.values(ErrorCode));
    for (const operation of operations) {
      const { path, responses, security, requestBody } = operation;
      const failures = Object.entries(responses).filter(([status]) => Number(status) >= 400);
      if (security.length > 0) {
        const expected = ['400', '401', '403', '500', '503', ...(requestBody ? ['413', '415'] : [])];
        expect(
          failures.map(([status]) => status),
          path,
        ).toEqual(expect.arrayContaining(expected));
      }
      if (path.startsWith('/health/')) continue;
      for (const [status, { content = {} }] of failures) {
        const examples = Object.entries(content['application/json']?.examples ?? {});
        expect(examples.length, `${path} ${status}`).toBeGreaterThan(0);
        const isValid = validate(operation, Number(status), 'application/json');
        for (const [code, { value }] of examples) {
          expect(codes.has(code)).toBe(true);
          expect(isValid(value), `${path} ${code}: ${JSON.stringify(isValid.errors)}`).toBe(true);
        }
      }
    }
  });

  it('says which bodies may be left out, and what is in an event that is checked by itself', () => {
    const of = (id: string) => operations.find(({ operationId }) => operationId === id) as Described;
    expect(of('cancelSubscription').requestBody?.required).toBe(false);
    expect(of('changeTier').requestBody?.required).toBe(true);
    expect(of('recordUsage').requestBody?.content['application/json']?.schema).toMatchObject({
      properties: { events: { items: { $ref: '#/components/schemas/UsageEvent' } } },
    });
    const checkout = of('createCheckoutSession').requestBody?.content['application/json']?.schema;
    expect(checkout).toMatchObject({
      required: ['tier', 'success_url', 'cancel_url'],
      properties: {
        tier: { enum: ['free', 'pro', 'team', 'enterprise'] },
        seats: { type: ['integer', 'null'] },
      },
    });
  });

  it('has names in snake case alone in what the routes under /v1/billing take', () => {
    const taken = operations
      .filter(({ path }) => path.startsWith('/v1/billing/'))
      .flatMap(({ parameters = [], requestBody }) => [
        ...parameters.map(({ name }) => name),
        ...Object.keys(
          (requestBody?.content['application/json']?.schema as { properties?: object })?.properties ?? {},
        ),
      ]);
    expect(taken.length).toBeGreaterThan(40);
    expect(taken.filter((name) => /[A-Z]/.test(name))).toEqual([]);
  });
});

interface Asked {
  key?: string | null;
  query?: string;
  /** An object is sent as JSON, a text as it is. */
  body?: object | string | undefined;
  headers?: Record<string, string>;
}

describe('real responses', () => {
  const answered = new Map<string, Set<number>>();

  async function ask(route: string, { key, query = '', body, headers }: Asked) {
    const [method = '', path = ''] = route.split(' ');
    const operation = operations.find((one) => one.method === method && one.path === path) as Described;
    const url = path.startsWith('/v1/tenants/export/') && query ? query : `${server.url}${path}${query}`;
    const response = await fetch(url, {
      method: method.toUpperCase(),
      headers: {
        ...(key && { 'x-api-key': key }),
        ...headers,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const { status } = response;
    const type = response.headers.get('content-type')?.split(';')[0] ?? '';
    const text = await response.text();
    const described = operation.responses[status];
    expect(described, `${route}: ${status} ${text}`).toBeDefined();
    expect(Object.keys(described?.content ?? {}), route).toContain(type);
    if (type === 'application/json') {
      const isValid = validate(operation, status, type);
      expect(isValid(JSON.parse(text)), `${route}: ${text} ${JSON.stringify(isValid.errors)}`).toBe(true);
    }
    answered.set(route, (answered.get(route) ?? new Set()).add(status));
    return { status, text };
  }

  it('that are not as described are found', () => {
    const tenant = operations.find(({ operationId }) => operationId === 'getTenant') as Described;
    const isValid = validate(tenant, 200, 'application/json');
    const good = { id: 'a', external_id: null, name: 'A', email: null, tier: 'free', suspended_at: null };
    expect(isValid({ ...good, created_at: '2026-11-28T00:00:00.000Z' })).toBe(true);
    expect(isValid({ ...good, created_at: 'today' })).toBe(false);
    expect(isValid(good)).toBe(false);
  });

  it('of every route are as described: successes and errors', async () => {
    const { id, key } = await server.createTenant();
    const service = await createServiceKey(server);
    await subscribe(server, key);
    const wanted = { tier: 'pro', success_url: SUCCESS_URL, cancel_url: CANCEL_URL };
    const operation = {
      tenantId: id,
      scope: 'WRITE',
      charges: [{ endpoint: 'jobs', cost: 2 }],
      features: [],
      fieldLimits: [],
      stores: [],
    };
    const { data } = await server.gql('mutation ($id: ID) { exportTenant(tenantId: $id) { url } }', {
      variables: { id },
    });
    const decided = await ask('post /v1/decisions', { key: service, body: { operations: [operation] } });
    const { receipt } = JSON.parse(decided.text).decisions[0];
    const ended = { receipt, unearned: [{ endpoint: 'jobs', cost: 1 }], keptHolds: [], releasedHolds: [] };
    const event = { id: 'evt_1', object: 'event', type: 'plan.created', created: 1, livemode: false };
    const payload = JSON.stringify({ ...event, data: { object: { id: 'plan_1', object: 'plan' } } });
    const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET });
    const seats = (await server.createTenant()).key;
    const team = { ...wanted, tier: 'team', interval: 'month', seats: 3 };
    const bought = await ask('post /v1/billing/create-checkout-session', { key: seats, body: team });
    await fetch(`${JSON.parse(bought.text).local_url}/complete`, { method: 'POST', redirect: 'manual' });
    await settled(server);
    const fresh = (await server.createTenant()).key;
    const [from, to] = [-3, 0].map((days) => new Date(Date.now() + days * 86_400_000).toISOString());

    const good: [route: string, request: Asked][] = [
      ['get /health/live', {}],
      ['get /health/ready', {}],
      ['get /v1/audit-log', { key, query: '?format=csv' }],
      ['get /v1/audit-log', { key }],
      ['get /v1/billing/tiers', {}],
      ['get /v1/billing/entitlements', { key }],
      ['get /v1/billing/subscription', { key }],
      ['get /v1/billing/subscription', { key: fresh }],
      ['get /v1/billing/tenant', { key }],
      ['get /v1/billing/tenants', { key: OPERATOR_KEY, query: '?limit=1&tier=pro' }],
      ['get /v1/billing/usage', { key, query: '?period=month' }],
      ['get /v1/billing/usage-history', { key, query: `?from=${from}&to=${to}&granularity=hour` }],
      ['get /v1/billing/preview-tier-change', { key, query: '?tier=free&immediately=true' }],
      ['get /v1/decisions', { key: service }],
      ['get /v1/tenants/export/{token}', { query: data.exportTenant.url }],
      ['post /v1/billing/create-tenant', { key: OPERATOR_KEY, body: { name: 'A', external_id: 'a-1' } }],
      ['post /v1/billing/create-tenant', { key: OPERATOR_KEY, body: { name: 'A', external_id: 'a-1' } }],
      ['post /v1/billing/create-checkout-session', { key: fresh, body: wanted }],
      ['post /v1/billing/create-portal-session', { key, body: { return_url: SUCCESS_URL } }],
      ['post /v1/billing/consume', { key, body: { endpoint: 'search', cost: 3 } }],
      ['post /v1/billing/consume', { key: fresh, body: { endpoint: 'search', cost: 1_000_000 } }],
      [
        'post /v1/billing/record-usage',
        { key, body: { events: [{ id: '1', endpoint: 'a', quantity: 1 }, 7] } },
      ],
      ['post /v1/billing/report-usage', { key, body: { quantity: 1 } }],
      ['post /v1/billing/change-tier', { key, body: { tier: 'free' } }],
      ['post /v1/billing/resume-subscription', { key }],
      ['post /v1/billing/cancel-subscription', { key }],
      ['get /v1/billing/preview-seats', { key: seats, query: '?seats=5' }],
      ['post /v1/billing/set-seats', { key: seats, body: { seats: 5 } }],
      ['post /v1/billing/webhook', { body: payload, headers: { 'stripe-signature': signature } }],
      ['post /v1/decisions/end', { key: service, body: { operations: [ended] } }],
    ];
    for (const [route, request] of good) expect((await ask(route, request)).status, route).toBe(200);

    for (const { method, path, security, requestBody } of operations) {
      const route = `${method} ${path}`;
      if (path.startsWith('/health/') || path.endsWith('/tiers')) continue;
      const body = requestBody ? { nonsense: true } : undefined;
      if (security.length > 0) expect((await ask(route, { body })).status, route).toBe(401);
      const bad = {
        key: path.includes('decisions') ? service : OPERATOR_KEY,
        body,
        query: body ? '' : '?nonsense=1',
      };
      if (path.includes('export')) bad.query = '';
      if (route !== 'get /v1/decisions')
        expect((await ask(route, bad)).status, route).toBeGreaterThanOrEqual(400);
      if (requestBody) {
        expect((await ask(route, { ...bad, body: '{' })).status, route).toBe(400);
        expect((await ask(route, { ...bad, body: JSON.stringify('x'.repeat(1_100_000)) })).status).toBe(413);
      }
    }
    for (const route of ROUTES) {
      expect([...(answered.get(route) ?? [])], route).toContain(200);
      const hasError = [...(answered.get(route) ?? [])].some((status) => status >= 400);
      expect(hasError || /health|tiers/.test(route), route).toBe(true);
    }
  });
});
