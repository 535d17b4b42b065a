#!/usr/bin/env node
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MongoClient } from 'mongodb';
import { z } from 'zod';
import type { Log } from './log.js';
import { createMockStripe } from './mockStripe.js';
import { seededPrice } from './seed.js';
import { serveMockStripe } from './standalone/httpServer.js';
import { isWebUrl } from './webUrl.js';

const HELP = `mock-stripe: a Stripe to develop and test against.

  mock-stripe [options]

  --port <n>               12111 unless given; 0: any that is free
  --host <address>         127.0.0.1 unless given
  --mongodb-uri <uri>      a replica set, and the database; without it a MongoDB is started (and downloaded the first
                           time) whose data is deleted at the end
  --webhook-url <url>      where events are posted; without it they wait
  --webhook-secret <text>  signs the events; whsec_mock unless given
  --prices <file.json>     prices that exist from the start; the README has their fields
  --tax-percent <n>        what automatic tax charges; 10 unless given
  --help                   this text

Point the SDK at it: new Stripe('sk_test_mock', { host: '127.0.0.1', port: 12111, protocol: 'http' })
`;
const CONNECT_MS = 10_000;

/** What a person did wrong. */
class UsageError extends Error {}

const say = (line: string) => process.stderr.write(`${line}\n`);

const log: Log = {
  debug() {},
  info: (_fields, message) => say(message),
  warn: (fields, message) => say(`${message}${'problem' in fields ? `: ${fields.problem}` : ''}`),
  error: (fields, message) =>
    say(`${message}${'err' in fields ? `\n${(fields.err as Error).stack ?? fields.err}` : ''}`),
};

const string = { type: 'string' } as const;

function readOptions() {
  try {
    return parseArgs({
      options: {
        port: { ...string, default: '12111' },
        host: { ...string, default: '127.0.0.1' },
        'mongodb-uri': string,
        'webhook-url': string,
        'webhook-secret': { ...string, default: 'whsec_mock' },
        prices: string,
        'tax-percent': { ...string, default: '10' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${HELP}`);
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port < 65_536) return port;
  throw new UsageError(`--port must be a whole number from 0 to 65535, not ${text}`);
}

function taxPercentOf(text: string): string {
  if (/^\d{1,2}(\.\d{1,4})?$/.test(text)) return text;
  throw new UsageError(`--tax-percent must be a percentage from 0 to 99.9999, not ${text}`);
}

function webhookUrlOf(text: string | undefined): string | undefined {
  if (text === undefined || isWebUrl(text)) return text;
  throw new UsageError(`--webhook-url must be an http or https URL, not ${text}`);
}

async function readPrices(file: string | undefined) {
  if (!file) return [];
  try {
    return z.array(seededPrice).parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new UsageError(`--prices ${file}: ${problem}`);
  }
}

/** A MongoDB for as long as this process runs. */
async function startMongod() {
  const { startEmbeddedMongod, userCacheDir } = await import('@continuum-billing/embedded-mongod');
  const dataDir = await mkdtemp(join(tmpdir(), 'mock-stripe-'));
  const removeData = () => rm(dataDir, { recursive: true, force: true });
  try {
    const mongod = await startEmbeddedMongod({
      dataDir,
      cacheDir: userCacheDir('mock-stripe'),
      database: 'mock_stripe',
      log: say,
    });
    return {
      uri: mongod.uri,
      exited: mongod.exited,
      async stop() {
        await mongod.stop();
        await removeData();
      },
    };
  } catch (error) {
    await removeData();
    throw error;
  }
}

async function run(): Promise<void> {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const port = portOf(options.port);
  const webhookUrl = webhookUrlOf(options['webhook-url']);
  const webhookSecret = options['webhook-secret'];
  const prices = await readPrices(options.prices);
  const taxPercent = taxPercentOf(options['tax-percent']);

  const uri = options['mongodb-uri'];
  const mongod = uri ? null : await startMongod();
  // Ended in the opposite order.
  const running: { stop(): Promise<unknown> }[] = mongod ? [mongod] : [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      for (const part of running.reverse()) await part.stop();
    })();
    return stopping;
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => stop().finally(() => process.exit()));
  mongod?.exited.then(({ requested }) => {
    if (requested) return;
    say('MongoDB ended unexpectedly');
    process.exit(1);
  });

  try {
    const client = new MongoClient(uri ?? (mongod?.uri as string), {
      serverSelectionTimeoutMS: CONNECT_MS,
    });
    await client.connect();
    running.push({ stop: () => client.close() });
    let url = '';
    const mock = createMockStripe({
      db: client.db(),
      log,
      webhookSecret: () => webhookSecret,
      webhookUrl: () => webhookUrl,
      publicUrl: () => url,
      ownPages: true,
      prices,
      taxPercent,
    });
    const defaultPrice = prices.find(({ meterEventName }) => !meterEventName)?.id;
    await mock.start();
    running.push(mock);
    const served = await serveMockStripe(mock, { port, host: options.host, log, defaultPrice });
    url = served.url;
    running.push({ stop: served.close });
    process.stdout.write(
      `mock-stripe listens on ${url}\n` +
        `  webhooks  ${webhookUrl ? `${webhookUrl}, signed with ${webhookSecret}` : 'wait: no --webhook-url'}\n` +
        `  clock     POST ${url}/mock/clock {"advanceSeconds": 86400}\n` +
        `  trigger   POST ${url}/mock/trigger {"event": "invoice.payment_failed"}\n`,
    );
  } catch (error) {
    await stop();
    throw error;
  }
}

run().catch((error: unknown) => {
  say(
    error instanceof UsageError ? error.message : `mock-stripe could not start: ${(error as Error).message}`,
  );
  process.exit(1);
});
