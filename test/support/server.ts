import type { Logger } from 'pino';
import { expect } from 'vitest';
import { type App, startApp } from '../../src/app.js';
import type { Clock } from '../../src/common/clock.js';
import { type Config, readConfig } from '../../src/config/config.js';
import { connectTestDatabase } from './database.js';
import { searchedLog } from './log.js';
import { expectNoLeaks, noteSecrets, searchForSecrets } from './secrets.js';

export const OPERATOR_KEY = 'operator-key-of-the-tests-0123456789';

/** Lets outgoing webhooks reach this machine. */
export const LOOPBACK_WEBHOOKS = { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8,::1/128' };

export interface GraphQLAnswer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  data: any;
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  errors: { message: string; path?: (string | number)[]; extensions: any }[];
}

export interface AskOptions {
  /** null: none; default: the operator's */
  key?: string | null;
  variables?: object;
  headers?: Record<string, string>;
}

export interface TestTenant {
  id: string;
  key: string;
  keyId: string;
}

/** A whole server on a database and a port of its own, with real HTTP. */
export interface TestServer {
  app: App;
  url: string;
  uri: string;
  gql(query: string, options?: AskOptions): Promise<GraphQLAnswer>;
  /** As the operator. */
  createTenant(name?: string): Promise<TestTenant>;
  /** As the operator: a contract's overrides. */
  setLimits(tenantId: string, limits: object | null, tier?: string | null): Promise<void>;
  stop(): Promise<void>;
}

export interface TestServerOptions {
  env?: Record<string, string>;
  config?: Partial<Config>;
  clock?: Clock;
  log?: Logger;
  /** Shares another server's database. */
  uri?: string;
}

/** No root field was answered: rejected before execution, or failed in it. */
export function expectNothing(data: object | null | undefined): void {
  expect(Object.values(data ?? {}).filter((value) => value !== null)).toEqual([]);
}

/** Sends an operation to any GraphQL server. */
export async function ask(
  url: string,
  query: string,
  { key = OPERATOR_KEY, variables, headers }: AskOptions = {},
): Promise<GraphQLAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key !== null && { 'x-api-key': key }), ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const text = await response.text();
  noteSecrets(text);
  const body = JSON.parse(text) as Partial<GraphQLAnswer>;
  if (body.errors) searchForSecrets(JSON.stringify(body.errors));
  return { status: response.status, headers: response.headers, data: body.data, errors: body.errors ?? [] };
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const database = options.uri ? null : await connectTestDatabase();
  const uri = options.uri ?? (database?.uri as string);
  const own = {
    PORT: '0',
    HOST: '127.0.0.1',
    ADMIN_API_KEY: OPERATOR_KEY,
    MONGODB_URI: uri,
    SHUTDOWN_NOTICE_SECONDS: '0',
  };
  const config = readConfig({ ...own, ...options.env });
  const log = options.log ?? searchedLog();
  const clock = options.clock && { clock: options.clock };
  const app = await startApp({ ...config, ...options.config, mongodbUri: uri }, { log, ...clock });

  const gql: TestServer['gql'] = (query, options) => ask(`${app.url}/graphql`, query, options);

  return {
    app,
    url: app.url,
    uri,
    gql,
    async createTenant(name = 'A tenant') {
      const { data, errors } = await gql(
        'mutation ($name: String!) { createTenant(input: { name: $name }) { tenant { id } apiKey { id secret } } }',
        { variables: { name } },
      );
      if (errors[0]) throw new Error(errors[0].message);
      const { tenant, apiKey } = data.createTenant;
      return { id: tenant.id, key: apiKey.secret, keyId: apiKey.id };
    },
    async setLimits(tenantId, limits, tier) {
      const { errors } = await gql(
        'mutation ($input: SetTenantLimitsInput!) { setTenantLimits(input: $input) { id } }',
        { variables: { input: { tenantId, limits, ...(tier !== undefined && { tier }) } } },
      );
      if (errors[0]) throw new Error(errors[0].message);
    },
    async stop() {
      await app.stop();
      expectNoLeaks();
      await database?.dropAndClose();
    },
  };
}

/** Waits until what a server does by itself with new tenants is done, for tests that count what is read. */
export async function quiet({ app, gql }: TestServer): Promise<void> {
  const counted = async () => (await gql('{ overview { countedAt } }')).data.overview.countedAt;
  await expect.poll(counted, { timeout: 20_000 }).not.toBeNull();
  const { tenants, billingSubscriptions } = app.models;
  for (const collection of [tenants.collection, billingSubscriptions.collection])
    await expect.poll(() => collection.countDocuments({ unannounced: true }), { timeout: 20_000 }).toBe(0);
}
