import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as core from '@sentry/core';
import * as server from '@sentry/core/server';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { badInput, serviceUnavailable } from '../../src/common/errors.js';
import { generateKey } from '../../src/services/accounts/keySecret.js';
import {
  createErrorReports,
  type ErrorReports,
  type SentryCore,
  type SentryServer,
} from '../../src/services/infrastructure/errorReports.js';
import { importOptional } from '../../src/services/infrastructure/optionalPackage.js';
import { subscribe } from '../support/billing.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { collectLog } from '../support/log.js';
import { type SentryReceiver, startSentryReceiver } from '../support/receivers.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { buildServer, spawnServer } from '../support/serverProcess.js';
import { soon } from '../support/soon.js';

let sentry: SentryReceiver;
let reports: ErrorReports;
beforeAll(async () => {
  sentry = await startSentryReceiver();
  reports = await newReports();
});
afterAll(() => sentry.close());
afterEach(() => {
  vi.restoreAllMocks();
  sentry.events.length = 0;
});

const newReports = () =>
  createErrorReports({ dsn: sentry.dsn, environment: 'test', release: 'continuum-billing@1.2.3' });

describe('errors of a server', () => {
  let billing: TestServer;
  let tenant: TestTenant;
  beforeAll(async () => {
    billing = await startTestServer({ log: collectLog('info', reports).log });
    tenant = await billing.createTenant();
  });
  afterAll(() => billing.stop());

  it('that nobody expected are sent with the release, the request, the tenant and the operation', async () => {
    const cause = new Error('dup key: { email: "someone@example.com" }');
    vi.spyOn(billing.app.services.memories, 'find').mockRejectedValue(
      Object.assign(new TypeError('a defect', { cause }), { document: { secret: 'hunter2' } }),
    );
    await billing.gql('query Look($id: ID!) { memory(id: $id) { id } }', {
      key: tenant.key,
      variables: { id: 'mem_hunter2' },
      headers: { 'x-request-id': 'defect-2', 'x-other': 'hunter2' },
    });
    await reports.flush();
    expect(sentry.events).toMatchObject([
      {
        level: 'error',
        logger: 'operation.failed',
        release: 'continuum-billing@1.2.3',
        environment: 'test',
        platform: 'node',
        tags: {
          event: 'operation.failed',
          requestId: 'defect-2',
          tenantId: tenant.id,
          operation: 'Look',
        },
        exception: {
          values: [
            { type: 'Error', value: 'dup key: { email: "[e-mail]" }' },
            { type: 'TypeError', value: 'a defect' },
          ],
        },
      },
    ]);
    const [event] = sentry.events;
    expect(event.exception.values[1].stacktrace.frames.at(-1).filename).toContain('sentry.test.ts');
    expect(Object.keys(event)).not.toContain('request');
    expect(Object.keys(event)).not.toContain('breadcrumbs');
    expect(sentry.received.join()).not.toMatch(/hunter2|someone@/);
    expect(sentry.received.join()).not.toContain(tenant.key);
  });

  it('that are mistakes of callers are not', async () => {
    await billing.gql('{ none }');
    await billing.gql('{ memory(id: "mem_1") { id } }', { key: null });
    await billing.gql('{ memory(id: "mem_1") { id } }', { key: generateKey('test').key });
    await billing.gql('mutation { consume(input: { endpoint: "x", cost: -1 }) { allowed } }', {
      key: tenant.key,
    });
    await fetch(`${billing.url}/v1/billing/report-usage`, { method: 'POST', body: '{' });
    await reports.flush();
    expect(sentry.events).toEqual([]);
  });

  it('in a background loop are sent too', async () => {
    vi.spyOn(billing.app.models.billingSubscriptions, 'bulkWrite').mockRejectedValue(
      new RangeError('a defect'),
    );
    await subscribe(billing, tenant.key);
    const event = await soon(() => {
      expect(sentry.events).not.toEqual([]);
      return sentry.events[0];
    });
    expect(event).toMatchObject({
      level: 'error',
      tags: { event: 'webhook.retry' },
      exception: { values: [{ type: 'RangeError', value: 'a defect' }] },
    });
  });
});

describe('reports', () => {
  it('are ten a minute for one event of the log, so that an outage is no flood', async () => {
    const own = await newReports();
    for (let i = 0; i < 50; i++) own.report('error', 'redis.unavailable', { err: new Error(`no. ${i}`) });
    own.report('error', 'other', { err: new Error('another') });
    await own.flush();
    expect(sentry.events.map(({ logger }) => logger)).toEqual([
      ...Array(10).fill('redis.unavailable'),
      'other',
    ]);
  });

  it('are made of unavailability, and not of what a caller did wrong', async () => {
    const own = await newReports();
    own.report('warning', 'a', { err: badInput('x', 'is wrong') });
    own.report('warning', 'b', { err: serviceUnavailable('away') });
    await own.flush();
    expect(sentry.events.map(({ logger }) => logger)).toEqual(['b']);
  });

  it('that Sentry rejects or does not take are dropped, and the log goes on', async () => {
    sentry.status = 500;
    const { log, logged } = collectLog('info', await newReports());
    log.error({ err: new Error('a defect') }, 'rejected');
    const away = { dsn: 'http://key@127.0.0.1:1/1', environment: 'test', release: 'x' };
    const unreachable = await createErrorReports(away);
    collectLog('info', unreachable).log.error({ err: new Error('a defect') }, 'unreachable');
    await unreachable.flush();
    sentry.status = 200;
    expect(logged).toEqual(['rejected']);
  });

  it('have the types of the package that is loaded', () => {
    const used: [SentryCore, Pick<SentryServer, 'nodeStackLineParser'>] = [
      core as unknown as SentryCore,
      server as Pick<SentryServer, 'nodeStackLineParser'>,
    ];
    expect(used.map((module) => typeof module)).toEqual(['object', 'object']);
  });

  it('that need a package which is not installed stop the start, and say how to install it', async () => {
    const missing = importOptional(['@sentry/none/server'], 'SENTRY_DSN');
    await expect(missing).rejects.toThrow(
      /^SENTRY_DSN needs packages.*npm install --no-save --omit=dev @sentry\/none@/,
    );
  });
});

describe('processes', () => {
  const NODE_OPTIONS = `--import=${new URL('../support/processHooks.mjs', import.meta.url)}`;
  const BROKEN_DATABASE = 'mongodb://root:hunter2@127.0.0.1:1/?authMechanism=NONE';
  let database: TestDatabase;
  beforeAll(async () => {
    [database] = await Promise.all([connectTestDatabase(), buildServer()]);
  });
  afterAll(() => database.dropAndClose());
  const env = (more: Record<string, string>) => ({
    MONGODB_URI: database.uri,
    STRIPE_MOCK_MODE: 'true',
    HOST: '127.0.0.1',
    ADMIN_API_KEY: OPERATOR_KEY,
    ...more,
  });
  const run = promisify(execFile);

  it('log every request before they end, and load nothing of Sentry or OpenTelemetry unless asked to', async () => {
    const process = await spawnServer(env({ NODE_OPTIONS }));
    const key = generateKey('test').key;
    await Promise.all(Array.from({ length: 50 }, () => process.gql('{ tiers { name } }', key)));
    expect(await process.end('SIGTERM')).toBe(0);
    expect(process.output().match(/"request\.answered"/g)).toHaveLength(50);
    // Metrics depend on the interfaces of OpenTelemetry.
    expect(process.output()).not.toMatch(/loaded node_modules\/(?!@opentelemetry\/api\b)/);
  });

  it('send what they crash with before they end', async () => {
    const process = await spawnServer(env({ NODE_OPTIONS, SENTRY_DSN: sentry.dsn }));
    expect(await process.end('SIGUSR2')).toBe(1);
    expect(process.output()).toContain('loaded node_modules/@sentry/core');
    expect(process.output()).toContain('"msg":"process.crashed"');
    expect(sentry.events).toMatchObject([
      { level: 'fatal', environment: 'development', tags: { event: 'process.crashed' } },
    ]);
    expect(sentry.events[0].release).toMatch(/^continuum-billing@\d+\.\d+\.\d+$/);
  });

  it.each([
    ['start', 'server.not_started'],
    ['stripe reconcile', 'reconcile.failed'],
  ])('%s sends why it failed', async (command, event) => {
    const variables = env({
      MONGODB_URI: BROKEN_DATABASE,
      SENTRY_DSN: sentry.dsn,
      PATH: process.env.PATH ?? '',
    });
    await expect(
      run(process.execPath, ['dist/src/cli/main.js', ...command.split(' ')], { env: variables }),
    ).rejects.toMatchObject({ code: 1 });
    expect(sentry.events).toMatchObject([{ tags: { event } }]);
    expect(sentry.received.join()).not.toContain('hunter2');
  });
});
